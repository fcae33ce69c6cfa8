/* Header names to numbers, for who has the name in a padded buffer.
 *
 * One multiplication puts every known name into a slot of its own; then the
 * whole name is compared, so that nothing is ever taken for another name. */
#ifndef GUST_HTTPNAMES_INTERNAL_H
#define GUST_HTTPNAMES_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include <gust/httpnames.h>

#include "httpserver/http_scan_internal.h"

#define GUST__NAME_MAX 30                     /* longer names are not known */
#define GUST__NAME_FACTOR 0xdabe1ffa6e209fd7u /* drawn at random until no slot was shared */

/* Room for the longest name and for loads of eight bytes. */
struct gust__known_name {
    char text[GUST__NAME_MAX + 1];
    uint8_t len;
};

extern const struct gust__known_name gust__known_names[GUST_HTTP_NAME_COUNT];
extern const uint8_t gust__name_slots[256]; /* enum gust_http_name */

#define GUST__FOLD 0x2020202020202020u

/* The bits of a word that hold the first n (1 .. 8) bytes in memory. */
static inline uint64_t gust__first_bytes(size_t n)
{
    return gust__is_big_endian() ? ~(uint64_t)0 << (64 - 8 * n) : ~(uint64_t)0 >> (64 - 8 * n);
}

/* The slot of a name by its last eight bytes, or all of a shorter one, and its
 * length. */
static inline uint8_t gust__name_slot(uint64_t word, size_t len)
{
    if (gust__is_big_endian()) {
        word = __builtin_bswap64(word);
    }
    return (uint8_t)(((word | GUST__FOLD) + len) * GUST__NAME_FACTOR >> 56);
}

/* How a word of a name differs from a known one's, but for the case of letters:
 * in `known`, which is made of letters and '-', they alone have bit 0x40. */
static inline uint64_t gust__name_diff(uint64_t name, const char *known)
{
    uint64_t word = gust__load64(known);
    return (name ^ word) & ~(word >> 1 & GUST__FOLD);
}

static inline uint8_t gust__short_name_id(const char *name, size_t len)
{
    uint64_t word = gust__load64(name) & gust__first_bytes(len);
    uint8_t id = gust__name_slots[gust__name_slot(word, len)];
    return gust__name_diff(word, gust__known_names[id].text) == 0 ? id : GUST_HTTP_OTHER_NAME;
}

static inline uint8_t gust__long_name_id(const char *name, size_t len)
{
    uint64_t tail = gust__load64(name + len - 8);
    uint8_t id = gust__name_slots[gust__name_slot(tail, len)];
    const struct gust__known_name *known = &gust__known_names[id];
    if (known->len != len) {
        return GUST_HTTP_OTHER_NAME;
    }
    uint64_t diff = gust__name_diff(tail, known->text + len - 8);
    for (size_t at = 0; at + 8 < len; at += 8) {
        diff |= gust__name_diff(gust__load64(name + at), known->text + at);
    }
    return diff == 0 ? id : GUST_HTTP_OTHER_NAME;
}

/* The number of a name: 1 .. GUST__NAME_MAX bytes, any bytes, with eight readable
 * ones from its first. */
static inline uint8_t gust__name_id(const char *name, size_t len)
{
    return len < 8 ? gust__short_name_id(name, len) : gust__long_name_id(name, len);
}

#endif

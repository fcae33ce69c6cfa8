/* gust_str: borrowed bytes.
 *
 * A pointer and a length, passed by value. The bytes belong to somebody else,
 * need not end in NUL and may hold NULs. What a callback is handed as gust_str
 * is borrowed until it returns, unless its comment says otherwise.
 * {NULL, 0} is the empty string and valid everywhere.
 *
 * Thread: any; there is no hidden state. */
#ifndef GUST_STR_H
#define GUST_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gust_str {
    const char *ptr; /* may be NULL when len is 0 */
    size_t len;      /* in bytes */
} gust_str;

/* A literal as gust_str, in expressions: gust_iostream_write(s, GUST_STR("hi")). */
#ifdef __cplusplus
#define GUST_STR(literal) (gust_str{"" literal, sizeof(literal) - 1})
#else
#define GUST_STR(literal) ((gust_str){"" literal, sizeof(literal) - 1})
#endif

/* The same where C asks for a constant initialiser, as in static tables. */
#define GUST_STR_INIT(literal)                                                                     \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }

/* The two arguments that "%.*s" takes: printf("%.*s", GUST_FMT(s)). Cut at
 * INT_MAX bytes. */
#define GUST_FMT(s) ((s).len > 0x7fffffff ? 0x7fffffff : (int)(s).len), ((s).ptr ? (s).ptr : "")

/* ptr and len as a gust_str. */
static inline gust_str gust_str_make(const char *ptr, size_t len)
{
    gust_str s;
    s.ptr = ptr;
    s.len = len;
    return s;
}

/* A NUL-terminated string as a gust_str; NULL gives the empty one. */
static inline gust_str gust_str_from(const char *cstr)
{
    return gust_str_make(cstr, cstr ? strlen(cstr) : 0);
}

/* Same bytes? */
static inline bool gust_str_eq(gust_str a, gust_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* `s` without its first n bytes; empty when there are fewer. */
static inline gust_str gust_str_skip(gust_str s, size_t n)
{
    return n >= s.len ? gust_str_make(s.ptr ? s.ptr + s.len : NULL, 0)
                      : gust_str_make(s.ptr + n, s.len - n);
}

/* Same bytes, where A-Z and a-z are the same letters (ASCII, never the locale)? */
bool gust_str_case_eq(gust_str a, gust_str b);

/* Does `s` start with, or end in, those bytes? */
bool gust_str_starts_with(gust_str s, gust_str prefix);
bool gust_str_ends_with(gust_str s, gust_str suffix);

/* <0, 0, >0 as memcmp(3) orders the bytes; a prefix comes first. */
int gust_str_cmp(gust_str a, gust_str b);

/* Offset of the first `byte`, or of the first `needle`, in s; SIZE_MAX where
 * there is none. An empty needle is found at 0. Linear in s.len for a byte. */
size_t gust_str_find_byte(gust_str s, char byte);
size_t gust_str_find(gust_str s, gust_str needle);

/* `s` without leading and trailing SP and HTAB (HTTP's optional white space). */
gust_str gust_str_trim(gust_str s);

/* Cut the next piece off a list.
 *
 * rest       in: the list; out: what follows the separator, {NULL, 0} after
 *            the last piece
 * separator  one byte
 * out_piece  the bytes before the separator, untrimmed, may be empty
 * Returns true while there was a piece: an empty list with a non-NULL ptr has
 * one empty piece, "a,,b" has three. */
bool gust_str_split(gust_str *rest, char separator, gust_str *out_piece);

/* The digits of `s` as a number: 1 or more ASCII digits and nothing else, no
 * sign, no space.
 *
 * max        the largest value allowed
 * Returns 0, -EINVAL where it is not all digits, -ERANGE above max. */
int gust_str_to_u64(gust_str s, uint64_t max, uint64_t *out_value);

/* Write `value` in decimal to `out`, which has room for 20 bytes.
 * Returns the number of bytes written; no NUL is added. */
size_t gust_u64_to_dec(char *out, uint64_t value);

#ifdef __cplusplus
}
#endif

#endif

/* UTF-8 validation (RFC 3629), in one go or as the bytes arrive.
 *
 * Usage: gust_utf8 u = {0}; gust_utf8_feed(&u, piece) for each piece, which may
 * end inside a character; at the end gust_utf8_is_complete(&u).
 * An error is found in the piece that holds the first byte that no valid text
 * could have there: overlong forms, surrogates and what lies above U+10FFFF
 * show in a character's first or second byte.
 *
 * Cost: runs of ASCII are passed over 16 or more bytes at a time, the rest
 * takes one table look-up a byte.
 * Thread: any; the state is the caller's. */
#ifndef GUST_UTF8_H
#define GUST_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include <gust/str.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where in a character we are. {0} is the beginning of a text. The member is
 * the library's. */
typedef struct gust_utf8 {
    uint32_t state;
} gust_utf8;

/* Go on with `bytes`. Returns false where the text can't become valid any more;
 * it stays false for all that follows. */
bool gust_utf8_feed(gust_utf8 *u, gust_str bytes);

/* Is what was fed valid and not in the middle of a character? */
static inline bool gust_utf8_is_complete(const gust_utf8 *u)
{
    return u->state == 0;
}

/* Is `text` valid as a whole? The empty one is. */
bool gust_utf8_is_valid(gust_str text);

/* The first character of `text`.
 *
 * out_code  its code point
 * Returns its length in bytes, 1 to 4; 0 where text is empty or begins with
 * bytes that are no character. */
size_t gust_utf8_decode(gust_str text, uint32_t *out_code);

/* Write `code` to `out`, which has room for 4 bytes.
 * Returns the number of bytes; 0 for surrogates and above U+10FFFF. */
size_t gust_utf8_encode(char *out, uint32_t code);

#ifdef __cplusplus
}
#endif

#endif

/* Base64 (RFC 4648 4), with padding and without line ends.
 *
 * The decoder takes canonical text only, so that one value has one spelling:
 * tokens and keys that are compared as text can't be altered and still decode.
 *
 * Thread: any; there is no state. */
#ifndef GUST_BASE64_H
#define GUST_BASE64_H

#include <stddef.h>

#include <gust/str.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of text for n bytes of data; a constant where n is one. */
#define GUST_BASE64_SIZE(n) (((n) + 2) / 3 * 4)

/* The most bytes of data in n bytes of text. */
#define GUST_BASE64_DECODED_MAX(n) ((n) / 4 * 3)

/* Encode. `out` has room for GUST_BASE64_SIZE(bytes.len) and does not overlap
 * the input. Returns the number of bytes written; no NUL is added. */
size_t gust_base64_encode(char *out, gust_str bytes);

/* Decode.
 *
 * out      room for GUST_BASE64_DECODED_MAX(text.len); may be the text itself
 * text     a multiple of 4 bytes: alphabet A-Z a-z 0-9 + /, "=" or "==" at the
 *          end only, unused bits of the last digit zero, no white space
 * out_len  bytes written
 * Returns 0, or -EINVAL; `out` may have been written to then. */
int gust_base64_decode(char *out, gust_str text, size_t *out_len);

#ifdef __cplusplus
}
#endif

#endif

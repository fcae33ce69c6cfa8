/* gust_buf: a growing byte buffer with a maximum.
 *
 * Usage: gust_buf b; gust_buf_init(&b, max); append as you like; read b.ptr and
 * b.len; gust_buf_deinit(&b). {0} is a valid empty buffer with no room at all
 * (its maximum is 0).
 *
 * Invariants
 *  1. ptr is NULL iff cap is 0
 *  2. len <= cap <= max
 * An append either takes all bytes or fails and takes none; after a failure
 * the buffer is as it was.
 *
 * Thread: the owner's. */
#ifndef GUST_BUF_H
#define GUST_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <gust/str.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gust_buf {
    char *ptr;  /* the bytes; moves when the buffer grows */
    size_t len; /* bytes in use */
    size_t cap; /* bytes allocated */
    size_t max; /* the most it may ever hold */
} gust_buf;

/* An empty buffer that may grow to `max` bytes. Allocates nothing. */
void gust_buf_init(gust_buf *b, size_t max);

/* Give the memory back. The buffer is empty and may be used again. */
void gust_buf_deinit(gust_buf *b);

/* Make it empty, keep the memory. */
void gust_buf_reset(gust_buf *b);

/* Make room for n more bytes behind b->len. Growth doubles, so appending is
 * amortised O(1).
 * Returns 0, -ENOMEM, or GUST_EBUFFERFULL above the maximum. */
int gust_buf_reserve(gust_buf *b, size_t n);

/* Append bytes, which may not lie inside the buffer. Returns as reserve. */
int gust_buf_append(gust_buf *b, gust_str s);
int gust_buf_append_byte(gust_buf *b, char byte);

/* Append what printf(3) would print. Returns as reserve, or -EINVAL for a
 * format that can't be printed. */
int gust_buf_appendf(gust_buf *b, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;
int gust_buf_vappendf(gust_buf *b, const char *format, va_list args)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 0)))
#endif
    ;

/* Drop the first n bytes (all when there are fewer). Moves the rest down. */
void gust_buf_consume(gust_buf *b, size_t n);

/* The bytes, borrowed until the next call on b. */
static inline gust_str gust_buf_peek(const gust_buf *b)
{
    return gust_str_make(b->ptr, b->len);
}

/* Take the bytes out: the caller frees them with gust_free(). The buffer is
 * empty afterwards. An empty buffer gives NULL and 0. */
char *gust_buf_take(gust_buf *b, size_t *out_len);

/* Give back memory that a function with `take` in its name handed out. */
void gust_free(void *ptr);

#ifdef __cplusplus
}
#endif

#endif

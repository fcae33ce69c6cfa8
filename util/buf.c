/* gust_buf: see buf.h for the invariants. */
#include <gust/buf.h>

#include <stdio.h>
#include <string.h>

#include <gust/errors.h>

#include "util/alloc_internal.h"
#include "util/check_internal.h"

enum { SMALLEST = 64 };

static void check(const gust_buf *b)
{
    GUST_ASSERT((b->ptr == NULL) == (b->cap == 0));
    GUST_ASSERT(b->len <= b->cap && b->cap <= b->max);
    (void)b;
}

void gust_buf_init(gust_buf *b, size_t max)
{
    *b = (gust_buf){.max = max};
}

void gust_buf_deinit(gust_buf *b)
{
    gust__free(b->ptr);
    gust_buf_init(b, b->max);
}

void gust_buf_reset(gust_buf *b)
{
    b->len = 0;
}

static GUST_NOINLINE int grow(gust_buf *b, size_t n)
{
    if (n > b->max - b->len) {
        return GUST_EBUFFERFULL;
    }
    size_t cap = b->cap <= b->max / 2 ? b->cap * 2 : b->max;
    cap = cap < b->len + n ? b->len + n : cap;
    cap = cap < SMALLEST ? SMALLEST : cap;
    cap = cap > b->max ? b->max : cap;
    char *ptr = gust__realloc(b->ptr, cap);
    if (ptr == NULL) {
        return -ENOMEM;
    }
    b->ptr = ptr;
    b->cap = cap;
    check(b);
    return 0;
}

int gust_buf_reserve(gust_buf *b, size_t n)
{
    check(b);
    return n <= b->cap - b->len ? 0 : grow(b, n);
}

int gust_buf_append(gust_buf *b, gust_str s)
{
    if (s.len == 0) {
        return 0;
    }
    GUST_TRY(gust_buf_reserve(b, s.len));
    memcpy(b->ptr + b->len, s.ptr, s.len);
    b->len += s.len;
    return 0;
}

int gust_buf_append_byte(gust_buf *b, char byte)
{
    GUST_TRY(gust_buf_reserve(b, 1));
    b->ptr[b->len++] = byte;
    return 0;
}

/* Text that ends exactly at the maximum leaves no room for printf's NUL. */
static int append_through_copy(gust_buf *b, const char *format, va_list args, size_t n)
{
    char *copy = gust__malloc(n + 1);
    if (copy == NULL) {
        return -ENOMEM;
    }
    vsnprintf(copy, n + 1, format, args);
    int status = gust_buf_append(b, gust_str_make(copy, n));
    gust__free(copy);
    return status;
}

static int append_formatted(gust_buf *b, const char *format, va_list args, size_t n)
{
    if (n > b->max - b->len) {
        return GUST_EBUFFERFULL;
    }
    if (n == b->max - b->len) {
        return append_through_copy(b, format, args, n);
    }
    GUST_TRY(gust_buf_reserve(b, n + 1));
    vsnprintf(b->ptr + b->len, n + 1, format, args);
    b->len += n;
    return 0;
}

int gust_buf_vappendf(gust_buf *b, const char *format, va_list args)
{
    check(b);
    va_list again;
    va_copy(again, args);
    size_t room = b->cap - b->len;
    int printed = vsnprintf(room != 0 ? b->ptr + b->len : NULL, room, format, args);
    int status = 0;
    if (printed < 0) {
        status = -EINVAL;
    } else if ((size_t)printed < room) {
        b->len += (size_t)printed;
    } else {
        status = append_formatted(b, format, again, (size_t)printed);
    }
    va_end(again);
    return status;
}

int gust_buf_appendf(gust_buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int status = gust_buf_vappendf(b, format, args);
    va_end(args);
    return status;
}

void gust_buf_consume(gust_buf *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
        return;
    }
    memmove(b->ptr, b->ptr + n, b->len - n);
    b->len -= n;
}

char *gust_buf_take(gust_buf *b, size_t *out_len)
{
    char *ptr = b->len != 0 ? b->ptr : NULL;
    *out_len = b->len;
    if (ptr == NULL) {
        gust__free(b->ptr);
    }
    gust_buf_init(b, b->max);
    return ptr;
}

/* Allocation inside the library, and arithmetic on sizes that can't overflow.
 *
 * Nothing here logs or aborts; failure is NULL, or false. More than half of
 * PTRDIFF_MAX is never asked of the allocator; a size of 0 counts as 1. */
#ifndef GUST_ALLOC_INTERNAL_H
#define GUST_ALLOC_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gust/alloc.h>

void *gust__malloc(size_t size);
void *gust__calloc(size_t count, size_t size); /* zeroed; NULL on overflow of count * size */
void *gust__realloc(void *ptr, size_t size);
void gust__free(void *ptr);

/* Grow an array of `*cap` elements so that it holds at least `need`.
 *
 * ptr     address of the array's pointer, updated
 * cap     its capacity in elements, updated; grows by half or more, at least 8
 * Returns 0, or -ENOMEM with both unchanged. */
int gust__grow(void **ptr, size_t *cap, size_t need, size_t element_size);

/* *out = a + b, or a * b. Returns false, *out untouched, where it does not fit. */
static inline bool gust__size_add(size_t a, size_t b, size_t *out)
{
    if (a > SIZE_MAX - b) {
        return false;
    }
    *out = a + b;
    return true;
}

static inline bool gust__size_mul(size_t a, size_t b, size_t *out)
{
    if (b != 0 && a > SIZE_MAX / b) {
        return false;
    }
    *out = a * b;
    return true;
}

/* A length from the wire as a size of memory. False where it does not fit. */
static inline bool gust__u64_to_size(uint64_t value, size_t *out)
{
    if (value > SIZE_MAX) {
        return false;
    }
    *out = (size_t)value;
    return true;
}

#endif

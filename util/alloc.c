/* The allocator seam: one table, libc's functions until somebody sets theirs. */
#include "util/alloc_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gust/buf.h>

static void *libc_malloc(size_t size, void *user)
{
    (void)user;
    return malloc(size);
}

static void *libc_realloc(void *ptr, size_t size, void *user)
{
    (void)user;
    return realloc(ptr, size);
}

static void libc_free(void *ptr, void *user)
{
    (void)user;
    free(ptr);
}

static const gust_allocator libc_allocator = {libc_malloc, libc_realloc, libc_free, NULL};
static gust_allocator current = {libc_malloc, libc_realloc, libc_free, NULL};

void gust_set_allocator(const gust_allocator *allocator)
{
    current = allocator != NULL ? *allocator : libc_allocator;
}

/* Larger blocks would break differences of pointers, and are a mistake anyway. */
#define LARGEST ((size_t)PTRDIFF_MAX / 2)

void *gust__malloc(size_t size)
{
    if (size > LARGEST) {
        return NULL;
    }
    return current.malloc_fn(size != 0 ? size : 1, current.user);
}

void *gust__calloc(size_t count, size_t size)
{
    size_t bytes;
    if (!gust__size_mul(count, size, &bytes)) {
        return NULL;
    }
    void *ptr = gust__malloc(bytes);
    if (ptr != NULL) {
        memset(ptr, 0, bytes);
    }
    return ptr;
}

void *gust__realloc(void *ptr, size_t size)
{
    if (size > LARGEST) {
        return NULL;
    }
    return current.realloc_fn(ptr, size != 0 ? size : 1, current.user);
}

void gust__free(void *ptr)
{
    if (ptr != NULL) {
        current.free_fn(ptr, current.user);
    }
}

void gust_free(void *ptr)
{
    gust__free(ptr);
}

/* The array's pointer is read and written as bytes: it is a `T *`, and looking
 * at it as a `void *` would break the aliasing rules. */
int gust__grow(void **ptr, size_t *cap, size_t need, size_t element_size)
{
    if (need <= *cap) {
        return 0;
    }
    size_t count = *cap < SIZE_MAX / 2 ? *cap + *cap / 2 : need;
    count = count < need ? need : count;
    count = count < 8 ? 8 : count;
    size_t bytes;
    if (!gust__size_mul(count, element_size, &bytes)) {
        return -ENOMEM;
    }
    void *array;
    memcpy(&array, (const void *)ptr, sizeof(array));
    array = gust__realloc(array, bytes);
    if (array == NULL) {
        return -ENOMEM;
    }
    memcpy((void *)ptr, &array, sizeof(array));
    *cap = count;
    return 0;
}

/* The allocator seam.
 *
 * All memory of the library comes through one table of three functions; the
 * default is malloc, realloc and free of libc. A product with an arena of its
 * own, a test that counts, and a test that makes the n-th allocation fail set
 * theirs.
 *
 * Every allocation of the library may fail: the call that needed it returns
 * -ENOMEM (or the connection that needed it ends), nothing leaks and the loop
 * goes on. */
#ifndef GUST_ALLOC_H
#define GUST_ALLOC_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The three functions, each with malloc(3)'s contract. `user` is passed through.
 * Called on whatever thread allocates: they must be thread-safe if more than
 * one thread has a loop. */
typedef struct gust_allocator {
    void *(*malloc_fn)(size_t size, void *user);             /* size > 0 */
    void *(*realloc_fn)(void *ptr, size_t size, void *user); /* size > 0, ptr may be NULL */
    void (*free_fn)(void *ptr, void *user);                  /* ptr may be NULL */
    void *user;
} gust_allocator;

/* Use `allocator` from now on; NULL sets libc's again. The table is copied.
 *
 * Memory goes back to the allocator that is set when it is freed, so set it
 * before the first other call of the library and leave it, or let the new one
 * pass on to the old. Not while another thread is inside the library. */
void gust_set_allocator(const gust_allocator *allocator);

#ifdef __cplusplus
}
#endif

#endif

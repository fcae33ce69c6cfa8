/* The arena's hot path, inline for the layers above.
 *
 * Invariants
 *  1. next is aligned to GUST__ARENA_ALIGN, next <= end
 *  2. block is NULL iff next and end are, or lie in the piece given at init
 *  3. total is the sum of the sizes of the blocks */
#ifndef GUST_ARENA_INTERNAL_H
#define GUST_ARENA_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include <gust/arena.h>

#include "util/check_internal.h"

#define GUST__ARENA_ALIGN ((size_t)16)

/* A block begins with this; its bytes follow. */
struct gust_arena_block {
    struct gust_arena_block
        *older;  /* in an arena: the one taken before; in a pool: the next free */
    size_t size; /* with this header */
};

struct gust_arena_pool {
    struct gust_arena_block *free; /* blocks of block_size bytes */
    size_t count;                  /* how many */
    size_t keep;                   /* the most to keep */
    size_t block_size;             /* a multiple of GUST__ARENA_ALIGN */
};

_Static_assert(sizeof(struct gust_arena_block) <= GUST__ARENA_ALIGN, "the header fits its place");
_Static_assert(_Alignof(max_align_t) <= GUST__ARENA_ALIGN, "fit for any type");

/* gust_arena_alloc() when the newest block has no room; n as the caller gave it. */
void *gust__arena_alloc_slow(gust_arena *a, size_t n);

/* gust_arena_alloc() inline. n = 0 and an n whose rounding overflows both give
 * need = 0, and need - 1 is then larger than any room. */
static inline void *gust__arena_alloc(gust_arena *a, size_t n)
{
    size_t need = (n + GUST__ARENA_ALIGN - 1) & ~(GUST__ARENA_ALIGN - 1);
    if (GUST_LIKELY(need - 1 < (size_t)((uintptr_t)a->end - (uintptr_t)a->next))) {
        char *ptr = a->next;
        a->next = ptr + need;
        return ptr;
    }
    return gust__arena_alloc_slow(a, n);
}

/* An empty arena whose first `size` bytes are the caller's `piece`, which is
 * aligned to GUST__ARENA_ALIGN and lives as long as the arena. */
static inline void gust__arena_init_in(gust_arena *a, gust_arena_pool *pool, void *piece,
                                       size_t size)
{
    *a = (gust_arena){.next = (char *)piece, .end = (char *)piece + size, .pool = pool};
}

/* How many bytes the next allocation can have without a new block. */
static inline size_t gust__arena_room(const gust_arena *a)
{
    return (size_t)((uintptr_t)a->end - (uintptr_t)a->next);
}

#endif

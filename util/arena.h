/* gust_arena: memory that is freed all at once.
 *
 * A request's strings, headers and handler live in one. Allocation moves a
 * pointer; nothing is freed one by one. Things that need more than their
 * memory freed register a cleanup hook.
 *
 * Blocks come from the allocator seam, or from a gust_arena_pool that keeps a
 * number of standard blocks for reuse: with a warm pool an arena makes no
 * malloc.
 *
 * Thread: the owner's. */
#ifndef GUST_ARENA_H
#define GUST_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include <gust/str.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gust_arena_pool gust_arena_pool;
typedef void gust_cleanup_fn(void *user);

/* One arena; {0} is a valid empty one without a pool and without a maximum.
 * The members are the library's. */
typedef struct gust_arena {
    char *next;                     /* first free byte of the newest block */
    char *end;                      /* behind that block */
    struct gust_arena_block *block; /* newest block, which links to the older ones */
    struct gust_arena_hook *hooks;  /* cleanup hooks, newest first */
    gust_arena_pool *pool;          /* NULL: malloc */
    size_t total;                   /* bytes of all blocks */
    size_t max;                     /* most bytes of all blocks, 0: no limit */
} gust_arena;

/* An empty arena. Allocates nothing.
 *
 * pool  where its blocks come from and go back to; NULL: the allocator
 * max   the most bytes of all its blocks, what is unused of them included;
 *       0: no limit */
void gust_arena_init(gust_arena *a, gust_arena_pool *pool, size_t max);

/* Run the cleanup hooks, newest first, and give all memory back. The arena is
 * empty and may be used again. */
void gust_arena_deinit(gust_arena *a);

/* n bytes aligned for any type, not zeroed; NULL when out of memory, above the
 * arena's maximum, or n is 0. Cost: a compare and an add, unless a block is
 * full. */
void *gust_arena_alloc(gust_arena *a, size_t n);

/* The same, zeroed. */
void *gust_arena_calloc(gust_arena *a, size_t n);

/* A copy with a NUL behind it, which the returned length doesn't count.
 * ptr is NULL when out of memory. */
gust_str gust_arena_copy(gust_arena *a, gust_str s);

/* What printf(3) would print, NUL-terminated; ptr is NULL when out of memory,
 * and for a format that can't be printed. */
gust_str gust_arena_printf(gust_arena *a, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;
gust_str gust_arena_vprintf(gust_arena *a, const char *format, va_list args)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 0)))
#endif
    ;

/* Call fn(user) when the arena ends. Returns 0 or -ENOMEM (fn is then not
 * called). */
int gust_arena_on_cleanup(gust_arena *a, gust_cleanup_fn *fn, void *user);

/* A store of standard blocks for arenas of one thread.
 *
 * block_size  bytes of a standard block, its header of 16 included; at least 512
 * keep        the most blocks kept for reuse
 * Returns 0 or -ENOMEM, -EINVAL. */
int gust_arena_pool_new(size_t block_size, size_t keep, gust_arena_pool **out_pool);

/* Free a pool and the blocks that it keeps. No arena may use it any more. */
void gust_arena_pool_free(gust_arena_pool *pool);

#ifdef __cplusplus
}
#endif

#endif

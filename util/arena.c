/* gust_arena: bump allocation in blocks, and the store that recycles them.
 *
 * A block of standard size comes from the pool and goes back to it; a request
 * that is larger than one has a block of its own from the allocator. Nothing is
 * zeroed: of a block of 4 KiB a plain request touches a few hundred bytes. */
#include "util/arena_internal.h"

#include <stdio.h>
#include <string.h>

#include <gust/errors.h>

#include "util/alloc_internal.h"

/* Standard block of an arena without a pool, and the least that a pool may have. */
enum { BLOCK_SIZE = 4096, SMALLEST_BLOCK = 512 };

struct gust_arena_hook {
    struct gust_arena_hook *older;
    gust_cleanup_fn *fn;
    void *user;
};

static char *payload(struct gust_arena_block *block)
{
    return (char *)block + GUST__ARENA_ALIGN;
}

static size_t payload_size(const struct gust_arena_block *block)
{
    return block->size - GUST__ARENA_ALIGN;
}

/* Reading a kept block is an error: let the sanitizer, or the pattern, show it. */
static void retire(struct gust_arena_block *block)
{
#ifdef GUST_DEBUG
    memset(payload(block), 0xdd, payload_size(block));
#endif
    GUST_POISON(payload(block), payload_size(block));
}

static struct gust_arena_block *block_new(size_t size)
{
    struct gust_arena_block *block = gust__malloc(size);
    if (block != NULL) {
        block->size = size;
    }
    return block;
}

static struct gust_arena_block *block_get(gust_arena_pool *pool, size_t size)
{
    if (pool == NULL || size != pool->block_size || pool->free == NULL) {
        return block_new(size);
    }
    struct gust_arena_block *block = pool->free;
    pool->free = block->older;
    pool->count--;
    GUST_UNPOISON(payload(block), payload_size(block));
    return block;
}

static void block_put(gust_arena_pool *pool, struct gust_arena_block *block)
{
    if (pool == NULL || block->size != pool->block_size || pool->count >= pool->keep) {
        gust__free(block);
        return;
    }
    retire(block);
    block->older = pool->free;
    pool->free = block;
    pool->count++;
}

void gust_arena_init(gust_arena *a, gust_arena_pool *pool, size_t max)
{
    *a = (gust_arena){.pool = pool, .max = max};
}

/* A hook may register another one while the arena ends, so each is unlinked
 * before it runs. */
static void run_hooks(gust_arena *a)
{
    while (a->hooks != NULL) {
        struct gust_arena_hook *hook = a->hooks;
        a->hooks = hook->older;
        hook->fn(hook->user);
    }
}

void gust_arena_deinit(gust_arena *a)
{
    run_hooks(a);
    struct gust_arena_block *block = a->block;
    while (block != NULL) {
        struct gust_arena_block *older = block->older;
        block_put(a->pool, block);
        block = older;
    }
    gust_arena_init(a, a->pool, a->max);
}

static size_t standard_size(const gust_arena *a)
{
    return a->pool != NULL ? a->pool->block_size : BLOCK_SIZE;
}

/* The size of a new block that holds `need` bytes: the standard one, an own one
 * where that is too small or the maximum too near. 0 above the maximum. */
static size_t choose_size(const gust_arena *a, size_t need)
{
    size_t exact;
    size_t left = a->max == 0 ? SIZE_MAX : a->max - a->total;
    if (!gust__size_add(need, GUST__ARENA_ALIGN, &exact) || exact > left) {
        return 0;
    }
    size_t standard = standard_size(a);
    return exact <= standard && standard <= left ? standard : exact;
}

/* Go on in the block with the larger rest; the other one only keeps what it has. */
static void link_block(gust_arena *a, struct gust_arena_block *block, size_t used)
{
    size_t rest = payload_size(block) - used;
    a->total += block->size;
    if (a->block != NULL && rest <= gust__arena_room(a)) {
        block->older = a->block->older;
        a->block->older = block;
        return;
    }
    block->older = a->block;
    a->block = block;
    a->next = payload(block) + used;
    a->end = payload(block) + payload_size(block);
}

void *gust__arena_alloc_slow(gust_arena *a, size_t n)
{
    if (n == 0 || n > SIZE_MAX - GUST__ARENA_ALIGN) {
        return NULL;
    }
    size_t need = (n + GUST__ARENA_ALIGN - 1) & ~(GUST__ARENA_ALIGN - 1);
    size_t size = choose_size(a, need);
    struct gust_arena_block *block = size != 0 ? block_get(a->pool, size) : NULL;
    if (block == NULL) {
        return NULL;
    }
    link_block(a, block, need);
    return payload(block);
}

void *gust_arena_alloc(gust_arena *a, size_t n)
{
    return gust__arena_alloc(a, n);
}

void *gust_arena_calloc(gust_arena *a, size_t n)
{
    void *ptr = gust__arena_alloc(a, n);
    if (ptr != NULL) {
        memset(ptr, 0, n);
    }
    return ptr;
}

gust_str gust_arena_copy(gust_arena *a, gust_str s)
{
    size_t n;
    char *ptr = gust__size_add(s.len, 1, &n) ? gust__arena_alloc(a, n) : NULL;
    if (ptr == NULL) {
        return gust_str_make(NULL, 0);
    }
    if (s.len != 0) {
        memcpy(ptr, s.ptr, s.len);
    }
    ptr[s.len] = '\0';
    return gust_str_make(ptr, s.len);
}

/* Printed where the next allocation would lie; the second pass is for text that
 * doesn't fit there. */
gust_str gust_arena_vprintf(gust_arena *a, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    size_t room = gust__arena_room(a);
    int printed = vsnprintf(room != 0 ? a->next : NULL, room, format, args);
    char *ptr = printed < 0 ? NULL : gust__arena_alloc(a, (size_t)printed + 1);
    if (ptr != NULL && (size_t)printed >= room) {
        vsnprintf(ptr, (size_t)printed + 1, format, again);
    }
    va_end(again);
    return gust_str_make(ptr, ptr != NULL ? (size_t)printed : 0);
}

gust_str gust_arena_printf(gust_arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    gust_str s = gust_arena_vprintf(a, format, args);
    va_end(args);
    return s;
}

int gust_arena_on_cleanup(gust_arena *a, gust_cleanup_fn *fn, void *user)
{
    struct gust_arena_hook *hook = gust__arena_alloc(a, sizeof(*hook));
    if (hook == NULL) {
        return -ENOMEM;
    }
    *hook = (struct gust_arena_hook){.older = a->hooks, .fn = fn, .user = user};
    a->hooks = hook;
    return 0;
}

int gust_arena_pool_new(size_t block_size, size_t keep, gust_arena_pool **out_pool)
{
    GUST_CHECK(block_size >= SMALLEST_BLOCK && block_size <= SIZE_MAX / 2, -EINVAL);
    gust_arena_pool *pool = gust__malloc(sizeof(*pool));
    if (pool == NULL) {
        return -ENOMEM;
    }
    size_t rounded = (block_size + GUST__ARENA_ALIGN - 1) & ~(GUST__ARENA_ALIGN - 1);
    *pool = (gust_arena_pool){.keep = keep, .block_size = rounded};
    *out_pool = pool;
    return 0;
}

void gust_arena_pool_free(gust_arena_pool *pool)
{
    while (pool != NULL && pool->free != NULL) {
        struct gust_arena_block *block = pool->free;
        pool->free = block->older;
        GUST_UNPOISON(payload(block), payload_size(block));
        gust__free(block);
    }
    gust__free(pool);
}

/* The counting, failing, checking allocator. */
#include "tests/support/alloc_sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include <gust/alloc.h>
#include <gust/errors.h>

enum { ZONE = 32, FRESH = 0xa5, FREED = 0xdd, RED = 0xb7 };

/* A block: this, a red zone, the bytes, a red zone. Live ones are in a list. */
struct block {
    struct block *next;
    struct block *prev;
    size_t size;
    size_t serial; /* the how-manieth allocation */
    unsigned char zone[ZONE];
};

_Static_assert(sizeof(struct block) % 16 == 0, "the bytes are aligned for any type");

static struct {
    pthread_mutex_t lock;
    struct block live; /* head of the list */
    size_t live_count;
    size_t live_bytes;
    size_t calls;
    size_t fail_at; /* the call that fails; 0: none */
    bool from_then_on;
    bool has_failed;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static unsigned char *bytes_of(struct block *block)
{
    return (unsigned char *)(block + 1);
}

static bool zone_is_whole(const unsigned char *zone)
{
    for (size_t i = 0; i < ZONE; i++) {
        if (zone[i] != RED) {
            return false;
        }
    }
    return true;
}

/* A broken heap can't be reported through the test's own ways. */
static void check_block(struct block *block)
{
    if (!zone_is_whole(block->zone) || !zone_is_whole(bytes_of(block) + block->size)) {
        fprintf(stderr, "alloc_sweep: written outside of block %zu of %zu bytes\n", block->serial,
                block->size);
        abort();
    }
}

static void link_block(struct block *block)
{
    block->next = state.live.next;
    block->prev = &state.live;
    block->next->prev = block;
    state.live.next = block;
    state.live_count++;
    state.live_bytes += block->size;
}

static void unlink_block(struct block *block)
{
    block->prev->next = block->next;
    block->next->prev = block->prev;
    state.live_count--;
    state.live_bytes -= block->size;
}

/* Is this call to fail? */
static bool fails(void)
{
    state.calls++;
    bool failing = state.fail_at != 0 && (state.from_then_on ? state.calls >= state.fail_at
                                                             : state.calls == state.fail_at);
    state.has_failed = state.has_failed || failing;
    return failing;
}

static void *make_block(size_t size)
{
    struct block *block = malloc(sizeof(*block) + size + ZONE);
    if (block == NULL) {
        return NULL;
    }
    block->size = size;
    block->serial = state.calls;
    memset(block->zone, RED, ZONE);
    memset(bytes_of(block), FRESH, size);
    memset(bytes_of(block) + size, RED, ZONE);
    link_block(block);
    return bytes_of(block);
}

static void free_block(struct block *block)
{
    check_block(block);
    unlink_block(block);
    memset(bytes_of(block), FREED, block->size);
    free(block);
}

static struct block *block_of(void *ptr)
{
    return (struct block *)ptr - 1;
}

static void *sweep_malloc(size_t size, void *user)
{
    (void)user;
    pthread_mutex_lock(&state.lock);
    void *ptr = fails() ? NULL : make_block(size);
    pthread_mutex_unlock(&state.lock);
    return ptr;
}

static void sweep_free(void *ptr, void *user)
{
    (void)user;
    if (ptr == NULL) {
        return;
    }
    pthread_mutex_lock(&state.lock);
    free_block(block_of(ptr));
    pthread_mutex_unlock(&state.lock);
}

static void *move_block(struct block *old, size_t size)
{
    void *ptr = make_block(size);
    if (ptr != NULL) {
        memcpy(ptr, bytes_of(old), old->size < size ? old->size : size);
        free_block(old);
    }
    return ptr;
}

static void *sweep_realloc(void *ptr, size_t size, void *user)
{
    if (ptr == NULL) {
        return sweep_malloc(size, user);
    }
    pthread_mutex_lock(&state.lock);
    void *moved = fails() ? NULL : move_block(block_of(ptr), size);
    pthread_mutex_unlock(&state.lock);
    return moved;
}

/* --- counting ------------------------------------------------------------------------ */

static void plan(size_t fail_at, bool from_then_on)
{
    pthread_mutex_lock(&state.lock);
    state.fail_at = fail_at;
    state.from_then_on = from_then_on;
    pthread_mutex_unlock(&state.lock);
}

void alloc_count_begin(void)
{
    static const gust_allocator allocator = {sweep_malloc, sweep_realloc, sweep_free, NULL};
    if (state.live.next == NULL) {
        state.live.next = &state.live;
        state.live.prev = &state.live;
    }
    state.calls = 0;
    state.has_failed = false;
    plan(0, false);
    gust_set_allocator(&allocator);
}

size_t alloc_count_calls(void)
{
    pthread_mutex_lock(&state.lock);
    size_t calls = state.calls;
    pthread_mutex_unlock(&state.lock);
    return calls;
}

size_t alloc_count_live(void)
{
    pthread_mutex_lock(&state.lock);
    size_t count = state.live_count;
    pthread_mutex_unlock(&state.lock);
    return count;
}

size_t alloc_count_live_bytes(void)
{
    pthread_mutex_lock(&state.lock);
    size_t bytes = state.live_bytes;
    pthread_mutex_unlock(&state.lock);
    return bytes;
}

/* What is left is forgotten, so that the next test begins with nothing. */
static void fail_on_leak(const char *when)
{
    size_t count = state.live_count;
    if (count == 0) {
        return;
    }
    size_t serial = state.live.prev->serial;
    size_t size = state.live.prev->size;
    while (state.live.next != &state.live) {
        free_block(state.live.next);
    }
    gust_set_allocator(NULL);
    fail_msg("%s: %zu blocks leaked, the first is allocation %zu of %zu bytes", when, count, serial,
             size);
}

void alloc_count_end(void)
{
    plan(0, false);
    fail_on_leak("at the end");
    gust_set_allocator(NULL);
}

void alloc_count_fail_at(size_t n, bool from_then_on)
{
    plan(n == 0 ? 0 : alloc_count_calls() + n, from_then_on);
}

/* --- sweeping ---------------------------------------------------------------------------- */

void alloc_sweep_heal(void)
{
    plan(0, false);
}

bool alloc_sweep_has_failed(void)
{
    pthread_mutex_lock(&state.lock);
    bool has_failed = state.has_failed;
    pthread_mutex_unlock(&state.lock);
    return has_failed;
}

struct sweep {
    alloc_sweep_fn *scenario;
    void *user;
    bool any_status;
};

static void check_status(const struct sweep *s, int status, const char *when)
{
    bool ok = status == 0 || (state.has_failed && (s->any_status || status == -ENOMEM));
    if (!ok) {
        gust_set_allocator(NULL);
        fail_msg("%s: the scenario returned %d (%s)", when, status, gust_err_name(status));
    }
}

static size_t run(const struct sweep *s, size_t fail_at, bool from_then_on)
{
    char when[96];
    snprintf(when, sizeof(when), "allocation %zu failing%s (0: none)", fail_at,
             from_then_on ? " and all after it" : "");
    alloc_count_begin();
    plan(fail_at, from_then_on);
    int status = s->scenario(s->user);
    plan(0, false);
    fail_on_leak(when);
    check_status(s, status, when);
    gust_set_allocator(NULL);
    return state.calls;
}

static void sweep(const struct sweep *s, size_t max_points)
{
    size_t n = run(s, 0, false);
    size_t step = n > max_points ? (n + max_points - 1) / max_points : 1;
    for (size_t at = 1; at <= n; at += step) {
        run(s, at, false);
        run(s, at, true);
    }
}

void alloc_sweep(alloc_sweep_fn *scenario, void *user)
{
    sweep(&(struct sweep){scenario, user, false}, SIZE_MAX);
}

void alloc_sweep_sampled(alloc_sweep_fn *scenario, void *user, size_t max_points)
{
    sweep(&(struct sweep){scenario, user, true}, max_points);
}

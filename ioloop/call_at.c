/* Timers without a place of their own: call_at() and call_later().
 *
 * Calls lie in chunks that never move, since the heap points at them, and are
 * recycled. A handle is the number of a call and the generation that it had
 * when the handle was given out; the generation counts on when the call has run
 * or was removed, so an old handle finds nothing. */
#include "ioloop/ioloop_internal.h"
#include "util/alloc_internal.h"

#define CHUNK 64u

struct call {
    gust_timer timer;
    gust_callback_fn *fn;
    void *user;
    uint32_t generation;
    uint32_t number; /* its index + 1 */
    struct call *next_free;
};

struct gust__calls {
    struct call **chunks;
    size_t chunk_capacity;
    uint32_t chunk_count;
    struct call *free;
};

static void call_release(struct gust__calls *calls, struct call *call)
{
    call->generation++;
    call->next_free = calls->free;
    calls->free = call;
}

static int calls_add_chunk(struct gust__calls *calls)
{
    GUST_CHECK(calls->chunk_count < UINT32_MAX / CHUNK, -ENOMEM);
    void *array = calls->chunks;
    size_t need = (size_t)calls->chunk_count + 1;
    if (need > calls->chunk_capacity) {
        GUST_TRY(gust__grow(&array, &calls->chunk_capacity, need, sizeof(*calls->chunks)));
        calls->chunks = array;
    }
    struct call *chunk = gust__calloc(CHUNK, sizeof(*chunk));
    if (chunk == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = CHUNK; i-- > 0;) {
        chunk[i].number = calls->chunk_count * CHUNK + i + 1;
        call_release(calls, &chunk[i]);
    }
    calls->chunks[calls->chunk_count++] = chunk;
    return 0;
}

/* A free call, which stays free until it is taken from the list. */
static int calls_peek(gust_ioloop *loop, struct call **out_call)
{
    if (loop->timers.calls == NULL) {
        loop->timers.calls = gust__calloc(1, sizeof(*loop->timers.calls));
        if (loop->timers.calls == NULL) {
            return -ENOMEM;
        }
    }
    struct gust__calls *calls = loop->timers.calls;
    if (calls->free == NULL) {
        GUST_TRY(calls_add_chunk(calls));
    }
    *out_call = calls->free;
    return 0;
}

static void call_on_timer(gust_ioloop *loop, gust_timer *timer)
{
    struct call *call = GUST_CONTAINER_OF(timer, struct call, timer);
    gust_callback_fn *fn = call->fn;
    void *user = call->user;
    call_release(loop->timers.calls, call);
    fn(loop, user);
}

int gust_ioloop_call_at(gust_ioloop *loop, gust_time when, gust_callback_fn *fn, void *user,
                        gust_timeout *out_timeout)
{
    struct call *call;
    GUST_CHECK(fn != NULL, -EINVAL);
    GUST_CHECK(!gust__is_foreign(loop), GUST_ETHREAD);
    GUST_CHECK(!loop->closed, GUST_ECLOSED);
    GUST_TRY(calls_peek(loop, &call));
    GUST_TRY(gust_ioloop_arm(loop, &call->timer, when, call_on_timer));
    loop->timers.calls->free = call->next_free;
    call->fn = fn;
    call->user = user;
    if (out_timeout != NULL) {
        *out_timeout = (uint64_t)call->generation << 32 | call->number;
    }
    return 0;
}

/* The clock is read: counted from the start of an iteration that has lasted a
 * while, a delay would be too short. */
int gust_ioloop_call_later(gust_ioloop *loop, gust_time delay, gust_callback_fn *fn, void *user,
                           gust_timeout *out_timeout)
{
    gust_time now = gust_ioloop_time(loop);
    gust_time when = delay > GUST_NEVER - now ? GUST_NEVER : now + delay;
    return gust_ioloop_call_at(loop, delay < 0 ? now : when, fn, user, out_timeout);
}

static struct call *call_of(const struct gust__calls *calls, gust_timeout timeout)
{
    uint32_t number = (uint32_t)timeout;
    if (calls == NULL || number == 0 || number > calls->chunk_count * CHUNK) {
        return NULL;
    }
    struct call *call = &calls->chunks[(number - 1) / CHUNK][(number - 1) % CHUNK];
    return call->generation == timeout >> 32 ? call : NULL;
}

void gust_ioloop_remove_timeout(gust_ioloop *loop, gust_timeout timeout)
{
    struct call *call = call_of(loop->timers.calls, timeout);
    if (call != NULL) {
        gust_ioloop_disarm(loop, &call->timer);
        call_release(loop->timers.calls, call);
    }
}

void gust__calls_close(gust_ioloop *loop)
{
    struct gust__calls *calls = loop->timers.calls;
    if (calls == NULL) {
        return;
    }
    for (uint32_t i = 0; i < calls->chunk_count; i++) {
        gust__free(calls->chunks[i]);
    }
    gust__free(calls->chunks);
    gust__free(calls);
    loop->timers.calls = NULL;
}

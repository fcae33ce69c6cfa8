/* What was posted to a loop, from three sides.
 *
 * The loop's own thread stores into a ring that nobody else touches. Other
 * threads, and any thread while the loop does not run, append to a batch under
 * a mutex that the loop swaps out whole. Signal handlers fill one of 64 slots.
 *
 * Order: first in first out for each producer. A thread that posts while the
 * loop rests and then runs it keeps its order too, since an iteration takes the
 * batch before it runs the first callback: what that posts comes later. */
#include "ioloop/ioloop_internal.h"
#include "util/alloc_internal.h"

static void check(const struct gust__ring *ring)
{
    GUST_ASSERT((ring->capacity & (ring->capacity - 1)) == 0);
    GUST_ASSERT(ring->tail - ring->head <= ring->capacity);
    (void)ring;
}

int gust__callbacks_init(gust_ioloop *loop)
{
    return -pthread_mutex_init(&loop->foreign.lock, NULL);
}

void gust__callbacks_close(gust_ioloop *loop)
{
    pthread_mutex_lock(&loop->foreign.lock);
    loop->foreign.closed = true;
    pthread_mutex_unlock(&loop->foreign.lock);
}

void gust__callbacks_deinit(gust_ioloop *loop)
{
    pthread_mutex_destroy(&loop->foreign.lock);
    gust__free(loop->foreign.in.slots);
    gust__free(loop->foreign.out.slots);
    gust__free(loop->ring.slots);
}

/* Twice the place; the queued ones keep their order, from slot 0 on. */
static int ring_grow(struct gust__ring *ring)
{
    size_t capacity = ring->capacity == 0 ? 32 : ring->capacity * 2;
    size_t bytes;
    if (!gust__size_mul(capacity, sizeof(*ring->slots), &bytes)) {
        return -ENOMEM;
    }
    struct gust__callback *slots = gust__malloc(bytes);
    if (slots == NULL) {
        return -ENOMEM;
    }
    size_t count = ring->tail - ring->head;
    for (size_t i = 0; i < count; i++) {
        slots[i] = ring->slots[(ring->head + i) & (ring->capacity - 1)];
    }
    gust__free(ring->slots);
    *ring = (struct gust__ring){.slots = slots, .capacity = capacity, .tail = count};
    return 0;
}

static int ring_post(struct gust__ring *ring, struct gust__callback callback)
{
    check(ring);
    if (GUST_UNLIKELY(ring->tail - ring->head == ring->capacity)) {
        GUST_TRY(ring_grow(ring));
    }
    ring->slots[ring->tail++ & (ring->capacity - 1)] = callback;
    return 0;
}

static int foreign_append(struct gust__foreign *foreign, struct gust__callback callback)
{
    struct gust__batch *in = &foreign->in;
    if (foreign->closed) {
        return GUST_ECLOSED;
    }
    void *slots = in->slots;
    if (in->count == in->capacity) {
        GUST_TRY(gust__grow(&slots, &in->capacity, in->count + 1, sizeof(*in->slots)));
        in->slots = slots;
    }
    in->slots[in->count++] = callback;
    atomic_store(&foreign->waiting, in->count);
    return 0;
}

/* The waker is written to under the lock, so that a loop which is being closed
 * can't lose its descriptor to somebody else in between. */
static int foreign_post(gust_ioloop *loop, struct gust__callback callback)
{
    pthread_mutex_lock(&loop->foreign.lock);
    int code = foreign_append(&loop->foreign, callback);
    if (code == 0) {
        gust__waker_wake(loop);
    }
    pthread_mutex_unlock(&loop->foreign.lock);
    return code;
}

int gust_ioloop_add_callback(gust_ioloop *loop, gust_callback_fn *fn, void *user)
{
    GUST_CHECK(fn != NULL, -EINVAL);
    struct gust__callback callback = {fn, user};
    if (GUST_LIKELY(atomic_load_explicit(&loop->owner, memory_order_relaxed) == gust__thread())) {
        return ring_post(&loop->ring, callback);
    }
    return foreign_post(loop, callback);
}

/* A slot is claimed by moving the tail, filled, and then marked complete. Where
 * a handler is interrupted between these by another one that completes its own
 * slot first, the loop waits for the older; that handler wakes it again. */
int gust_ioloop_add_callback_from_signal(gust_ioloop *loop, gust_callback_fn *fn, void *user)
{
    GUST_CHECK(fn != NULL, -EINVAL);
    struct gust__signal_slots *signals = &loop->signals;
    uint32_t tail = atomic_load(&signals->tail);
    do {
        if (tail - atomic_load(&signals->head) >= GUST__SIGNAL_SLOTS) {
            return -EAGAIN;
        }
    } while (!atomic_compare_exchange_weak(&signals->tail, &tail, tail + 1));
    struct gust__signal_slot *slot = &signals->slots[tail % GUST__SIGNAL_SLOTS];
    slot->callback = (struct gust__callback){fn, user};
    atomic_store(&slot->ticket, tail + 1);
    gust__waker_wake(loop);
    return 0;
}

void gust_ioloop_stop(gust_ioloop *loop)
{
    atomic_store(&loop->stopping, true);
    if (atomic_load_explicit(&loop->owner, memory_order_relaxed) == gust__thread()) {
        return;
    }
    pthread_mutex_lock(&loop->foreign.lock);
    if (!loop->foreign.closed) {
        gust__waker_wake(loop);
    }
    pthread_mutex_unlock(&loop->foreign.lock);
}

static bool slot_is_complete(const struct gust__signal_slots *signals, uint32_t at)
{
    return atomic_load(&signals->slots[at % GUST__SIGNAL_SLOTS].ticket) == at + 1;
}

bool gust__callbacks_waiting(const gust_ioloop *loop)
{
    return atomic_load(&loop->stopping) || atomic_load(&loop->foreign.waiting) != 0 ||
           atomic_load(&loop->signalled) ||
           slot_is_complete(&loop->signals, atomic_load(&loop->signals.head));
}

/* Take the batch: what comes later waits for the next iteration. */
static void foreign_take(struct gust__foreign *foreign)
{
    if (atomic_load(&foreign->waiting) == 0) {
        return;
    }
    pthread_mutex_lock(&foreign->lock);
    struct gust__batch empty = foreign->out;
    foreign->out = foreign->in;
    foreign->in = empty;
    atomic_store(&foreign->waiting, 0);
    pthread_mutex_unlock(&foreign->lock);
}

static void foreign_run(gust_ioloop *loop)
{
    struct gust__batch *out = &loop->foreign.out;
    for (size_t i = 0; i < out->count; i++) {
        out->slots[i].fn(loop, out->slots[i].user);
    }
    out->count = 0;
}

static void ring_run(gust_ioloop *loop, size_t count)
{
    struct gust__ring *ring = &loop->ring;
    for (; count > 0; count--) {
        struct gust__callback callback = ring->slots[ring->head++ & (ring->capacity - 1)];
        callback.fn(loop, callback.user);
    }
}

/* The head moves before the call, so that the slot may be filled again. */
static void signal_slots_run(gust_ioloop *loop, uint32_t end)
{
    struct gust__signal_slots *signals = &loop->signals;
    uint32_t head = atomic_load(&signals->head);
    while (head != end && slot_is_complete(signals, head)) {
        struct gust__callback callback = signals->slots[head % GUST__SIGNAL_SLOTS].callback;
        atomic_store(&signals->head, ++head);
        callback.fn(loop, callback.user);
    }
}

void gust__callbacks_run(gust_ioloop *loop)
{
    size_t count = loop->ring.tail - loop->ring.head;
    uint32_t signal_end = atomic_load(&loop->signals.tail);
    foreign_take(&loop->foreign);
    ring_run(loop, count);
    foreign_run(loop);
    signal_slots_run(loop, signal_end);
    gust__signals_run(loop);
    check(&loop->ring);
}

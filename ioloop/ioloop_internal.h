/* The inside of a loop, shared by the files of this folder.
 *
 * ioloop.c    life, run modes, the iteration
 * handler.c   descriptors: the table of watchers
 * callbacks.c what other code posted: local ring, foreign queue, signal slots
 * timer.c     the heap, and handles of call_at()
 * local.c     deferred work, and blocks of the layers above
 * waker.c     ends the wait of a loop from another thread
 * signal.c    signals of the process as calls on a loop
 *
 * Threads: a member is the loop's thread's alone unless its comment says
 * otherwise. */
#ifndef GUST_IOLOOP_INTERNAL_H
#define GUST_IOLOOP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include <gust/ioloop.h>

#include "ioloop/poller_internal.h"
#include "util/check_internal.h"

/* One posted call. */
struct gust__callback {
    gust_callback_fn *fn;
    void *user;
};

/* What the loop's own thread posted.
 *
 * 1. capacity is 0 or a power of two
 * 2. tail - head calls are queued, at most capacity; both count for ever */
struct gust__ring {
    struct gust__callback *slots;
    size_t capacity;
    size_t head;
    size_t tail;
};

/* What others posted. `in` is filled under the lock; the loop swaps it with
 * `out`, which is empty then, and runs that without the lock. */
struct gust__batch {
    struct gust__callback *slots;
    size_t capacity;
    size_t count;
};
struct gust__foreign {
    pthread_mutex_t lock; /* guards in, closed and writing to the waker */
    struct gust__batch in;
    struct gust__batch out;
    bool closed;
    _Atomic size_t waiting; /* in.count, to be read without the lock */
};

/* What signal handlers posted: a ring in which each slot says whether it is
 * complete, since a handler may be interrupted by another one.
 *
 * ticket  of a complete slot: the number of its post + 1 */
#define GUST__SIGNAL_SLOTS 64u
struct gust__signal_slot {
    _Atomic uint32_t ticket;
    struct gust__callback callback;
};
struct gust__signal_slots {
    struct gust__signal_slot slots[GUST__SIGNAL_SLOTS];
    _Atomic uint32_t head;
    _Atomic uint32_t tail;
};

/* Timers: slots[0 .. armed) are a 4-ary heap by (deadline, sequence);
 * slots[capacity - due .. capacity) are those that were popped because they are
 * due, earliest first. What lies between is free.
 *
 * 1. armed + due <= capacity
 * 2. a timer in the heap has place = index + 1; a popped one has
 *    place = GUST__DUE | its distance from the end
 * 3. a popped one that was disarmed leaves timer == NULL */
#define GUST__DUE 0x80000000u
struct gust__timer_slot {
    gust_time deadline;
    gust_timer *timer;
};
struct gust__timers {
    struct gust__timer_slot *slots;
    uint32_t capacity;
    uint32_t armed;
    uint32_t due;
    uint32_t sequence;
    struct gust__calls *calls; /* handles of call_at(), NULL before the first */
};

/* A block of a layer above. */
struct gust__local;

struct gust_ioloop {
    /* on the path of every event */
    gust_watcher **watchers; /* by fd; only [0, watcher_count) was ever written */
    size_t watcher_count;
    size_t watcher_capacity;
    struct gust_poll_event *events;
    int event_capacity;
    uint32_t generation; /* of the newest registration */
    gust_time now;
    const gust_sys *sys;
    struct gust_poller *poller;  /* NULL once it is closed */
    _Atomic(const void *) owner; /* who runs it: gust__thread(), or NULL. Any thread */
    struct gust__ring ring;
    gust_deferred *deferred; /* oldest */
    gust_deferred **deferred_end;
    struct gust__timers timers;

    /* between threads and signal handlers. Any thread */
    _Atomic bool awake; /* no need to wake: the loop will look before it waits */
    _Atomic bool stopping;
    _Atomic bool signalled; /* a signal of ours is pending */
    struct gust__foreign foreign;
    struct gust__signal_slots signals;

    /* seldom used */
    gust_watcher waker;
    int waker_out; /* written to wake; the same as waker.fd for an eventfd */
    pid_t pid;     /* who made it: no loop survives fork(2) */
    bool closing;  /* the layers above take leave */
    bool closed;
    struct gust__local *locals;
};

/* Something that is different on each thread and costs no call to learn. */
const void *gust__thread(void);

/* Does the loop run on another thread than this one? */
static inline bool gust__is_foreign(const gust_ioloop *loop)
{
    const void *owner = atomic_load_explicit(&loop->owner, memory_order_relaxed);
    return owner != NULL && owner != gust__thread();
}

/* handler.c */
/* Deliver the first `count` entries of loop->events. */
void gust__handlers_dispatch(gust_ioloop *loop, int count);
/* Forget all, close those of add_handler() if all_fds, free the table. The
 * kernel is not told: the poller was closed before. */
void gust__handlers_close(gust_ioloop *loop, bool all_fds);

/* callbacks.c */
int gust__callbacks_init(gust_ioloop *loop);
void gust__callbacks_deinit(gust_ioloop *loop);
/* From now on no call is taken and no waker is written to. */
void gust__callbacks_close(gust_ioloop *loop);
/* Run what was posted before; signals of the process are calls too. */
void gust__callbacks_run(gust_ioloop *loop);
/* Has another thread or a signal handler left something to do? */
bool gust__callbacks_waiting(const gust_ioloop *loop);

/* timer.c */
/* Move the timers that are due at loop->now aside, then run them: in between
 * other code may disarm and move them. */
void gust__timers_pop(gust_ioloop *loop);
void gust__timers_run(gust_ioloop *loop);
/* The earliest deadline, GUST_NEVER without timers. */
gust_time gust__timers_next(const gust_ioloop *loop);
/* Disarm all and free the memory. */
void gust__timers_close(gust_ioloop *loop);
/* call_at.c */
void gust__calls_close(gust_ioloop *loop);

/* local.c */
void gust__deferred_run(gust_ioloop *loop);
void gust__deferred_finish(gust_ioloop *loop);
void gust__locals_close(gust_ioloop *loop);

/* waker.c */
int gust__waker_open(gust_ioloop *loop);
void gust__waker_close(gust_ioloop *loop);
/* End the loop's wait unless it is awake. Async-signal-safe. */
void gust__waker_wake(gust_ioloop *loop);

/* signal.c */
void gust__signals_run(gust_ioloop *loop);
void gust__signals_close(gust_ioloop *loop);

#endif

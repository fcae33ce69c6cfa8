/* The IOLoop: one thread's events, timers and callbacks.
 *
 * What it is for: it waits until a descriptor is ready, a timer is due or a
 * callback was posted, and calls the function that was registered for it. All
 * that Gust does happens inside such calls. The model is Tornado's IOLoop.
 *
 * Calling sequence
 *     gust_ioloop *loop;
 *     gust_ioloop_new(NULL, &loop);
 *     ... add handlers, timers, servers ...
 *     gust_ioloop_start(loop);          returns after gust_ioloop_stop()
 *     gust_ioloop_free(loop);
 *
 * One iteration
 *     1. the callbacks that were queued when it began, first in first out
 *     2. timers whose deadline has come, by deadline, then by age
 *     3. deferred work (gust_ioloop_defer): streams send what was written
 *     4. wait for events, at most until the next deadline
 *     5. the events, in the poller's order
 *     6. deferred work again
 *
 * Rules
 *  - Callbacks of an operation never run inside the call that started it.
 *  - In any callback everything may be added, removed, changed or closed, also
 *    the object that the callback is for; only start() and free() may not be
 *    called.
 *  - A loop does not survive fork(2): fork first, make loops after.
 *
 * Thread: a loop belongs to the thread that runs it. Functions marked "any
 * thread" may be called from others; all the rest answer GUST_ETHREAD where
 * they return a code and the caller is on another thread while the loop runs
 * (run, start and close: GUST_ESTATE). Codes for NULL where a function is asked
 * for (-EINVAL) and for the wrong thread are not repeated below.
 *
 * Source: tornado.ioloop. */
#ifndef GUST_IOLOOP_H
#define GUST_IOLOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gust/errors.h>
#include <gust/sys.h>
#include <gust/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gust_ioloop gust_ioloop;

/* What can be wanted of a descriptor, and what is delivered.
 *
 * READ   readable: data, end of stream, or a connection to accept
 * WRITE  writable, or a pending connect has ended either way
 * ERROR  error or hang-up; delivered whether asked for or not
 *
 * A peer that closes orderly shows as READ, never as ERROR alone: an idle
 * connection must want READ to notice it. Everything is level-triggered. */
enum gust_event { GUST_NONE = 0, GUST_READ = 0x001, GUST_WRITE = 0x004, GUST_ERROR = 0x018 };

/* Options of a new loop; {0} is the default of everything. */
typedef struct gust_ioloop_options {
    const char *poller;  /* "epoll", "poll", ...; NULL: $GUST_POLLER, or the best that works */
    const gust_sys *sys; /* the kernel; NULL: the real one. Must outlive the loop */
    bool keep_current;   /* do not make the new loop the thread's current one */
} gust_ioloop_options;

/* Make a loop, and make it the current one of this thread.
 *
 * options  NULL for the defaults; read during the call only
 * Returns 0, -ENOMEM, -EINVAL for an unknown poller, -EMFILE and its like. */
int gust_ioloop_new(const gust_ioloop_options *options, gust_ioloop **out_loop);

/* Close the loop: run the deferred work, let the layers above take leave, give
 * back its signals, free its poller and its queues. Its callbacks and timers
 * never run any more; callbacks added later are refused with GUST_ECLOSED.
 * Streams that it still watches are closed, and told so before this returns.
 *
 * all_fds  also close(2) every descriptor that add_handler() still watches;
 *          the owners of watchers close theirs
 * Watchers and timers may be unwatched and disarmed afterwards, harmlessly.
 * Only after start() has returned; GUST_ESTATE from within. Twice is allowed,
 * and so is a forked child: what the parent watches stays. */
int gust_ioloop_close(gust_ioloop *loop, bool all_fds);

/* Close the loop if it is open, and free it. NULL is allowed. From within the
 * loop nothing happens at all. Periodics and servers are freed before it. */
void gust_ioloop_free(gust_ioloop *loop);

/* The loop that runs on this thread, or else the one that was made current;
 * NULL where there is none. A loop that is freed on the thread where it is
 * current is so no longer; others have to forget it themselves. Any thread. */
gust_ioloop *gust_ioloop_current(void);

/* Make `loop` the thread's current one (NULL: none). Any thread. */
void gust_ioloop_make_current(gust_ioloop *loop);

/* Run until gust_ioloop_stop(). May be called again afterwards.
 *
 * Returns 0 after a stop, GUST_ESTATE when it runs already, is closed, or was
 * made before fork(2); or the code of a poller that failed for good, which goes to
 * the log as well (never spins on one). */
int gust_ioloop_start(gust_ioloop *loop);

/* How long gust_ioloop_run() runs. */
enum gust_run_mode {
    GUST_RUN_UNTIL_STOP, /* as start() */
    GUST_RUN_ONCE,       /* one iteration, which may wait */
    GUST_RUN_NOWAIT      /* one iteration that does not wait */
};

/* Run in a mode: start() is GUST_RUN_UNTIL_STOP. Returns as start(). */
int gust_ioloop_run(gust_ioloop *loop, enum gust_run_mode mode);

/* Leave start(), after the callbacks and timers that are already due and the
 * events of this batch. Before start(): the next one returns at once.
 * Any thread. */
void gust_ioloop_stop(gust_ioloop *loop);

/* The time of the current iteration on the loop's clock: read when a run begins
 * and once after each wait, so it costs a load. While the loop does not run it
 * stands still. */
gust_time gust_ioloop_now(const gust_ioloop *loop);

/* The loop's clock, read now; and the wall clock, nanoseconds since 1970 UTC.
 * Any thread. */
gust_time gust_ioloop_time(const gust_ioloop *loop);
gust_time gust_ioloop_wall_time(const gust_ioloop *loop);

/* The kernel seam, and the poller's name ("closed" after close). */
const gust_sys *gust_ioloop_sys(const gust_ioloop *loop);
const char *gust_ioloop_poller_name(const gust_ioloop *loop);

/* ---- Descriptors ------------------------------------------------------ */

typedef void gust_fd_fn(gust_ioloop *loop, int fd, unsigned events, void *user);

/* Call fn whenever one of `events` holds for fd. fn sees what was asked for,
 * plus ERROR. One handler per descriptor.
 *
 * events  READ, WRITE, both, or NONE: only errors; others are -EINVAL
 * Returns 0, -EEXIST for a second handler, -EPERM for what can't be polled (a
 * regular file), -EBADF, -ENOSPC, -ENOMEM, GUST_ECLOSED. */
int gust_ioloop_add_handler(gust_ioloop *loop, int fd, unsigned events, gust_fd_fn *fn, void *user);

/* Replace the wanted events. Returns 0, GUST_ENOENT for an unknown fd, or as
 * add_handler. */
int gust_ioloop_update_handler(gust_ioloop *loop, int fd, unsigned events);

/* Forget fd. Its queued events vanish. Never fails; unknown ones are ignored.
 * Remove before close(2). */
void gust_ioloop_remove_handler(gust_ioloop *loop, int fd);

/* The same for who has a place for the bookkeeping: a watcher is embedded in
 * the owner's object, so watching allocates nothing, and fn finds the object
 * around it. {0} is a watcher that watches nothing. Members are the loop's. */
typedef struct gust_watcher gust_watcher;
typedef void gust_watcher_fn(gust_ioloop *loop, gust_watcher *watcher, unsigned events);
struct gust_watcher {
    gust_watcher_fn *fn;
    int fd;
    uint32_t events : 12;     /* 0 while not registered */
    uint32_t generation : 20; /* tells this registration from earlier ones of the same fd */
};

/* Watch fd with `watcher`, which must stay in place until unwatch; its fn may
 * unwatch and free it. Returns as gust_ioloop_add_handler(), and GUST_ESTATE when
 * the watcher watches another descriptor already. */
int gust_ioloop_watch(gust_ioloop *loop, gust_watcher *watcher, int fd, unsigned events,
                      gust_watcher_fn *fn);

/* Replace the wanted events; nothing happens when they are the same. Returns
 * as gust_ioloop_update_handler(). */
int gust_ioloop_rewatch(gust_ioloop *loop, gust_watcher *watcher, unsigned events);

/* Stop watching. Harmless on a watcher that watches nothing. */
void gust_ioloop_unwatch(gust_ioloop *loop, gust_watcher *watcher);

/* ---- Callbacks -------------------------------------------------------- */

typedef void gust_callback_fn(gust_ioloop *loop, void *user);

/* Run fn(loop, user) on the loop, next iteration, in the order of the calls of
 * each thread. From another thread the loop is woken.
 *
 * Any thread. Returns 0, -ENOMEM, or GUST_ECLOSED: fn will then not be called.
 * Cost on the loop's thread: a store; no malloc once the queue has grown. */
int gust_ioloop_add_callback(gust_ioloop *loop, gust_callback_fn *fn, void *user);

/* The same, from inside a signal handler: no malloc, no lock. Not after the loop
 * was closed: restore the signal's disposition before.
 * Returns 0, or -EAGAIN when 64 such callbacks are waiting already. */
int gust_ioloop_add_callback_from_signal(gust_ioloop *loop, gust_callback_fn *fn, void *user);

/* Deferred work: run once before the loop waits again (steps 3 and 6), in
 * order. What it defers itself runs at the next such step, before which the loop
 * asks for events without waiting: no chain of it starves a descriptor. Embedded
 * like a watcher; {0} is one that is not queued. */
typedef struct gust_deferred gust_deferred;
typedef void gust_deferred_fn(gust_ioloop *loop, gust_deferred *deferred);
struct gust_deferred {
    gust_deferred_fn *fn;
    gust_deferred *next;
    bool queued;
};

/* Queue `deferred`; nothing happens when it is queued already. It must stay in
 * place until it runs; its fn may free it. */
void gust_ioloop_defer(gust_ioloop *loop, gust_deferred *deferred, gust_deferred_fn *fn);

/* ---- Timers ----------------------------------------------------------- */

/* A pending call; 0 is none. Stays harmless after it has fired. */
typedef uint64_t gust_timeout;

/* Call fn(loop, user) at `when` on the loop's clock, or after `delay`; what
 * lies in the past is called next iteration. Once.
 *
 * when         nothing comes before it, and as little after as the poller's
 *              unit (1 ms for most) and the other work allow
 * delay        from the clock's time now, not from the iteration's
 * out_timeout  what remove_timeout takes, never 0; may be NULL
 * Returns 0, -ENOMEM or GUST_ECLOSED. */
int gust_ioloop_call_at(gust_ioloop *loop, gust_time when, gust_callback_fn *fn, void *user,
                        gust_timeout *out_timeout);
int gust_ioloop_call_later(gust_ioloop *loop, gust_time delay, gust_callback_fn *fn, void *user,
                           gust_timeout *out_timeout);

/* Cancel; harmless for 0, for one that has fired, and twice. */
void gust_ioloop_remove_timeout(gust_ioloop *loop, gust_timeout timeout);

/* The same for who has a place for it: embedded, no allocation of its own (the
 * loop's heap holds 16 bytes an armed timer). {0} is one that is not armed.
 * Members are the loop's. */
typedef struct gust_timer gust_timer;
typedef void gust_timer_fn(gust_ioloop *loop, gust_timer *timer);
struct gust_timer {
    gust_timer_fn *fn;
    uint32_t place;    /* where the loop keeps it; 0 while not armed */
    uint32_t sequence; /* age, for equal deadlines */
};

/* Arm `timer` for `when`, or move it there when it is armed. Cost: O(log n).
 * Returns 0, -ENOMEM or GUST_ECLOSED (it is then as it was). A timer that its own
 * callback arms again, before it arms another, is certain to find memory. */
int gust_ioloop_arm(gust_ioloop *loop, gust_timer *timer, gust_time when, gust_timer_fn *fn);

/* Disarm; harmless when it is not armed. From within any callback: it will not
 * fire any more. */
void gust_ioloop_disarm(gust_ioloop *loop, gust_timer *timer);

/* Is it armed, and for when (GUST_NEVER where it is not)? */
static inline bool gust_timer_is_armed(const gust_timer *timer)
{
    return timer->place != 0;
}
gust_time gust_ioloop_armed_for(const gust_ioloop *loop, const gust_timer *timer);

/* ---- Signals ---------------------------------------------------------- */

typedef void gust_signal_fn(gust_ioloop *loop, int signo, void *user);

/* Call fn on the loop whenever the process gets `signo`; several deliveries
 * before the loop comes to it are one. One function per signal and process;
 * interrupted system calls of the program are restarted (SA_RESTART).
 *
 * Returns 0, -EEXIST when a loop has it already, -EINVAL for what can't be caught
 * and for faults (SIGSEGV, SIGBUS, SIGFPE, SIGILL), GUST_ECLOSED. */
int gust_ioloop_add_signal(gust_ioloop *loop, int signo, gust_signal_fn *fn, void *user);

/* Give the signal its earlier disposition back. Unknown ones are ignored. */
void gust_ioloop_remove_signal(gust_ioloop *loop, int signo);

/* ---- For layers above ------------------------------------------------- */

/* One thing of each kind per loop: a layer's buffers and pools.
 *
 * The first call with a key makes a zeroed block of key->size bytes and calls
 * key->init on it; later calls return the same block. key->deinit is called
 * when the loop is closed, newest first: what init asked for goes after it.
 *
 * key  static; compared by address
 * Returns 0, -ENOMEM, GUST_ECLOSED, or what init returned. Cost: a walk over the
 * keys of this loop, so keep the pointer. */
typedef struct gust_local_key {
    size_t size;
    int (*init)(gust_ioloop *loop, void *block);    /* may be NULL */
    void (*deinit)(gust_ioloop *loop, void *block); /* may be NULL */
} gust_local_key;
int gust_ioloop_local(gust_ioloop *loop, const gust_local_key *key, void **out_block);

#ifdef __cplusplus
}
#endif

#endif

/* The loop: its life, how long it runs, and one iteration.
 *
 * The order inside an iteration is a contract (see ioloop.h) and is all in
 * iterate(). The clock is read once after each wait, and once more before a wait
 * that a timer limits. */
#include <unistd.h>

#include <gust/log.h>

#include "ioloop/ioloop_internal.h"
#include "util/alloc_internal.h"

#define EVENTS_FIRST 64
#define EVENTS_MAX 1024

static _Thread_local gust_ioloop *running_loop; /* the innermost that runs here */
static _Thread_local gust_ioloop *made_current;

const void *gust__thread(void)
{
    return &made_current;
}

static void check(const gust_ioloop *loop)
{
    GUST_ASSERT(loop->watcher_count <= loop->watcher_capacity);
    GUST_ASSERT(loop->timers.due == 0);
    GUST_ASSERT((loop->deferred == NULL) == (loop->deferred_end == &loop->deferred));
    (void)loop;
}

/* ---- Life ------------------------------------------------------------- */

static void close_poller(gust_ioloop *loop)
{
    if (loop->poller != NULL) {
        loop->poller->ops->destroy(loop->poller);
        loop->poller = NULL;
    }
}

static int loop_init(gust_ioloop *loop, const gust_ioloop_options *options)
{
    loop->sys = options->sys != NULL ? options->sys : gust_sys_real();
    loop->deferred_end = &loop->deferred;
    loop->pid = getpid();
    loop->now = loop->sys->now(loop->sys);
    loop->events = gust__malloc(EVENTS_FIRST * sizeof(*loop->events));
    if (loop->events == NULL) {
        return -ENOMEM;
    }
    loop->event_capacity = EVENTS_FIRST;
    int code = gust__callbacks_init(loop);
    if (code != 0) {
        goto fail_events;
    }
    code = gust__poller_new(options->poller, &loop->poller);
    if (code != 0) {
        goto fail_callbacks;
    }
    code = gust__waker_open(loop);
    if (code != 0) {
        goto fail_poller;
    }
    return 0;

fail_poller:
    close_poller(loop);
    gust__handlers_close(loop, false);
fail_callbacks:
    gust__callbacks_deinit(loop);
fail_events:
    gust__free(loop->events);
    return code;
}

int gust_ioloop_new(const gust_ioloop_options *options, gust_ioloop **out_loop)
{
    static const gust_ioloop_options defaults = {0};
    if (options == NULL) {
        options = &defaults;
    }
    gust_ioloop *loop = gust__calloc(1, sizeof(*loop));
    if (loop == NULL) {
        return -ENOMEM;
    }
    int code = loop_init(loop, options);
    if (code != 0) {
        gust__free(loop);
        return code;
    }
    if (!options->keep_current) {
        made_current = loop;
    }
    *out_loop = loop;
    return 0;
}

/* Layers above go first, while there still is a loop that they can take leave
 * of; but in a forked child the poller does, whose set is the parent's too:
 * taking a descriptor out of it would take it from the parent. */
int gust_ioloop_close(gust_ioloop *loop, bool all_fds)
{
    GUST_CHECK(atomic_load(&loop->owner) == NULL, GUST_ESTATE);
    if (loop->closed) {
        return 0;
    }
    if (loop->pid != getpid()) {
        close_poller(loop);
    } else {
        gust__deferred_finish(loop); /* what was written leaves; once, so not here in a child */
    }
    loop->closing = true;
    gust__locals_close(loop);
    gust__deferred_finish(loop);
    check(loop);
    loop->closed = true;
    gust__signals_close(loop);
    gust__callbacks_close(loop);
    close_poller(loop);
    gust__waker_close(loop);
    gust__handlers_close(loop, all_fds);
    gust__timers_close(loop);
    gust__free(loop->events);
    loop->events = NULL;
    return 0;
}

void gust_ioloop_free(gust_ioloop *loop)
{
    if (loop == NULL || gust_ioloop_close(loop, false) != 0) {
        return;
    }
    if (made_current == loop) {
        made_current = NULL;
    }
    gust__callbacks_deinit(loop);
    gust__free(loop);
}

gust_ioloop *gust_ioloop_current(void)
{
    return running_loop != NULL ? running_loop : made_current;
}

void gust_ioloop_make_current(gust_ioloop *loop)
{
    made_current = loop;
}

/* ---- What a loop knows ------------------------------------------------ */

gust_time gust_ioloop_now(const gust_ioloop *loop)
{
    return loop->now;
}

gust_time gust_ioloop_time(const gust_ioloop *loop)
{
    return loop->sys->now(loop->sys);
}

gust_time gust_ioloop_wall_time(const gust_ioloop *loop)
{
    return loop->sys->wall(loop->sys);
}

const gust_sys *gust_ioloop_sys(const gust_ioloop *loop)
{
    return loop->sys;
}

const char *gust_ioloop_poller_name(const gust_ioloop *loop)
{
    return loop->poller == NULL ? "closed" : loop->poller->ops->name;
}

/* ---- One iteration ---------------------------------------------------- */

/* How long the next wait may last; -1: for ever. */
static gust_time wait_time(const gust_ioloop *loop)
{
    if (loop->ring.head != loop->ring.tail || loop->deferred != NULL) {
        return 0;
    }
    gust_time deadline = gust__timers_next(loop);
    if (deadline == GUST_NEVER) {
        return -1;
    }
    gust_time now = loop->sys->now(loop->sys);
    return deadline > now ? deadline - now : 0;
}

/* Before it sleeps the loop says so, and looks once more for what others have
 * left: they look at `awake` after they have left it. */
static int wait_for_events(gust_ioloop *loop, gust_time timeout)
{
    if (timeout != 0) {
        atomic_store(&loop->awake, false);
        if (gust__callbacks_waiting(loop)) {
            timeout = 0;
        }
    }
    int count = loop->sys->wait(loop->sys, loop->poller, timeout, loop->events,
                                loop->event_capacity);
    atomic_store_explicit(&loop->awake, true, memory_order_relaxed);
    loop->now = loop->sys->now(loop->sys);
    return count;
}

/* A full batch: there was more. Without memory the batch stays as it is. */
static void grow_events(gust_ioloop *loop)
{
    int capacity = loop->event_capacity * 2;
    struct gust_poll_event *events = gust__malloc((size_t)capacity * sizeof(*events));
    if (events != NULL) {
        gust__free(loop->events);
        loop->events = events;
        loop->event_capacity = capacity;
    }
}

static void run_ready(gust_ioloop *loop)
{
    gust__timers_pop(loop);
    gust__callbacks_run(loop);
    gust__timers_run(loop);
    gust__deferred_run(loop);
    check(loop);
}

/* A signal ends a wait; anything else ends the run, told once. */
static int wait_failed(const gust_ioloop *loop, int code)
{
    if (code == -EINTR) {
        return 0;
    }
    GUST_LOG(GUST_LOG_GENERAL, GUST_LOG_ERROR, "the loop ends, waiting with %s failed: %s",
             gust_ioloop_poller_name(loop), gust_err_text(code));
    return code;
}

/* Wait and deliver. Returns 0, or the code of a poller that has failed. */
static int run_events(gust_ioloop *loop, gust_time timeout)
{
    int count = wait_for_events(loop, timeout);
    if (GUST_UNLIKELY(count < 0)) {
        return wait_failed(loop, count);
    }
    gust__handlers_dispatch(loop, count);
    gust__deferred_run(loop);
    if (GUST_UNLIKELY(count == loop->event_capacity && count < EVENTS_MAX)) {
        grow_events(loop);
    }
    return 0;
}

static int iterate(gust_ioloop *loop, enum gust_run_mode mode)
{
    int code = 0;
    do {
        run_ready(loop);
        if (atomic_load_explicit(&loop->stopping, memory_order_relaxed)) {
            break;
        }
        code = run_events(loop, mode == GUST_RUN_NOWAIT ? 0 : wait_time(loop));
    } while (code == 0 && mode == GUST_RUN_UNTIL_STOP);
    return code;
}

int gust_ioloop_run(gust_ioloop *loop, enum gust_run_mode mode)
{
    const void *nobody = NULL;
    GUST_CHECK(loop->pid == getpid() && !loop->closed, GUST_ESTATE);
    if (!atomic_compare_exchange_strong(&loop->owner, &nobody, gust__thread())) {
        return GUST_ESTATE;
    }
    gust_ioloop *outer = running_loop;
    running_loop = loop;
    int code = 0;
    if (!atomic_load(&loop->stopping)) {
        loop->now = loop->sys->now(loop->sys);
        code = iterate(loop, mode);
    }
    atomic_store(&loop->stopping, false);
    running_loop = outer;
    atomic_store(&loop->owner, NULL);
    return code;
}

int gust_ioloop_start(gust_ioloop *loop)
{
    return gust_ioloop_run(loop, GUST_RUN_UNTIL_STOP);
}

/* loop_bench - the event loop by itself, on one core.
 *
 *     build/bench/loop_bench [--rounds=9]
 *
 * Callbacks: posted and run, in batches of 1000. Timers: armed, moved and
 * cancelled while 100,000 others are armed; 100,000 that fire. Events: 512
 * descriptors that are always writable, through the loop's handlers and, in turn
 * with them, through a bare epoll loop that calls a function of its own. Each
 * time is the best round, per operation; allocations are counted by the
 * allocator's seam. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gust/alloc.h>
#include <gust/ioloop.h>

#include "tests/bench/bench.h"

enum {
    BATCH = 1000,
    BATCHES = 200,
    TIMERS = 100000,
    OPERATIONS = 200000,
    PAIRS = 256,
    WAITS = 500
};

static long rounds = 9;
static size_t allocations;

static void *counting_malloc(size_t size, void *user)
{
    (void)user;
    allocations++;
    return malloc(size);
}

static void *counting_realloc(void *ptr, size_t size, void *user)
{
    (void)user;
    allocations++;
    return realloc(ptr, size);
}

static void counting_free(void *ptr, void *user)
{
    (void)user;
    free(ptr);
}

static gust_ioloop *new_loop(void)
{
    gust_ioloop *loop;
    if (gust_ioloop_new(NULL, &loop) != 0) {
        bench_die("no loop");
    }
    return loop;
}

static void run(gust_ioloop *loop, enum gust_run_mode mode)
{
    int code = gust_ioloop_run(loop, mode);
    if (code != 0) {
        bench_die("the loop ended with %s", gust_err_name(code));
    }
}

/* The best of all rounds, in nanoseconds per operation. */
typedef void round_fn(gust_ioloop *loop);

static double best(gust_ioloop *loop, round_fn *fn, long operations)
{
    int64_t shortest = INT64_MAX;
    for (long i = 0; i < rounds; i++) {
        int64_t start = bench_now();
        fn(loop);
        int64_t took = bench_now() - start;
        shortest = took < shortest ? took : shortest;
    }
    return (double)shortest / (double)operations;
}

static void row(const char *name, double ns, double allocated)
{
    printf("| %-44s | %8.1f | %12.4f |\n", name, ns, allocated);
}

static void measured(gust_ioloop *loop, const char *name, round_fn *fn, long operations)
{
    fn(loop); /* what grows has grown */
    allocations = 0;
    double ns = best(loop, fn, operations);
    row(name, ns, (double)allocations / (double)(operations * rounds));
}

/* ---- Callbacks -------------------------------------------------------- */

static long called;

static void on_callback(gust_ioloop *loop, void *user)
{
    (void)loop;
    (void)user;
    called++;
}

static void on_batch(gust_ioloop *loop, void *user)
{
    long *left = user;
    for (int i = 0; i < BATCH; i++) {
        (void)gust_ioloop_add_callback(loop, on_callback, NULL);
    }
    if (--*left > 0) {
        (void)gust_ioloop_add_callback(loop, on_batch, user);
    } else {
        gust_ioloop_stop(loop);
    }
}

static void round_callbacks(gust_ioloop *loop)
{
    long left = BATCHES;
    (void)gust_ioloop_add_callback(loop, on_batch, &left);
    run(loop, GUST_RUN_UNTIL_STOP);
    run(loop, GUST_RUN_NOWAIT); /* the last batch */
}

/* ---- Timers ----------------------------------------------------------- */

static gust_timer timers[TIMERS];
static gust_timer probe;
static uint64_t random_state = 1;
static long fired;

static gust_time next_delay(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return GUST_SECONDS(10) + (gust_time)(random_state >> 30);
}

static void on_timer(gust_ioloop *loop, gust_timer *timer)
{
    (void)loop;
    (void)timer;
    fired++;
}

static void arm(gust_ioloop *loop, gust_timer *timer, gust_time when)
{
    if (gust_ioloop_arm(loop, timer, when, on_timer) != 0) {
        bench_die("out of memory");
    }
}

static void arm_all(gust_ioloop *loop)
{
    gust_time now = gust_ioloop_now(loop);
    for (int i = 0; i < TIMERS; i++) {
        arm(loop, &timers[i], now + next_delay());
    }
}

static void round_arm_disarm(gust_ioloop *loop)
{
    gust_time now = gust_ioloop_now(loop);
    for (int i = 0; i < OPERATIONS; i++) {
        arm(loop, &probe, now + next_delay());
        gust_ioloop_disarm(loop, &probe);
    }
}

static void round_move(gust_ioloop *loop)
{
    gust_time now = gust_ioloop_now(loop);
    for (int i = 0; i < OPERATIONS; i++) {
        arm(loop, &timers[i % TIMERS], now + next_delay());
    }
}

static void round_call_later(gust_ioloop *loop)
{
    for (int i = 0; i < OPERATIONS; i++) {
        gust_timeout timeout;
        if (gust_ioloop_call_later(loop, next_delay(), on_callback, NULL, &timeout) != 0) {
            bench_die("out of memory");
        }
        gust_ioloop_remove_timeout(loop, timeout);
    }
}

static void round_fire(gust_ioloop *loop)
{
    for (int i = 0; i < TIMERS; i++) {
        arm(loop, &timers[i], gust_ioloop_now(loop) - next_delay());
    }
    run(loop, GUST_RUN_NOWAIT);
}

/* ---- Events ----------------------------------------------------------- */

static int fds[2 * PAIRS];
static gust_watcher watchers[2 * PAIRS];
static long events;

static void on_event(gust_ioloop *loop, gust_watcher *watcher, unsigned mask)
{
    (void)loop;
    (void)watcher;
    events += mask != 0;
}

static void round_events(gust_ioloop *loop)
{
    for (int i = 0; i < WAITS; i++) {
        run(loop, GUST_RUN_NOWAIT);
    }
}

struct bare {
    void (*fn)(struct bare *bare, unsigned mask);
};

static void on_bare(struct bare *bare, unsigned mask)
{
    (void)bare;
    events += mask != 0;
}

static struct bare bares[2 * PAIRS];
static int bare_poller;

static void round_bare(gust_ioloop *loop)
{
    static struct epoll_event got[1024];
    (void)loop;
    for (int i = 0; i < WAITS; i++) {
        int count = epoll_wait(bare_poller, got, 1024, 0);
        for (int at = 0; at < count; at++) {
            struct bare *bare = got[at].data.ptr;
            bare->fn(bare, got[at].events);
        }
    }
}

static void start_events(gust_ioloop *loop)
{
    bench_raise_nofile(2 * PAIRS + 64);
    bare_poller = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < PAIRS; i++) {
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, &fds[2 * i]) != 0) {
            bench_die("socketpair failed");
        }
    }
    for (int i = 0; i < 2 * PAIRS; i++) {
        struct epoll_event event = {.events = EPOLLOUT, .data.ptr = &bares[i]};
        bares[i].fn = on_bare;
        if (gust_ioloop_watch(loop, &watchers[i], fds[i], GUST_WRITE, on_event) != 0 ||
            epoll_ctl(bare_poller, EPOLL_CTL_ADD, fds[i], &event) != 0) {
            bench_die("can't watch");
        }
    }
}

/* In turns, so that both see the same machine. */
static void measure_events(gust_ioloop *loop)
{
    double ours = 0;
    double theirs = 0;
    long turns = rounds;
    long per_round = (long)WAITS * 2 * PAIRS;
    start_events(loop);
    round_events(loop);
    rounds = 1;
    for (long i = 0; i < turns; i++) {
        double a = best(loop, round_events, per_round);
        double b = best(loop, round_bare, per_round);
        ours = i == 0 || a < ours ? a : ours;
        theirs = i == 0 || b < theirs ? b : theirs;
    }
    rounds = turns;
    row("event, wait to callback, 512 ready", ours, 0);
    row("the same by a bare epoll loop", theirs, 0);
    printf("\nevents: the loop takes %.3f of the bare one\n", ours / theirs);
}

int main(int argc, char **argv)
{
    static const gust_allocator counting = {counting_malloc, counting_realloc, counting_free, NULL};
    const bench_option options[] = {{"rounds", &rounds, NULL}, {NULL, NULL, NULL}};
    bench_options(argc, argv, options);
    gust_set_allocator(&counting);
    gust_ioloop *loop = new_loop();

    printf("| %-44s | %8s | %12s |\n", "operation", "best ns", "allocations");
    printf("|----------------------------------------------|---------:|-------------:|\n");
    measured(loop, "callback posted and run", round_callbacks, (long)BATCH * BATCHES);
    measured(loop, "timer armed late and run, 100,000 at once", round_fire, TIMERS);
    arm_all(loop);
    measured(loop, "timer armed and disarmed among 100,000", round_arm_disarm, OPERATIONS);
    measured(loop, "timer moved among 100,000", round_move, OPERATIONS);
    measured(loop, "call_later and removed among 100,000", round_call_later, OPERATIONS);
    measure_events(loop);
    gust_ioloop_free(loop);
    return 0;
}

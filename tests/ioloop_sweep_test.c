/* Everything that a loop does, with each allocation failing in turn, and with
 * each of its system calls failing in each plausible way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <gust/ioloop.h>
#include <gust/periodic.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/clock.h"
#include "tests/support/faults.h"
#include "tests/support/loops.h"

#define PAIRS 3

/* The object around a member. */
#define AROUND(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* What is built: handlers on both ends of some pairs, timers of all kinds,
 * callbacks, deferred work, a local block, a periodic; then run for a while. */
struct world {
    struct clock clock;
    gust_ioloop *loop;
    gust_periodic *periodic;
    int fds[PAIRS][2];
    gust_timer timer;
    gust_deferred deferred;
    int events, beats, calls, timers, deferrals;
};

static int local_init(gust_ioloop *loop, void *block)
{
    (void)block;
    void *inner;
    static const gust_local_key inner_key = {.size = 100};
    return gust_ioloop_local(loop, &inner_key, &inner);
}

static void on_event(gust_ioloop *loop, int fd, unsigned events, void *user)
{
    struct world *world = user;
    char bytes[16];
    (void)events;
    const gust_sys *sys = gust_ioloop_sys(loop);
    ssize_t got = sys->recv(sys, fd, bytes, sizeof(bytes), 0);
    if (got > 0) {
        world->events++;
    } else if (!faults_is_transient((int)got)) {
        gust_ioloop_remove_handler(loop, fd);
    }
}

static void on_timer(gust_ioloop *loop, gust_timer *timer)
{
    struct world *world = AROUND(timer, struct world, timer);
    world->timers++;
    for (int i = 0; i < PAIRS; i++) {
        (void)gust_ioloop_sys(loop)->send(gust_ioloop_sys(loop), world->fds[i][1], "x", 1, 0);
    }
    (void)gust_ioloop_arm(loop, timer, gust_ioloop_now(loop) + GUST_SECONDS(1), on_timer);
}

static void on_deferred(gust_ioloop *loop, gust_deferred *deferred)
{
    (void)loop;
    AROUND(deferred, struct world, deferred)->deferrals++;
}

static void on_call(gust_ioloop *loop, void *user)
{
    struct world *world = user;
    world->calls++;
    gust_ioloop_defer(loop, &world->deferred, on_deferred);
}

static void on_beat(gust_periodic *periodic, void *user)
{
    (void)periodic;
    ((struct world *)user)->beats++;
}

static int add_work(struct world *world)
{
    static const gust_local_key key = {.size = 1000, .init = local_init};
    gust_ioloop *loop = world->loop;
    void *block;
    for (int i = 0; i < PAIRS; i++) {
        GUST_TRY(gust_ioloop_add_handler(loop, world->fds[i][0], GUST_READ, on_event, world));
    }
    for (int i = 0; i < 70; i++) {
        gust_timeout timeout;
        GUST_TRY(gust_ioloop_add_callback(loop, on_call, world));
        GUST_TRY(gust_ioloop_call_later(loop, GUST_MILLIS(i), on_call, world, &timeout));
        if (i % 7 == 0) {
            gust_ioloop_remove_timeout(loop, timeout);
        }
    }
    GUST_TRY(gust_ioloop_arm(loop, &world->timer, 0, on_timer));
    GUST_TRY(gust_ioloop_local(loop, &key, &block));
    GUST_TRY(gust_periodic_new(loop, GUST_SECONDS(1), 0.1, on_beat, world, &world->periodic));
    return gust_periodic_start(world->periodic);
}

/* Whatever failed, the loop still runs to its end. */
static int use(struct world *world)
{
    int code = add_work(world);
    int stopped = gust_ioloop_call_later(world->loop, GUST_SECONDS(10), loops_stop, NULL, NULL);
    if (stopped == 0) {
        int run = gust_ioloop_start(world->loop);
        code = code != 0 ? code : run;
    }
    return code != 0 ? code : stopped;
}

static int live(struct world *world, const gust_sys *sys)
{
    gust_ioloop_options options = {.poller = loops_poller(), .sys = sys, .keep_current = true};
    GUST_TRY(gust_ioloop_new(&options, &world->loop));
    int code = use(world);
    gust_periodic_free(world->periodic);
    gust_ioloop_free(world->loop);
    return code;
}

static int run_world(struct world *world, const gust_sys *under)
{
    clock_init(&world->clock, under);
    for (int i = 0; i < PAIRS; i++) {
        loops_pair(world->fds[i]);
    }
    int code = live(world, &world->clock.sys);
    for (int i = 0; i < PAIRS; i++) {
        close(world->fds[i][0]);
        close(world->fds[i][1]);
    }
    return code;
}

static void assert_all_happened(const struct world *world)
{
    assert_int_equal(world->calls, 70 + 60);
    assert_in_range(world->timers, 10, 11);
    assert_in_range(world->events, 10 * PAIRS, 11 * PAIRS);
    assert_in_range(world->beats, 8, 11);
    assert_true(world->deferrals >= 2);
}

static int scenario_memory(void *user)
{
    struct world world = {0};
    (void)user;
    int code = run_world(&world, NULL);
    if (!alloc_sweep_has_failed()) {
        assert_all_happened(&world);
    }
    return code;
}

/* Nothing but memory fails: every run ends with 0 or -ENOMEM. */
static void test_memory__each_allocation_fails(void **state)
{
    (void)state;
    alloc_sweep(scenario_memory, NULL);
}

/* The loop's own calls may fail as they like: nothing that it promised is lost,
 * only what was to be read or written by a call that failed. */
static void scenario_calls(struct faults *faults, void *user)
{
    struct world world = {0};
    unsigned long *runs = user;
    int code = run_world(&world, &faults->sys);
    if (code != 0) {
        fail_msg("%s: %s", faults_current(), gust_err_name(code));
    }
    assert_int_equal(world.calls, 70 + 60);
    assert_in_range(world.timers, 10, 11);
    if (faults->injected == 0) {
        assert_all_happened(&world);
    }
    ++*runs;
}

static void test_calls__each_fails_in_each_way(void **state)
{
    unsigned long runs = 0;
    (void)state;
    unsigned long swept = faults_sweep(scenario_calls, &runs);
    assert_int_equal(swept, runs);
    assert_true(runs > 100);
}

static void test_calls__random_faults__from_20_seeds(void **state)
{
    unsigned long runs = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct faults faults;
        faults_init(&faults, NULL);
        faults_randomly(&faults, seed, 300);
        scenario_calls(&faults, &runs);
        assert_true(faults.injected > 10);
    }
}

static int group(void)
{
    const struct CMUnitTest tests[] = {
        LOOPS_CASE(test_memory__each_allocation_fails),
        LOOPS_CASE(test_calls__each_fails_in_each_way),
        LOOPS_CASE(test_calls__random_faults__from_20_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return loops_over_pollers(group);
}

/* Periodic callbacks on a clock of the test's own. Numbers in comments are those
 * of the behaviour reference's list of cases for the loop; the beats of 21 to 24
 * are the published ones of Tornado's tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <gust/periodic.h>

#include "tests/support/clock.h"
#include "tests/support/faults.h"
#include "tests/support/loops.h"

#define BEATS 16

static struct clock test_clock;

/* What a run does: how long each call lasts; when each call came. */
static struct run {
    const gust_time *durations;
    int count; /* of calls after which it stops */
    int calls;
    gust_time at[BEATS];
} run;

static void on_beat(gust_periodic *periodic, void *user)
{
    (void)user;
    assert_true(gust_periodic_is_running(periodic));
    run.at[run.calls] = test_clock.now;
    if (run.durations != NULL) {
        clock_advance(&test_clock, run.durations[run.calls]);
    }
    if (++run.calls == run.count) {
        gust_periodic_stop(periodic);
        gust_ioloop_stop(gust_ioloop_current());
    }
}

/* Run a periodic of `period` for `count` calls, from t = 1000 s on. */
static void play(const gust_sys *sys, gust_time period, double jitter, const gust_time *durations,
                 int count)
{
    gust_ioloop *loop = loops_new(sys != NULL ? sys : &test_clock.sys);
    gust_periodic *periodic;
    run = (struct run){.durations = durations, .count = count};
    assert_int_equal(gust_periodic_new(loop, period, jitter, on_beat, NULL, &periodic), 0);
    assert_false(gust_periodic_is_running(periodic));
    assert_int_equal(gust_periodic_start(periodic), 0);
    assert_int_equal(gust_periodic_start(periodic), 0); /* still one chain */
    assert_int_equal(gust_ioloop_start(loop), 0);
    assert_false(gust_periodic_is_running(periodic));
    assert_int_equal(run.calls, count);
    gust_periodic_free(periodic);
    gust_ioloop_free(loop);
}

#define S(n) GUST_SECONDS(n)

/* 21 */
static void test_beats__quick_calls__stay_on_the_grid(void **state)
{
    (void)state;
    clock_init(&test_clock, NULL);
    play(NULL, S(10), 0, NULL, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(run.at[i], S(1010 + 10 * i));
    }
}

/* 22 */
static void test_beats__slow_calls__skip_what_they_covered(void **state)
{
    static const gust_time durations[] = {S(9),  S(9),  S(10), S(11), S(20), S(20),
                                          S(35), S(35), 0,     0,     0};
    static const int beats[] = {1010, 1020, 1030, 1050, 1070, 1100, 1130, 1170, 1210, 1220, 1230};
    (void)state;
    clock_init(&test_clock, NULL);
    play(NULL, S(10), 0, durations, 11);
    for (int i = 0; i < 11; i++) {
        assert_int_equal(run.at[i], S(beats[i]));
    }
}

/* 23: what the beat after each is, is told by the clock before that beat. The
 * first that the loop sees again is the beat itself. */
static void test_beats__clock_goes_back__no_burst(void **state)
{
    static const gust_time small[] = {-S(2), -S(1), -S(3), -S(2), 0};
    static const gust_time large[] = {-S(100), 0, 0};
    (void)state;
    clock_init(&test_clock, NULL);
    play(NULL, S(10), 0, small, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(run.at[i], S(1010 + 10 * i));
    }
    clock_init(&test_clock, NULL);
    play(NULL, S(10), 0, large, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(run.at[i], S(1010 + 10 * i));
    }
}

/* Random numbers of the test's choice: the next of `draws`, a fraction of 1. */
static const double *draws;

static int drawing_random(const gust_sys *sys, void *buf, size_t n)
{
    uint64_t bits = (uint64_t)(*draws++ * 0x1p53) << 11;
    (void)sys;
    assert_int_equal(n, sizeof(bits));
    memcpy(buf, &bits, n);
    return 0;
}

/* 24; a fraction of 1 itself can't be drawn. */
static void test_beats__jitter__is_a_window_around_the_period(void **state)
{
    static const double fractions[] = {0.5, 1 - 0x1p-53, 0, 0.75, 0.5};
    static const int64_t beats_ms[] = {1010000, 1022500, 1030000, 1041250};
    (void)state;
    clock_init(&test_clock, NULL);
    test_clock.sys.random = drawing_random;
    draws = fractions;
    play(NULL, S(10), 0.5, NULL, 4);
    for (int i = 0; i < 4; i++) {
        assert_in_range(run.at[i], GUST_MILLIS(beats_ms[i]) - 10, GUST_MILLIS(beats_ms[i]) + 10);
    }
    assert_ptr_equal(draws, fractions + 5); /* one draw a beat */
}

static void test_beats__no_random_bytes__plain_period(void **state)
{
    struct faults faults;
    (void)state;
    clock_init(&test_clock, NULL);
    faults_init(&faults, &test_clock.sys);
    faults_fail(&faults, FAULTS_RANDOM, 1, -ENOSYS, FAULTS_FROM_THEN_ON);
    play(&faults.sys, S(10), 1, NULL, 3);
    assert_int_equal(run.at[2], S(1030));
    assert_true(faults.injected >= 3);
}

/* The smallest period with the widest jitter: never less than a nanosecond, so
 * the grid always moves on. */
static void test_beats__one_nanosecond__go_on(void **state)
{
    (void)state;
    clock_init(&test_clock, NULL);
    play(NULL, 1, 1, NULL, BEATS);
    assert_in_range(run.at[BEATS - 1] - S(1000), BEATS, 2 * BEATS);
}

/* ---- Inside the call -------------------------------------------------- */

static gust_time restart_after;

static void on_stop_start(gust_periodic *periodic, void *user)
{
    int *calls = user;
    ++*calls;
    clock_advance(&test_clock, restart_after);
    gust_periodic_stop(periodic);
    gust_periodic_stop(periodic);
    assert_false(gust_periodic_is_running(periodic));
    assert_int_equal(gust_periodic_start(periodic), 0);
}

/* The first beat comes after 10 s, each other 10 s after the restart. */
static void check_restart(gust_time duration, gust_time end, int expected)
{
    gust_periodic *periodic;
    int calls = 0;
    clock_init(&test_clock, NULL);
    gust_ioloop *loop = loops_new(&test_clock.sys);
    restart_after = duration;
    assert_int_equal(gust_periodic_new(loop, S(10), 0, on_stop_start, &calls, &periodic), 0);
    assert_int_equal(gust_periodic_start(periodic), 0);
    assert_int_equal(gust_ioloop_call_later(loop, end, loops_stop, NULL, NULL), 0);
    assert_int_equal(gust_ioloop_start(loop), 0);
    assert_int_equal(calls, expected);
    gust_periodic_free(periodic);
    gust_ioloop_free(loop);
}

static void test_stop_and_start__inside__makes_one_new_chain(void **state)
{
    (void)state;
    check_restart(S(2), S(59), 5);  /* 10, 22, 34, 46, 58 */
    check_restart(S(12), S(77), 4); /* 10, 32, 54, 76: longer than the period */
}

static void on_free(gust_periodic *periodic, void *user)
{
    ++*(int *)user;
    gust_periodic_free(periodic);
}

static void test_free__inside__ends_it(void **state)
{
    gust_periodic *periodic;
    int calls = 0;
    (void)state;
    clock_init(&test_clock, NULL);
    gust_ioloop *loop = loops_new(&test_clock.sys);
    assert_int_equal(gust_periodic_new(loop, S(1), 0, on_free, &calls, &periodic), 0);
    assert_int_equal(gust_periodic_start(periodic), 0);
    assert_int_equal(gust_ioloop_call_later(loop, S(9), loops_stop, NULL, NULL), 0);
    assert_int_equal(gust_ioloop_start(loop), 0);
    assert_int_equal(calls, 1);
    gust_ioloop_free(loop);
}

static void test_new__bad_arguments__are_refused(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    gust_periodic *periodic = (gust_periodic *)state;
    assert_int_equal(gust_periodic_new(loop, 0, 0, on_free, NULL, &periodic), -EINVAL);
    assert_int_equal(gust_periodic_new(loop, -1, 0, on_free, NULL, &periodic), -EINVAL);
    assert_int_equal(gust_periodic_new(loop, 1, -0.1, on_free, NULL, &periodic), -EINVAL);
    assert_int_equal(gust_periodic_new(loop, 1, 1.1, on_free, NULL, &periodic), -EINVAL);
    assert_int_equal(gust_periodic_new(loop, 1, 0, NULL, NULL, &periodic), -EINVAL);
    assert_ptr_equal(periodic, state);
    gust_periodic_free(NULL);
    gust_ioloop_free(loop);
}

static int group(void)
{
    const struct CMUnitTest tests[] = {
        LOOPS_CASE(test_beats__quick_calls__stay_on_the_grid),
        LOOPS_CASE(test_beats__slow_calls__skip_what_they_covered),
        LOOPS_CASE(test_beats__clock_goes_back__no_burst),
        LOOPS_CASE(test_beats__jitter__is_a_window_around_the_period),
        LOOPS_CASE(test_beats__no_random_bytes__plain_period),
        LOOPS_CASE(test_beats__one_nanosecond__go_on),
        LOOPS_CASE(test_stop_and_start__inside__makes_one_new_chain),
        LOOPS_CASE(test_free__inside__ends_it),
        LOOPS_CASE(test_new__bad_arguments__are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return loops_over_pollers(group);
}

/* What is posted to a loop, deferred work, and the blocks that layers keep at it,
 * over each poller. What other threads post is in ioloop_threads_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <gust/ioloop.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/loops.h"

/* What happened, one letter each. */
static char trace[64];

static void note(char letter)
{
    size_t length = strlen(trace);
    assert_true(length + 1 < sizeof(trace));
    trace[length] = letter;
}

static void step(gust_ioloop *loop)
{
    assert_int_equal(gust_ioloop_run(loop, GUST_RUN_NOWAIT), 0);
}

struct noting {
    gust_deferred deferred;
    char letter;
};

static void on_note_deferred(gust_ioloop *loop, gust_deferred *deferred)
{
    (void)loop;
    note(((struct noting *)(void *)deferred)->letter);
}

/* ---- Posting ---------------------------------------------------------- */

static void on_post_many(gust_ioloop *loop, void *user)
{
    for (int i = 0; i < 100; i++) {
        assert_int_equal(gust_ioloop_add_callback(loop, loops_count, user), 0);
    }
}

static void test_callback__queue_has_grown__allocates_nothing(void **state)
{
    int ran = 0;
    (void)state;
    alloc_count_begin();
    gust_ioloop *loop = loops_new(NULL);
    size_t grown = 0;
    for (int round = 0; round < 5; round++) {
        if (round == 2) {
            grown = alloc_count_calls();
        }
        assert_int_equal(gust_ioloop_add_callback(loop, on_post_many, &ran), 0);
        step(loop);
        step(loop);
        assert_int_equal(ran, (round + 1) * 100);
    }
    assert_int_equal(alloc_count_calls(), grown);
    gust_ioloop_free(loop);
    alloc_count_end();
}

/* The ring grows while its queue lies across its end: the order stays. */
static int expected;

static void on_expect(gust_ioloop *loop, void *user)
{
    (void)loop;
    assert_int_equal((int)(intptr_t)user, expected);
    expected++;
}

struct grower {
    int posted, batch;
};

static void on_grow(gust_ioloop *loop, void *user)
{
    struct grower *grower = user;
    if (grower->batch == 0) {
        return;
    }
    for (int i = 0; i < grower->batch; i++) {
        assert_int_equal(
            gust_ioloop_add_callback(loop, on_expect, (void *)(intptr_t)grower->posted++), 0);
    }
    assert_int_equal(gust_ioloop_add_callback(loop, on_grow, grower), 0);
}

static void test_callback__growing_queue__keeps_its_order(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    struct grower grower = {0, 0};
    (void)state;
    expected = 0;
    grower.batch = 7;
    assert_int_equal(gust_ioloop_add_callback(loop, on_grow, &grower), 0);
    for (int i = 0; i < 40; i++) {
        grower.batch = 7 + 11 * i;
        step(loop);
    }
    grower.batch = 0;
    step(loop);
    step(loop);
    assert_int_equal(expected, grower.posted);
    assert_true(grower.posted > 8000);
    gust_ioloop_free(loop);
}

static void test_signal_slots__64_fit_and_keep_their_order(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    (void)state;
    expected = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 64; i++) {
            assert_int_equal(gust_ioloop_add_callback_from_signal(
                                 loop, on_expect, (void *)(intptr_t)(round * 64 + i)),
                             0);
        }
        assert_int_equal(gust_ioloop_add_callback_from_signal(loop, on_expect, NULL), -EAGAIN);
        step(loop);
        assert_int_equal(expected, (round + 1) * 64);
    }
    gust_ioloop_free(loop);
}

static gust_ioloop *woken;
static int ran_woken;
static int newest_count;

/* Posts while the loop is taken to be asleep, so the waker is written to. */
static int posting_wait(const gust_sys *sys, struct gust_poller *poller, gust_time timeout,
                        struct gust_poll_event *events, int max)
{
    const gust_sys *real = gust_sys_real();
    (void)sys;
    for (int i = 0; timeout != 0 && i < 3; i++) {
        assert_int_equal(gust_ioloop_add_callback_from_signal(woken, loops_count, &ran_woken), 0);
    }
    newest_count = real->wait(real, poller, 0, events, max);
    return newest_count;
}

static void test_waker__ends_one_wait_only(void **state)
{
    gust_sys sys = *gust_sys_real();
    (void)state;
    sys.wait = posting_wait;
    ran_woken = 0;
    woken = loops_new(&sys);
    assert_int_equal(gust_ioloop_run(woken, GUST_RUN_ONCE), 0);
    assert_int_equal(newest_count, 1);
    step(woken);
    assert_int_equal(ran_woken, 3);
    assert_int_equal(newest_count, 0);
    gust_ioloop_free(woken);
}

/* ---- Deferred work ---------------------------------------------------- */

static struct noting second = {.letter = '2'};

static void on_defer_second(gust_ioloop *loop, gust_deferred *deferred)
{
    note('1');
    gust_ioloop_defer(loop, &second.deferred, on_note_deferred);
    free(deferred); /* its memory is the owner's again */
}

static void test_defer__from_within__runs_at_the_next_step(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    gust_deferred *first = calloc(1, sizeof(*first));
    (void)state;
    assert_non_null(first);
    memset(trace, 0, sizeof(trace));
    gust_ioloop_defer(loop, first, on_defer_second);
    step(loop);
    assert_string_equal(trace, "12");
    assert_false(second.deferred.queued);
    gust_ioloop_defer(loop, &second.deferred, on_note_deferred);
    gust_ioloop_free(loop); /* what is queued runs before the loop goes */
    assert_string_equal(trace, "122");
}

struct endless {
    gust_deferred deferred;
    int runs;
};

static void on_endless(gust_ioloop *loop, gust_deferred *deferred)
{
    ((struct endless *)(void *)deferred)->runs++;
    gust_ioloop_defer(loop, deferred, on_endless);
}

static void on_readable(gust_ioloop *loop, int fd, unsigned events, void *user)
{
    char byte;
    (void)events;
    (void)user;
    assert_int_equal(read(fd, &byte, 1), 1);
    gust_ioloop_stop(loop);
}

static void test_defer__itself_for_ever__does_not_starve_a_descriptor(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    struct endless endless = {.runs = 0};
    int fds[2];
    (void)state;
    loops_pair(fds);
    assert_int_equal(gust_ioloop_add_handler(loop, fds[0], GUST_READ, on_readable, NULL), 0);
    gust_ioloop_defer(loop, &endless.deferred, on_endless);
    gust_ioloop_defer(loop, &endless.deferred, on_endless);
    assert_int_equal(gust_ioloop_run(loop, GUST_RUN_ONCE), 0); /* does not wait */
    assert_int_equal(endless.runs, 2);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(gust_ioloop_start(loop), 0);
    assert_in_range(endless.runs, 3, 5);
    gust_ioloop_close(loop, true); /* ends all the same */
    gust_ioloop_free(loop);
    close(fds[1]);
}

/* ---- Local blocks ----------------------------------------------------- */

static int closed_order[4];
static int closed_count;

struct local_block {
    int number;
    int zero;
};

static void local_deinit(gust_ioloop *loop, void *block)
{
    (void)loop;
    closed_order[closed_count++] = ((struct local_block *)block)->number;
}

static int inner_init(gust_ioloop *loop, void *block)
{
    (void)loop;
    ((struct local_block *)block)->number = 1;
    return 0;
}

static const gust_local_key inner = {sizeof(struct local_block), inner_init, local_deinit};

static int outer_init(gust_ioloop *loop, void *block)
{
    void *needed;
    assert_int_equal(gust_ioloop_local(loop, &inner, &needed), 0);
    ((struct local_block *)block)->number = 2;
    return 0;
}

static int refusing_init(gust_ioloop *loop, void *block)
{
    (void)loop;
    (void)block;
    return GUST_ETOOBIG;
}

static void test_local__one_block_a_key__closed_newest_first(void **state)
{
    static const gust_local_key outer = {sizeof(struct local_block), outer_init, local_deinit};
    static const gust_local_key refusing = {8, refusing_init, local_deinit};
    static const gust_local_key huge = {SIZE_MAX - 4, NULL, NULL};
    gust_ioloop *loop = loops_new(NULL);
    void *a;
    void *b;
    void *untouched = state;
    closed_count = 0;
    assert_int_equal(gust_ioloop_local(loop, &outer, &a), 0);
    assert_int_equal(((struct local_block *)a)->zero, 0);
    assert_int_equal(gust_ioloop_local(loop, &outer, &b), 0);
    assert_ptr_equal(a, b);
    assert_int_equal(gust_ioloop_local(loop, &refusing, &untouched), GUST_ETOOBIG);
    assert_int_equal(gust_ioloop_local(loop, &huge, &untouched), -ENOMEM);
    assert_ptr_equal(untouched, state);
    gust_ioloop_free(loop);
    assert_int_equal(closed_count, 2);
    assert_int_equal(closed_order[0], 2);
    assert_int_equal(closed_order[1], 1);
}

static int group(void)
{
    const struct CMUnitTest tests[] = {
        LOOPS_CASE(test_callback__queue_has_grown__allocates_nothing),
        LOOPS_CASE(test_callback__growing_queue__keeps_its_order),
        LOOPS_CASE(test_signal_slots__64_fit_and_keep_their_order),
        LOOPS_CASE(test_waker__ends_one_wait_only),
        LOOPS_CASE(test_defer__from_within__runs_at_the_next_step),
        LOOPS_CASE(test_defer__itself_for_ever__does_not_starve_a_descriptor),
        LOOPS_CASE(test_local__one_block_a_key__closed_newest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return loops_over_pollers(group);
}

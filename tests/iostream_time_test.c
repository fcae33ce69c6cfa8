/* Deadlines and write timeouts of streams, on a clock of the test's, over each bottom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/streams.h"

enum { MIB = 1048576 };

static const gust_iostream_callbacks with_timeout = {
    .reader = ears_reader, .on_timeout = ears_on_timeout, .on_close = ears_on_close};

static gust_time now_of(const struct streams *t)
{
    return gust_ioloop_now(t->loop);
}

static void open_with(struct streams *t, const gust_iostream_options *options,
                      const gust_iostream_callbacks *cb, struct ears *e)
{
    streams_open(t, options);
    streams_turn(t, 1);
    assert_int_equal(gust_iostream_set_callbacks(t->a, cb, e), 0);
}

static void nothing(gust_ioloop *loop, gust_timer *timer)
{
    (void)loop;
    (void)timer;
}

static void deadline_in(struct streams *t, gust_time delay)
{
    assert_int_equal(gust_iostream_set_deadline(t->a, now_of(t) + delay), 0);
}

/* ---- The deadline ------------------------------------------------------------------ */

static void test_deadline__default__closes(void **state)
{
    struct streams t;
    struct ears e = {0};
    (void)state;
    open_with(&t, NULL, &ears_callbacks, &e);
    deadline_in(&t, GUST_SECONDS(5));
    streams_pass(&t, GUST_MILLIS(4990));
    assert_int_equal(e.closes, 0);
    streams_pass(&t, GUST_MILLIS(20));
    assert_int_equal(e.closes, 1);
    assert_int_equal(e.status, GUST_ETIMEDOUT);
    assert_int_equal(gust_iostream_set_deadline(t.a, 1), GUST_ECLOSED);
    streams_close(&t);
}

static void test_deadline__pending_operations__are_told(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_read_bytes(t.a, 1, heard_read, &h), 0);
    streams_turn(&t, 1);
    deadline_in(&t, GUST_SECONDS(5));
    streams_until(&t, &h.calls, 1);
    assert_int_equal(h.status, GUST_ETIMEDOUT);
    streams_close(&t);
}

static void test_deadline__on_timeout__instead_and_once(void **state)
{
    struct streams t;
    struct ears e = {0};
    (void)state;
    open_with(&t, NULL, &with_timeout, &e);
    deadline_in(&t, GUST_SECONDS(5));
    streams_pass(&t, GUST_MILLIS(5010));
    assert_int_equal(e.timeouts, 1);
    streams_pass(&t, GUST_SECONDS(86400));
    assert_int_equal(e.timeouts, 1);
    assert_int_equal(e.closes, 0);
    streams_close(&t);
}

static void test_deadline__in_the_past__next_turn(void **state)
{
    struct streams t;
    struct ears e = {0};
    (void)state;
    open_with(&t, NULL, &with_timeout, &e);
    assert_int_equal(gust_iostream_set_deadline(t.a, 0), 0);
    assert_int_equal(e.timeouts, 0);
    streams_turn(&t, 2);
    assert_int_equal(e.timeouts, 1);
    streams_close(&t);
}

static void test_deadline__moved_later_and_earlier(void **state)
{
    struct streams t;
    struct ears e = {0};
    (void)state;
    open_with(&t, NULL, &with_timeout, &e);
    for (int i = 0; i < 100; i++) { /* each time before it comes */
        deadline_in(&t, GUST_SECONDS(5));
        streams_pass(&t, GUST_SECONDS(4));
    }
    assert_int_equal(e.timeouts, 0);
    streams_pass(&t, GUST_MILLIS(1010));
    assert_int_equal(e.timeouts, 1);
    deadline_in(&t, GUST_SECONDS(100));
    deadline_in(&t, GUST_SECONDS(1));
    streams_pass(&t, GUST_MILLIS(1010));
    assert_int_equal(e.timeouts, 2);
    deadline_in(&t, GUST_SECONDS(1));
    deadline_in(&t, GUST_SECONDS(100));
    streams_pass(&t, GUST_SECONDS(99));
    assert_int_equal(e.timeouts, 2);
    streams_pass(&t, GUST_MILLIS(1010));
    assert_int_equal(e.timeouts, 3);
    streams_close(&t);
}

static void test_deadline__never__none(void **state)
{
    struct streams t;
    struct ears e = {0};
    (void)state;
    open_with(&t, NULL, &with_timeout, &e);
    assert_int_equal(gust_iostream_set_deadline(t.a, GUST_NEVER), 0);
    deadline_in(&t, GUST_SECONDS(5));
    assert_int_equal(gust_iostream_set_deadline(t.a, GUST_NEVER), 0);
    streams_pass(&t, GUST_SECONDS(1000));
    assert_int_equal(e.timeouts, 0);
    deadline_in(&t, GUST_SECONDS(5));
    streams_pass(&t, GUST_MILLIS(5010));
    assert_int_equal(e.timeouts, 1);
    streams_close(&t);
}

/* To move it later costs no timer: the old one fires once and finds that it is early. */
static void test_deadline__moved_later_1000_times__one_early_wakeup(void **state)
{
    struct streams t;
    struct ears e = {0};
    (void)state;
    open_with(&t, NULL, &with_timeout, &e);
    for (int i = 0; i < 1000; i++) {
        deadline_in(&t, GUST_SECONDS(10) + i);
    }
    unsigned long waits = t.clock.waits;
    streams_pass(&t, GUST_SECONDS(11));
    assert_int_equal(e.timeouts, 1);
    assert_true(t.clock.waits - waits < 16);
    streams_close(&t);
}

struct phases {
    int calls;
    struct streams *t;
};

static void next_phase(gust_iostream *s, void *user)
{
    struct phases *p = user;
    p->calls++;
    if (p->calls < 5) {
        gust_time when = gust_ioloop_now(gust_iostream_loop(s)) + GUST_SECONDS(p->calls);
        assert_int_equal(gust_iostream_set_deadline(s, when), 0);
    } else {
        gust_iostream_close(s);
    }
}

static void test_deadline__set_again_in_on_timeout(void **state)
{
    static const gust_iostream_callbacks cb = {.on_timeout = next_phase};
    struct streams t;
    struct phases p = {.t = &t};
    (void)state;
    streams_open(&t, NULL);
    streams_turn(&t, 1);
    assert_int_equal(gust_iostream_set_callbacks(t.a, &cb, &p), 0);
    deadline_in(&t, GUST_SECONDS(1));
    gust_time begin = now_of(&t);
    streams_until(&t, &p.calls, 5);
    assert_in_range((now_of(&t) - begin) / 1000000, 11000, 11050); /* 1 + 1 + 2 + 3 + 4 s */
    streams_close(&t);
}

static void test_deadline__without_memory__stays_as_it_was(void **state)
{
    struct streams t;
    struct ears e = {0};
    gust_timer filler[64];
    (void)state;
    memset(filler, 0, sizeof(filler));
    open_with(&t, NULL, &with_timeout, &e);
    alloc_count_fail_at(1, true);
    int code = 0;
    for (int i = 0; i < 64 && code == 0; i++) { /* use up what the heap has */
        code = gust_ioloop_arm(t.loop, &filler[i], now_of(&t) + GUST_SECONDS(1000), nothing);
    }
    assert_int_equal(code, -ENOMEM);
    assert_int_equal(gust_iostream_set_deadline(t.a, now_of(&t) + 1), -ENOMEM);
    alloc_count_fail_at(0, false);
    streams_pass(&t, GUST_SECONDS(1));
    assert_int_equal(e.timeouts, 0);
    deadline_in(&t, GUST_SECONDS(1));
    streams_pass(&t, GUST_MILLIS(1010));
    assert_int_equal(e.timeouts, 1);
    for (int i = 0; i < 64; i++) {
        gust_ioloop_disarm(t.loop, &filler[i]);
    }
    streams_close(&t);
}

/* ---- Writing that makes no progress ------------------------------------------------------ */

static const gust_iostream_options in_10_s = {.write_timeout = GUST_SECONDS(10)};

static void write_much(struct streams *t, const char *bytes, size_t n, struct heard *h)
{
    assert_int_equal(gust_iostream_write_borrowed(t->a, gust_str_make(bytes, n), heard_write, h),
                     0);
    streams_turn(t, 10);
    assert_true(gust_iostream_is_writing(t->a));
}

static void test_write_timeout__no_progress__closes(void **state)
{
    struct streams t;
    struct ears e = {0};
    struct heard h = {0};
    char *bytes = streams_pattern(15 * MIB);
    (void)state;
    open_with(&t, &in_10_s, &ears_callbacks, &e);
    write_much(&t, bytes, 15 * MIB, &h);
    streams_pass(&t, GUST_MILLIS(9900));
    assert_int_equal(e.closes, 0);
    streams_pass(&t, GUST_MILLIS(200));
    assert_int_equal(e.closes, 1);
    assert_int_equal(e.status, GUST_ETIMEDOUT);
    assert_int_equal(h.status, GUST_ETIMEDOUT);
    free(bytes);
    streams_close(&t);
}

static void test_write_timeout__as_long_as_time__none(void **state)
{
    static const gust_iostream_options at_no_time = {.write_timeout = GUST_NEVER};
    struct streams t;
    struct ears e = {0};
    struct heard h = {0};
    char *bytes = streams_pattern(15 * MIB);
    (void)state;
    open_with(&t, &at_no_time, &ears_callbacks, &e);
    write_much(&t, bytes, 15 * MIB, &h);
    streams_pass(&t, GUST_SECONDS(1000000));
    assert_int_equal(e.closes, 0);
    assert_int_equal(h.calls, 0);
    streams_close(&t);
    free(bytes);
}

static void test_write_timeout__nothing_queued__none(void **state)
{
    struct streams t;
    struct ears e = {0}, f = {0};
    (void)state;
    open_with(&t, &in_10_s, &ears_callbacks, &e);
    assert_int_equal(gust_iostream_set_callbacks(t.b, &ears_callbacks, &f), 0);
    for (int i = 1; i < 4; i++) {
        assert_int_equal(gust_iostream_write(t.a, GUST_STR("x"), NULL, NULL), 0);
        streams_until(&t, &f.reads, i);
        streams_pass(&t, GUST_SECONDS(100));
    }
    assert_int_equal(e.closes, 0);
    streams_close(&t);
}

/* A peer that takes a little now and then keeps it alive: of one large segment too. */
static void test_write_timeout__slow_progress__none(void **state)
{
    struct streams t;
    struct ears e = {0};
    struct heard h = {0}, r = {0};
    char *bytes = streams_pattern(4 * MIB), *into = malloc(300000);
    (void)state;
    if (streams_bottom() == STREAMS_TCP) { /* its window takes real time to open */
        free(bytes);
        free(into);
        return;
    }
    open_with(&t, &in_10_s, &ears_callbacks, &e);
    write_much(&t, bytes, 4 * MIB, &h);
    for (int i = 0; i < 10; i++) {
        streams_pass(&t, GUST_SECONDS(9));
        assert_int_equal(gust_iostream_read_into(t.b, into, 300000, false, heard_read, &r), 0);
        streams_until(&t, &r.calls, r.calls + 1);
        assert_int_equal(r.status, 0);
        assert_int_equal(e.closes, 0);
        assert_true(gust_iostream_is_writing(t.a));
    }
    streams_pass(&t, GUST_SECONDS(11));
    assert_int_equal(e.closes, 1);
    assert_int_equal(e.status, GUST_ETIMEDOUT);
    free(bytes);
    free(into);
    streams_close(&t);
}

/* One timer serves both; each comes in its own time. */
static void test_write_timeout__and_a_deadline(void **state)
{
    static const struct {
        int deadline_s;
        int timeouts_before;
    } rows[] = {{5, 1}, {100, 0}};
    char *bytes = streams_pattern(15 * MIB);
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct streams t;
        struct ears e = {0};
        struct heard h = {0};
        open_with(&t, &in_10_s, &with_timeout, &e);
        deadline_in(&t, GUST_SECONDS(rows[i].deadline_s));
        write_much(&t, bytes, 15 * MIB, &h);
        streams_pass(&t, GUST_MILLIS(9900));
        assert_int_equal(e.timeouts, rows[i].timeouts_before);
        assert_int_equal(e.closes, 0);
        streams_pass(&t, GUST_MILLIS(200));
        assert_int_equal(e.closes, 1);
        assert_int_equal(e.timeouts, rows[i].timeouts_before);
        streams_close(&t);
    }
    free(bytes);
}

/* S11.2: a stream that is to close when all is written, and nobody reads. */
static void test_close_after_flush__nobody_reads__ends_in_time(void **state)
{
    char *bytes = streams_pattern(15 * MIB);
    (void)state;
    for (int by_deadline = 0; by_deadline < 2; by_deadline++) {
        struct streams t;
        struct ears e = {0};
        struct heard h = {0};
        open_with(&t, by_deadline ? NULL : &in_10_s, &ears_callbacks, &e);
        write_much(&t, bytes, 15 * MIB, &h);
        gust_iostream_close_after_flush(t.a);
        if (by_deadline) {
            deadline_in(&t, GUST_SECONDS(10));
        }
        streams_pass(&t, GUST_SECONDS(9));
        assert_int_equal(e.closes, 0);
        streams_pass(&t, GUST_SECONDS(2));
        assert_int_equal(e.closes, 1);
        assert_int_equal(e.status, GUST_ETIMEDOUT);
        streams_close(&t);
    }
    free(bytes);
}

/* No memory for the timer: it ends rather than hang. */
static void test_write_timeout__without_memory__closes(void **state)
{
    struct streams t;
    struct ears e = {0};
    struct heard h = {0};
    gust_timer filler[64];
    char *bytes = streams_pattern(15 * MIB);
    (void)state;
    memset(filler, 0, sizeof(filler));
    open_with(&t, &in_10_s, &ears_callbacks, &e);
    gust_str data = gust_str_make(bytes, 15 * MIB);
    assert_int_equal(gust_iostream_write_borrowed(t.a, data, heard_write, &h), 0);
    alloc_count_fail_at(1, true);
    for (int i = 0; i < 64; i++) {
        (void)gust_ioloop_arm(t.loop, &filler[i], now_of(&t) + GUST_SECONDS(1000), nothing);
    }
    streams_turn(&t, 10);
    alloc_count_fail_at(0, false);
    assert_int_equal(e.closes, 1);
    assert_int_equal(e.status, -ENOMEM);
    assert_int_equal(h.status, -ENOMEM);
    for (int i = 0; i < 64; i++) {
        gust_ioloop_disarm(t.loop, &filler[i]);
    }
    free(bytes);
    streams_close(&t);
}

static int group(void)
{
    const struct CMUnitTest tests[] = {
        STREAMS_CASE(test_deadline__default__closes),
        STREAMS_CASE(test_deadline__pending_operations__are_told),
        STREAMS_CASE(test_deadline__on_timeout__instead_and_once),
        STREAMS_CASE(test_deadline__in_the_past__next_turn),
        STREAMS_CASE(test_deadline__moved_later_and_earlier),
        STREAMS_CASE(test_deadline__never__none),
        STREAMS_CASE(test_deadline__moved_later_1000_times__one_early_wakeup),
        STREAMS_CASE(test_deadline__set_again_in_on_timeout),
        STREAMS_CASE(test_deadline__without_memory__stays_as_it_was),
        STREAMS_CASE(test_write_timeout__no_progress__closes),
        STREAMS_CASE(test_write_timeout__as_long_as_time__none),
        STREAMS_CASE(test_write_timeout__nothing_queued__none),
        STREAMS_CASE(test_write_timeout__slow_progress__none),
        STREAMS_CASE(test_write_timeout__and_a_deadline),
        STREAMS_CASE(test_close_after_flush__nobody_reads__ends_in_time),
        STREAMS_CASE(test_write_timeout__without_memory__closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return streams_over_bottoms(group);
}

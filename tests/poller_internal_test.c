/* The pollers by themselves: the rules that they share, which of them is taken,
 * and random changes against a set that is simply kept. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ioloop/poller_internal.h"
#include "tests/support/loops.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void test_millis__round_up(void **state)
{
    static const struct {
        gust_time timeout;
        int millis;
    } rows[] = {
        {-1, -1},
        {INT64_MIN, -1},
        {0, 0},
        {1, 1},
        {999999, 1},
        {1000000, 1},
        {1000001, 2},
        {GUST_SECONDS(3600), 3600000},
        {(gust_time)INT_MAX * 1000000, INT_MAX},
        {(gust_time)INT_MAX * 1000000 + 1, INT_MAX},
        {GUST_NEVER, INT_MAX},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(gust__poller_millis(rows[i].timeout), rows[i].millis);
    }
}

#define R GUST_READ
#define W GUST_WRITE
#define E GUST_ERROR

/* Every combination: what is delivered for NONE, R, W, R | W. */
static void test_events__the_whole_table(void **state)
{
    static const unsigned masks[4] = {0, R, W, R | W};
    static const struct {
        unsigned ready;
        bool error, hangup;
        unsigned delivered[4];
    } rows[] = {
        {0, false, false, {0, 0, 0, 0}},
        {R, false, false, {0, R, 0, R}},
        {W, false, false, {0, 0, W, W}},
        {R | W, false, false, {0, R, W, R | W}},
        {0, false, true, {E, R, W | E, R | W | E}},
        {R, false, true, {E, R, W | E, R | W | E}},
        {R | W, false, true, {E, R, W | E, R | W | E}},
        {0, true, false, {E, R | E, W | E, R | W | E}},
        {W, true, false, {E, R | E, W | E, R | W | E}},
        {R | W, true, true, {E, R | E, W | E, R | W | E}},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (int mask = 0; mask < 4; mask++) {
            unsigned wanted = masks[mask] | GUST__REGISTERED;
            assert_int_equal(
                gust__poller_events(rows[i].ready, rows[i].error, rows[i].hangup, wanted),
                rows[i].delivered[mask]);
        }
    }
}

/* ---- Which one -------------------------------------------------------- */

static void assert_made(const char *name, const char *expected)
{
    struct gust_poller *poller;
    assert_int_equal(gust__poller_new(name, &poller), 0);
    assert_string_equal(poller->ops->name, expected);
    poller->ops->destroy(poller);
}

static void test_new__by_name_by_environment_by_preference(void **state)
{
    const char *before = getenv("GUST_POLLER");
    char *saved = before != NULL ? strdup(before) : NULL;
    struct gust_poller *poller = (struct gust_poller *)state;
    (void)state;
    unsetenv("GUST_POLLER");
    assert_made(NULL, gust__poller_name(0));
    setenv("GUST_POLLER", "poll", 1);
    assert_made(NULL, "poll");
    setenv("GUST_POLLER", "smoke", 1);
    assert_int_equal(gust__poller_new(NULL, &poller), -EINVAL);
    assert_ptr_equal(poller, state);
    assert_made("poll", "poll"); /* a name goes before the environment */
    setenv("GUST_POLLER", "", 1);
    assert_made(NULL, gust__poller_name(0));
    unsetenv("GUST_POLLER");
    assert_int_equal(gust__poller_new("smoke", &poller), -EINVAL);
    if (saved != NULL) {
        setenv("GUST_POLLER", saved, 1);
        free(saved);
    }
}

static void test_names__end_with_null(void **state)
{
    size_t count = 0;
    (void)state;
    while (gust__poller_name(count) != NULL) {
        assert_made(gust__poller_name(count), gust__poller_name(count));
        count++;
    }
    assert_true(count >= 1);
    assert_string_equal(gust__poller_name(count - 1), "poll");
    assert_null(gust__poller_name(count + 1));
}

/* ---- One poller ------------------------------------------------------- */

static struct gust_poller *start(void)
{
    struct gust_poller *poller = NULL;
    assert_int_equal(gust__poller_new(loops_poller(), &poller), 0);
    return poller;
}

static void test_wait__bounded_by_max_and_by_timeout(void **state)
{
    struct gust_poller *poller = start();
    struct gust_poll_event events[4];
    int fds[2];
    (void)state;
    loops_pair(fds);
    assert_int_equal(poller->ops->wait(poller, 0, events, 4), 0);
    for (int i = 0; i < 2; i++) {
        uint32_t generation = 0xffffeu + (uint32_t)i;
        assert_int_equal(poller->ops->set(poller, fds[i], generation, 0, GUST__REGISTERED | W), 0);
    }
    assert_int_equal(poller->ops->wait(poller, -1, events, 1), 1);
    assert_int_equal(poller->ops->wait(poller, 0, events, 4), 2);
    for (int i = 0; i < 2; i++) {
        bool second = events[i].fd == fds[1];
        assert_int_equal(events[i].generation, second ? 0xfffffu : 0xffffeu);
        assert_int_equal(events[i].events, W);
        assert_int_equal(events[i].error, 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(poller->ops->set(poller, fds[i], 0, GUST__REGISTERED | W, 0), 0);
    }
    gust_time before = gust_sys_real()->now(gust_sys_real());
    assert_int_equal(poller->ops->wait(poller, 100001, events, 4), 0);
    gust_time waited = gust_sys_real()->now(gust_sys_real()) - before;
    assert_true(waited >= 100001); /* rounded up, never down */
    assert_true(poller->ops->fd(poller) >= -1);
    poller->ops->destroy(poller);
    close(fds[0]);
    close(fds[1]);
}

static void test_set__refused__changes_nothing(void **state)
{
    struct gust_poller *poller = start();
    struct gust_poll_event events[4];
    int closed = dup(0);
    (void)state;
    close(closed);
    assert_int_equal(poller->ops->set(poller, closed, 1, 0, GUST__REGISTERED | R), -EBADF);
    assert_int_equal(poller->ops->wait(poller, 0, events, 4), 0);
    poller->ops->destroy(poller);
}

#define PIPES 24

static int pipes[PIPES];
static unsigned wanted_of[PIPES];
static uint32_t generation_of[PIPES];

static uint64_t random_state = 99;

static unsigned next_random(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(random_state >> 33);
}

static void change_one(struct gust_poller *poller, uint32_t round)
{
    static const unsigned masks[] = {0, GUST__REGISTERED, GUST__REGISTERED | R,
                                     GUST__REGISTERED | W, GUST__REGISTERED | R | W};
    unsigned at = next_random() % PIPES;
    unsigned to = masks[next_random() % COUNT(masks)];
    if (to == wanted_of[at]) {
        return;
    }
    if (wanted_of[at] == 0) {
        generation_of[at] = round;
    }
    assert_int_equal(poller->ops->set(poller, pipes[at], generation_of[at], wanted_of[at], to), 0);
    wanted_of[at] = to;
}

static void check_events(const struct gust_poll_event *events, int count)
{
    unsigned seen[PIPES] = {0};
    for (int i = 0; i < count; i++) {
        int at = 0;
        while (at < PIPES && pipes[at] != events[i].fd) {
            at++;
        }
        assert_in_range(at, 0, PIPES - 1);
        assert_int_equal(seen[at], 0); /* one event a descriptor */
        assert_int_equal(events[i].generation, generation_of[at]);
        seen[at] = events[i].events;
    }
    for (int at = 0; at < PIPES; at++) {
        unsigned ready = at % 2 == 0 ? (unsigned)W : 0u; /* ends to write; full ones */
        assert_int_equal(seen[at], wanted_of[at] & ready);
    }
}

static void test_random__5000_changes__against_a_set(void **state)
{
    struct gust_poller *poller = start();
    struct gust_poll_event events[PIPES + 1];
    int others[PIPES];
    (void)state;
    for (int i = 0; i < PIPES; i++) {
        int fds[2];
        char block[4096] = {0};
        loops_pair(fds);
        pipes[i] = fds[0];
        others[i] = fds[1];
        wanted_of[i] = 0;
        while (i % 2 != 0 && write(fds[0], block, sizeof(block)) > 0) {
        }
    }
    for (uint32_t round = 0; round < 5000; round++) {
        change_one(poller, round);
        int count = poller->ops->wait(poller, 0, events, PIPES + 1);
        assert_in_range(count, 0, PIPES);
        check_events(events, count);
    }
    poller->ops->destroy(poller);
    for (int i = 0; i < PIPES; i++) {
        close(pipes[i]);
        close(others[i]);
    }
}

static int group(void)
{
    const struct CMUnitTest tests[] = {
        LOOPS_CASE(test_wait__bounded_by_max_and_by_timeout),
        LOOPS_CASE(test_set__refused__changes_nothing),
        LOOPS_CASE(test_random__5000_changes__against_a_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_millis__round_up),
        cmocka_unit_test(test_events__the_whole_table),
        LOOPS_CASE(test_new__by_name_by_environment_by_preference),
        LOOPS_CASE(test_names__end_with_null),
    };
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    return loops_over_pollers(group) + failures;
}

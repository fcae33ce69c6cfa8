/* Timers on a clock of the test's own: order, handles, what one timer may do to
 * another, and a long random run against a list that is simply searched. Numbers
 * in comments are those of the behaviour reference's list of cases for the loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <gust/alloc.h>
#include <gust/ioloop.h>

#include "tests/support/clock.h"
#include "tests/support/loops.h"

static struct clock test_clock;
static char trace[64];

static gust_ioloop *start(void)
{
    memset(trace, 0, sizeof(trace));
    clock_init(&test_clock, NULL);
    return loops_new(&test_clock.sys);
}

static void note(char letter)
{
    size_t length = strlen(trace);
    assert_true(length + 1 < sizeof(trace));
    trace[length] = letter;
}

#define TEXT(literal) ((void *)(uintptr_t)(literal))

static void on_note(gust_ioloop *loop, void *user)
{
    (void)loop;
    note(*(const char *)user);
}

static gust_timeout call_at(gust_ioloop *loop, gust_time when, const char *letter)
{
    gust_timeout timeout = 0;
    assert_int_equal(gust_ioloop_call_at(loop, when, on_note, TEXT(letter), &timeout), 0);
    assert_true(timeout != 0);
    return timeout;
}

static void step(gust_ioloop *loop)
{
    assert_int_equal(gust_ioloop_run(loop, GUST_RUN_NOWAIT), 0);
}

/* Run until the clock shows `when` and what is due then has run. */
static void run_until(gust_ioloop *loop, gust_time when)
{
    assert_int_equal(gust_ioloop_call_at(loop, when, loops_stop, NULL, NULL), 0);
    assert_int_equal(gust_ioloop_start(loop), 0);
    assert_true(test_clock.now >= when);
}

/* ---- Order ------------------------------------------------------------ */

/* 10 */
static void test_order__by_deadline_then_by_age(void **state)
{
    gust_ioloop *loop = start();
    gust_time now = test_clock.now;
    (void)state;
    call_at(loop, now + 30, "d");
    call_at(loop, now + 10, "a");
    call_at(loop, now + 20, "b");
    call_at(loop, now + 20, "c");
    call_at(loop, now - 5, "0");
    run_until(loop, now + 100);
    assert_string_equal(trace, "0abcd");
    gust_ioloop_free(loop);
}

static void on_check_time(gust_ioloop *loop, void *user)
{
    gust_time *when = user;
    assert_true(gust_ioloop_now(loop) >= *when);
    *when = -1;
}

static void test_call_later__counts_from_the_clock_not_from_the_iteration(void **state)
{
    gust_ioloop *loop = start();
    (void)state;
    clock_advance(&test_clock, GUST_SECONDS(7)); /* a long callback, say */
    gust_time when = test_clock.now + GUST_SECONDS(2);
    gust_time never = GUST_NEVER;
    assert_int_equal(gust_ioloop_call_later(loop, GUST_SECONDS(2), on_check_time, &when, NULL), 0);
    assert_int_equal(gust_ioloop_call_later(loop, GUST_NEVER, on_check_time, &never, NULL), 0);
    call_at(loop, INT64_MIN, "m");
    assert_int_equal(gust_ioloop_call_later(loop, -GUST_SECONDS(9), on_note, TEXT("n"), NULL), 0);
    run_until(loop, when);
    assert_int_equal(when, -1);
    assert_int_equal(never, GUST_NEVER);
    assert_string_equal(trace, "mn");
    assert_int_equal(test_clock.now, GUST_SECONDS(1009));
    gust_ioloop_free(loop);
}

/* A day passes at once. */
static void on_hour(gust_ioloop *loop, void *user)
{
    int *hours = user;
    if (++*hours < 24) {
        assert_int_equal(gust_ioloop_call_later(loop, GUST_SECONDS(3600), on_hour, user, NULL), 0);
    } else {
        gust_ioloop_stop(loop);
    }
}

static void test_clock__a_day_of_timeouts__passes_at_once(void **state)
{
    gust_ioloop *loop = start();
    int hours = 0;
    (void)state;
    gust_time before = test_clock.now;
    assert_int_equal(gust_ioloop_call_later(loop, GUST_SECONDS(3600), on_hour, &hours, NULL), 0);
    assert_int_equal(gust_ioloop_start(loop), 0);
    assert_int_equal(hours, 24);
    assert_int_equal(test_clock.now - before, GUST_SECONDS(86400));
    assert_in_range(test_clock.waits, 24, 26);
    gust_ioloop_free(loop);
}

/* ---- Within a batch --------------------------------------------------- */

static gust_timeout victim;

static void on_cancel_victim(gust_ioloop *loop, void *user)
{
    on_note(loop, user);
    gust_ioloop_remove_timeout(loop, victim);
}

/* 9 */
static void test_due_together__the_first_cancels_the_second(void **state)
{
    gust_ioloop *loop = start();
    gust_time now = test_clock.now;
    (void)state;
    assert_int_equal(gust_ioloop_call_at(loop, now + 10, on_cancel_victim, TEXT("1"), NULL), 0);
    victim = call_at(loop, now + 20, "2");
    call_at(loop, now + 25, "3");
    clock_advance(&test_clock, 30);
    step(loop);
    assert_string_equal(trace, "13");
    gust_ioloop_free(loop);
}

static void test_due__a_callback_of_the_iteration_cancels_it(void **state)
{
    gust_ioloop *loop = start();
    (void)state;
    victim = call_at(loop, test_clock.now, "t");
    assert_int_equal(gust_ioloop_add_callback(loop, on_cancel_victim, TEXT("c")), 0);
    step(loop);
    step(loop);
    assert_string_equal(trace, "c");
    gust_ioloop_free(loop);
}

static void on_call_now(gust_ioloop *loop, void *user)
{
    on_note(loop, user);
    assert_int_equal(gust_ioloop_call_at(loop, 0, on_call_now, user, NULL), 0);
}

static void test_due__arms_another_for_the_past__next_iteration(void **state)
{
    gust_ioloop *loop = start();
    (void)state;
    assert_int_equal(gust_ioloop_call_at(loop, 0, on_call_now, TEXT("t"), NULL), 0);
    step(loop);
    assert_string_equal(trace, "t");
    step(loop);
    assert_string_equal(trace, "tt");
    gust_ioloop_free(loop);
}

static void on_call_in_the_past(gust_ioloop *loop, void *user)
{
    on_note(loop, user);
    call_at(loop, 0, "t");
}

/* The due ones are gathered before anything runs. */
static void test_due__a_callback_arms_one_for_the_past__next_iteration(void **state)
{
    gust_ioloop *loop = start();
    (void)state;
    call_at(loop, 0, "d");
    assert_int_equal(gust_ioloop_add_callback(loop, on_call_in_the_past, TEXT("c")), 0);
    step(loop);
    assert_string_equal(trace, "cd");
    step(loop);
    assert_string_equal(trace, "cdt");
    gust_ioloop_free(loop);
}

/* ---- Handles ---------------------------------------------------------- */

/* 7 */
static void test_remove__after_it_has_fired_and_twice__is_harmless(void **state)
{
    gust_ioloop *loop = start();
    (void)state;
    gust_timeout fired = call_at(loop, test_clock.now, "f");
    step(loop);
    gust_ioloop_remove_timeout(loop, fired);
    gust_ioloop_remove_timeout(loop, fired);
    gust_ioloop_remove_timeout(loop, 0);
    gust_ioloop_remove_timeout(loop, UINT64_MAX);
    gust_ioloop_remove_timeout(loop, 5);
    /* its place is taken by a new one, which the old handle does not reach */
    gust_timeout fresh = call_at(loop, test_clock.now, "n");
    assert_true(fresh != fired);
    gust_ioloop_remove_timeout(loop, fired);
    static const char *const letters[] = {"a", "b", "c", "d", "e", "g", "h", "i"};
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        call_at(loop, test_clock.now, letters[i]); /* each has a place of its own */
    }
    step(loop);
    assert_string_equal(trace, "fnabcdeghi");
    gust_ioloop_free(loop);
}

static gust_timeout own;

static void on_remove_own(gust_ioloop *loop, void *user)
{
    on_note(loop, user);
    gust_ioloop_remove_timeout(loop, own);
}

static void test_remove__from_its_own_callback__is_harmless(void **state)
{
    gust_ioloop *loop = start();
    (void)state;
    assert_int_equal(gust_ioloop_call_at(loop, 0, on_remove_own, TEXT("o"), &own), 0);
    step(loop);
    call_at(loop, 0, "p");
    step(loop);
    assert_string_equal(trace, "op");
    gust_ioloop_free(loop);
}

static size_t bytes_allocated;

static void *summing_malloc(size_t size, void *user)
{
    (void)user;
    bytes_allocated += size;
    return malloc(size);
}

static void *summing_realloc(void *ptr, size_t size, void *user)
{
    (void)user;
    bytes_allocated += size;
    return realloc(ptr, size);
}

static void plain_free(void *ptr, void *user)
{
    (void)user;
    free(ptr);
}

/* 8, and more: cancelled timers leave nothing behind. */
static void test_remove__2000_at_once__the_memory_is_used_again(void **state)
{
    static const gust_allocator summing = {summing_malloc, summing_realloc, plain_free, NULL};
    gust_ioloop *loop = start();
    int ran = 0;
    (void)state;
    for (int i = 0; i < 2000; i++) {
        gust_timeout timeout;
        gust_time delay = GUST_SECONDS(3600);
        assert_int_equal(gust_ioloop_call_later(loop, delay, loops_count, &ran, &timeout), 0);
        gust_ioloop_remove_timeout(loop, timeout);
    }
    gust_set_allocator(&summing);
    bytes_allocated = 0;
    for (int i = 0; i < 2000; i++) {
        gust_timeout timeout;
        assert_int_equal(gust_ioloop_call_later(loop, 1, loops_count, &ran, &timeout), 0);
        gust_ioloop_remove_timeout(loop, timeout);
    }
    gust_set_allocator(NULL);
    assert_int_equal(bytes_allocated, 0);
    run_until(loop, test_clock.now + GUST_SECONDS(7200));
    assert_int_equal(ran, 0);
    gust_ioloop_free(loop);
}

/* ---- Embedded timers -------------------------------------------------- */

struct lettered {
    gust_timer timer;
    char letter;
};

static void on_letter(gust_ioloop *loop, gust_timer *timer)
{
    (void)loop;
    note(((struct lettered *)(void *)timer)->letter);
}

static void test_arm__again__moves_it(void **state)
{
    gust_ioloop *loop = start();
    gust_time now = test_clock.now;
    struct lettered a = {.letter = 'a'};
    struct lettered b = {.letter = 'b'};
    (void)state;
    assert_false(gust_timer_is_armed(&a.timer));
    assert_int_equal(gust_ioloop_armed_for(loop, &a.timer), GUST_NEVER);
    assert_int_equal(gust_ioloop_arm(loop, &a.timer, now + 10, NULL), -EINVAL);
    assert_int_equal(gust_ioloop_arm(loop, &a.timer, now + 10, on_letter), 0);
    assert_int_equal(gust_ioloop_arm(loop, &b.timer, now + 20, on_letter), 0);
    assert_int_equal(gust_ioloop_arm(loop, &a.timer, now + 30, on_letter), 0);
    assert_true(gust_timer_is_armed(&a.timer));
    assert_int_equal(gust_ioloop_armed_for(loop, &a.timer), now + 30);
    run_until(loop, now + 40);
    assert_string_equal(trace, "ba");
    assert_false(gust_timer_is_armed(&a.timer));
    gust_ioloop_disarm(loop, &a.timer);
    gust_ioloop_free(loop);
}

static struct lettered other_timer = {.letter = 'o'};
static gust_time move_to;

static void on_move_other(gust_ioloop *loop, gust_timer *timer)
{
    on_letter(loop, timer);
    assert_true(gust_timer_is_armed(&other_timer.timer));
    assert_int_equal(gust_ioloop_armed_for(loop, &other_timer.timer), GUST_SECONDS(1000) + 1);
    assert_int_equal(gust_ioloop_arm(loop, &other_timer.timer, move_to, on_letter), 0);
}

static void test_due_together__the_first_moves_the_second(void **state)
{
    gust_ioloop *loop = start();
    struct lettered first = {.letter = 'f'};
    (void)state;
    move_to = test_clock.now + 100;
    assert_int_equal(gust_ioloop_arm(loop, &first.timer, test_clock.now, on_move_other), 0);
    assert_int_equal(gust_ioloop_arm(loop, &other_timer.timer, test_clock.now + 1, on_letter), 0);
    clock_advance(&test_clock, 50);
    step(loop);
    assert_string_equal(trace, "f");
    assert_int_equal(gust_ioloop_armed_for(loop, &other_timer.timer), move_to);
    run_until(loop, move_to);
    assert_string_equal(trace, "fo");
    gust_ioloop_free(loop);
}

static void on_free_self(gust_ioloop *loop, gust_timer *timer)
{
    on_letter(loop, timer);
    free(timer);
}

static void test_timer__freed_by_its_own_callback(void **state)
{
    gust_ioloop *loop = start();
    struct lettered *timer = calloc(1, sizeof(*timer));
    (void)state;
    assert_non_null(timer);
    timer->letter = 's';
    assert_int_equal(gust_ioloop_arm(loop, &timer->timer, 0, on_free_self), 0);
    step(loop);
    step(loop);
    assert_string_equal(trace, "s");
    gust_ioloop_free(loop);
}

/* The timers of a closed loop are not armed, and harmless to disarm. */
static void test_close__disarms(void **state)
{
    gust_ioloop *loop = start();
    struct lettered timer = {.letter = 'x'};
    (void)state;
    assert_int_equal(gust_ioloop_arm(loop, &timer.timer, test_clock.now + 1, on_letter), 0);
    call_at(loop, test_clock.now, "y");
    assert_int_equal(gust_ioloop_close(loop, false), 0);
    assert_false(gust_timer_is_armed(&timer.timer));
    gust_ioloop_disarm(loop, &timer.timer);
    assert_int_equal(gust_ioloop_arm(loop, &timer.timer, 0, on_letter), GUST_ECLOSED);
    gust_ioloop_free(loop);
    assert_string_equal(trace, "");
}

/* ---- Memory ----------------------------------------------------------- */

static void *no_malloc(size_t size, void *user)
{
    (void)size;
    (void)user;
    return NULL;
}

static void *no_realloc(void *ptr, size_t size, void *user)
{
    (void)ptr;
    (void)size;
    (void)user;
    return NULL;
}

static const gust_allocator barren = {no_malloc, no_realloc, plain_free, NULL};

static void on_arm_self(gust_ioloop *loop, gust_timer *timer)
{
    on_letter(loop, timer);
    assert_int_equal(gust_ioloop_arm(loop, timer, gust_ioloop_now(loop) + 10, on_arm_self), 0);
}

/* As many as the heap has room for are due at once, and each arms itself again. */
static void test_arm__in_its_own_callback__never_needs_memory(void **state)
{
    gust_ioloop *loop = start();
    struct lettered timers[40];
    int armed = 0;
    (void)state;
    memset(timers, 0, sizeof(timers));
    for (int i = 0; i < 40; i++) {
        timers[i].letter = 'r';
        if (i == 1) {
            gust_set_allocator(&barren); /* the heap stays as the first one made it */
        }
        if (gust_ioloop_arm(loop, &timers[i].timer, 0, on_arm_self) != 0) {
            break;
        }
        armed++;
    }
    assert_in_range(armed, 2, 39);
    assert_int_equal(gust_ioloop_arm(loop, &timers[armed].timer, 0, on_letter), -ENOMEM);
    assert_false(gust_timer_is_armed(&timers[armed].timer));
    step(loop);
    assert_int_equal(strlen(trace), armed);
    clock_advance(&test_clock, 10);
    step(loop);
    assert_int_equal(strlen(trace), 2 * armed);
    gust_set_allocator(NULL);
    gust_ioloop_free(loop);
}

static gust_timer crowd[500];

static void on_crowd(gust_ioloop *loop, gust_timer *timer)
{
    (void)loop;
    (void)timer;
}

static void on_arm_crowd(gust_ioloop *loop, gust_timer *timer)
{
    gust_time when = gust_ioloop_now(loop) + GUST_SECONDS(1);
    on_letter(loop, timer);
    for (size_t i = 0; i < sizeof(crowd) / sizeof(crowd[0]); i++) {
        assert_int_equal(gust_ioloop_arm(loop, &crowd[i], when, on_crowd), 0);
    }
}

/* The heap moves while others of the batch are still to come. */
static void test_due__the_first_lets_the_heap_grow__the_rest_keeps_its_order(void **state)
{
    gust_ioloop *loop = start();
    struct lettered timers[26];
    (void)state;
    memset(timers, 0, sizeof(timers));
    memset(crowd, 0, sizeof(crowd));
    for (int i = 0; i < 26; i++) {
        timers[i].letter = (char)('a' + i);
        assert_int_equal(
            gust_ioloop_arm(loop, &timers[i].timer, i, i == 0 ? on_arm_crowd : on_letter), 0);
    }
    step(loop);
    assert_string_equal(trace, "abcdefghijklmnopqrstuvwxyz");
    gust_ioloop_free(loop);
}

/* ---- A long random run ------------------------------------------------ */

#define RANDOM_TIMERS 200

struct modelled {
    gust_timer timer;
    bool armed;
    gust_time when;
    unsigned age;
};

static struct modelled modelled[RANDOM_TIMERS];
static unsigned age;
static unsigned fired;
static uint64_t random_state;

static uint64_t next_random(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return random_state >> 33;
}

static bool is_earlier(const struct modelled *a, const struct modelled *b)
{
    return a->when != b->when ? a->when < b->when : a->age < b->age;
}

static void random_change(gust_ioloop *loop);

/* It must be due, and no other that was armed before this batch and still is may
 * come before it. */
static unsigned batch_age;

static void on_modelled(gust_ioloop *loop, gust_timer *timer)
{
    struct modelled *self = (struct modelled *)(void *)timer;
    assert_true(self->armed);
    assert_true(self->when <= gust_ioloop_now(loop));
    for (int i = 0; i < RANDOM_TIMERS; i++) {
        const struct modelled *rival = &modelled[i];
        if (rival != self && rival->armed && rival->age < batch_age) {
            assert_false(is_earlier(rival, self));
        }
    }
    self->armed = false;
    fired++;
    if (next_random() % 4 == 0) {
        random_change(loop);
    }
}

static void random_change(gust_ioloop *loop)
{
    struct modelled *chosen = &modelled[next_random() % RANDOM_TIMERS];
    if (next_random() % 3 == 0) {
        gust_ioloop_disarm(loop, &chosen->timer);
        chosen->armed = false;
    } else {
        gust_time when = gust_ioloop_now(loop) + (gust_time)(next_random() % 64) - 8;
        assert_int_equal(gust_ioloop_arm(loop, &chosen->timer, when, on_modelled), 0);
        chosen->armed = true;
        chosen->when = when;
        chosen->age = age++;
    }
    assert_int_equal(gust_timer_is_armed(&chosen->timer), chosen->armed);
    assert_int_equal(gust_ioloop_armed_for(loop, &chosen->timer),
                     chosen->armed ? chosen->when : GUST_NEVER);
}

static void test_random__40000_changes__against_a_list(void **state)
{
    gust_ioloop *loop = start();
    (void)state;
    memset(modelled, 0, sizeof(modelled));
    random_state = 42;
    age = 0;
    fired = 0;
    for (int round = 0; round < 4000; round++) {
        for (int i = 0; i < 10; i++) {
            random_change(loop);
        }
        clock_advance(&test_clock, (gust_time)(next_random() % 8));
        batch_age = age;
        step(loop);
    }
    assert_true(fired > 5000);
    for (int i = 0; i < RANDOM_TIMERS; i++) {
        /* what is still armed was not due when the last batch began */
        assert_true(!modelled[i].armed || modelled[i].when > gust_ioloop_now(loop) ||
                    modelled[i].age >= batch_age);
    }
    gust_ioloop_free(loop);
}

static int group(void)
{
    const struct CMUnitTest tests[] = {
        LOOPS_CASE(test_order__by_deadline_then_by_age),
        LOOPS_CASE(test_call_later__counts_from_the_clock_not_from_the_iteration),
        LOOPS_CASE(test_clock__a_day_of_timeouts__passes_at_once),
        LOOPS_CASE(test_due_together__the_first_cancels_the_second),
        LOOPS_CASE(test_due__a_callback_of_the_iteration_cancels_it),
        LOOPS_CASE(test_due__arms_another_for_the_past__next_iteration),
        LOOPS_CASE(test_due__a_callback_arms_one_for_the_past__next_iteration),
        LOOPS_CASE(test_remove__after_it_has_fired_and_twice__is_harmless),
        LOOPS_CASE(test_remove__from_its_own_callback__is_harmless),
        LOOPS_CASE(test_remove__2000_at_once__the_memory_is_used_again),
        LOOPS_CASE(test_arm__again__moves_it),
        LOOPS_CASE(test_due_together__the_first_moves_the_second),
        LOOPS_CASE(test_timer__freed_by_its_own_callback),
        LOOPS_CASE(test_close__disarms),
        LOOPS_CASE(test_arm__in_its_own_callback__never_needs_memory),
        LOOPS_CASE(test_due__the_first_lets_the_heap_grow__the_rest_keeps_its_order),
        LOOPS_CASE(test_random__40000_changes__against_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return loops_over_pollers(group);
}

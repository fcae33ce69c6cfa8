/* Signals as calls on a loop. Numbers in comments are those of the behaviour
 * reference's list of cases for the loop. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <gust/ioloop.h>

#include "tests/support/loops.h"

struct heard {
    int calls;
    int last;
    int stop_after;
};

static void on_signal(gust_ioloop *loop, int signo, void *user)
{
    struct heard *heard = user;
    heard->last = signo;
    if (++heard->calls == heard->stop_after) {
        gust_ioloop_stop(loop);
    }
}

static void step(gust_ioloop *loop)
{
    assert_int_equal(gust_ioloop_run(loop, GUST_RUN_NOWAIT), 0);
}

static void test_signal__several_before_the_loop_comes__are_one(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    struct heard heard = {0};
    (void)state;
    assert_int_equal(gust_ioloop_add_signal(loop, SIGUSR1, on_signal, &heard), 0);
    for (int i = 0; i < 5; i++) {
        raise(SIGUSR1);
    }
    assert_int_equal(heard.calls, 0); /* not inside the handler */
    step(loop);
    assert_int_equal(heard.calls, 1);
    assert_int_equal(heard.last, SIGUSR1);
    step(loop);
    assert_int_equal(heard.calls, 1);
    raise(SIGUSR1);
    step(loop);
    assert_int_equal(heard.calls, 2);
    gust_ioloop_free(loop);
}

/* Raises in the last moment before the loop would sleep. */
static int raising_wait(const gust_sys *sys, struct gust_poller *poller, gust_time timeout,
                        struct gust_poll_event *events, int max)
{
    const gust_sys *real = gust_sys_real();
    (void)sys;
    if (timeout < 0) {
        raise(SIGUSR1);
        timeout = GUST_SECONDS(10);
    }
    int count = real->wait(real, poller, timeout, events, max);
    assert_int_not_equal(count, 0); /* it has slept through */
    return count;
}

/* 26 */
static void test_signal__just_before_the_wait__is_not_lost__1000_times(void **state)
{
    gust_sys sys = *gust_sys_real();
    sys.wait = raising_wait;
    gust_ioloop *loop = loops_new(&sys);
    struct heard heard = {.stop_after = 1000};
    (void)state;
    assert_int_equal(gust_ioloop_add_signal(loop, SIGUSR1, on_signal, &heard), 0);
    assert_int_equal(gust_ioloop_start(loop), 0);
    assert_int_equal(heard.calls, 1000);
    gust_ioloop_free(loop);
}

static volatile sig_atomic_t earlier_calls;

static void earlier(int signo)
{
    (void)signo;
    earlier_calls++;
}

static void test_signal__removed__earlier_disposition_is_back(void **state)
{
    struct sigaction action;
    struct sigaction before;
    struct heard heard = {0};
    gust_ioloop *loop = loops_new(NULL);
    (void)state;
    memset(&action, 0, sizeof(action));
    action.sa_handler = earlier;
    sigemptyset(&action.sa_mask);
    assert_int_equal(sigaction(SIGUSR2, &action, &before), 0);
    earlier_calls = 0;
    for (int round = 1; round <= 3; round++) {
        assert_int_equal(gust_ioloop_add_signal(loop, SIGUSR2, on_signal, &heard), 0);
        raise(SIGUSR2);
        step(loop);
        raise(SIGUSR2); /* pending when it is given up: forgotten */
        gust_ioloop_remove_signal(loop, SIGUSR2);
        gust_ioloop_remove_signal(loop, SIGUSR2);
        step(loop);
        assert_int_equal(heard.calls, round);
        raise(SIGUSR2);
        assert_int_equal(earlier_calls, round);
    }
    assert_int_equal(gust_ioloop_add_signal(loop, SIGUSR2, on_signal, &heard), 0);
    gust_ioloop_free(loop); /* gives it up as well */
    raise(SIGUSR2);
    assert_int_equal(earlier_calls, 4);
    assert_int_equal(sigaction(SIGUSR2, &before, NULL), 0);
}

static void test_signal__taken_again__what_was_pending_is_forgotten(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    struct heard heard = {0};
    (void)state;
    assert_int_equal(gust_ioloop_add_signal(loop, SIGUSR1, on_signal, &heard), 0);
    raise(SIGUSR1);
    gust_ioloop_remove_signal(loop, SIGUSR1);
    assert_int_equal(gust_ioloop_add_signal(loop, SIGUSR1, on_signal, &heard), 0);
    step(loop);
    assert_int_equal(heard.calls, 0);
    gust_ioloop_free(loop);
}

static void test_signal__one_owner_in_the_process(void **state)
{
    gust_ioloop *a = loops_new(NULL);
    gust_ioloop *b = loops_new(NULL);
    struct heard heard = {0};
    (void)state;
    assert_int_equal(gust_ioloop_add_signal(a, SIGUSR1, on_signal, &heard), 0);
    assert_int_equal(gust_ioloop_add_signal(a, SIGUSR1, on_signal, &heard), -EEXIST);
    assert_int_equal(gust_ioloop_add_signal(b, SIGUSR1, on_signal, &heard), -EEXIST);
    gust_ioloop_remove_signal(b, SIGUSR1); /* not its own: ignored */
    raise(SIGUSR1);
    step(b);
    assert_int_equal(heard.calls, 0);
    step(a);
    assert_int_equal(heard.calls, 1);
    gust_ioloop_free(a);
    assert_int_equal(gust_ioloop_add_signal(b, SIGUSR1, on_signal, &heard), 0);
    gust_ioloop_free(b);
}

static void test_signal__what_cannot_be_had__is_refused(void **state)
{
    static const int refused[] = {0,       -1,      65,     1000,   SIGKILL,
                                  SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    gust_ioloop *loop = loops_new(NULL);
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_int_equal(gust_ioloop_add_signal(loop, refused[i], on_signal, NULL), -EINVAL);
        gust_ioloop_remove_signal(loop, refused[i]);
    }
    assert_int_equal(gust_ioloop_add_signal(loop, SIGUSR1, NULL, NULL), -EINVAL);
    gust_ioloop_close(loop, false);
    assert_int_equal(gust_ioloop_add_signal(loop, SIGUSR1, on_signal, NULL), GUST_ECLOSED);
    gust_ioloop_free(loop);
}

static void on_remove_other(gust_ioloop *loop, int signo, void *user)
{
    struct heard *heard = user;
    heard->calls++;
    gust_ioloop_remove_signal(loop, signo == SIGUSR1 ? SIGUSR2 : SIGUSR1);
}

static void test_signal__removed_by_another_of_the_same_round(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    struct heard heard = {0};
    (void)state;
    assert_int_equal(gust_ioloop_add_signal(loop, SIGUSR1, on_remove_other, &heard), 0);
    assert_int_equal(gust_ioloop_add_signal(loop, SIGUSR2, on_remove_other, &heard), 0);
    raise(SIGUSR1);
    raise(SIGUSR2);
    step(loop);
    assert_int_equal(heard.calls, 1);
    gust_ioloop_free(loop);
}

/* A user's own handler, posting what is safe to post. */
static gust_ioloop *posting_to;
static int posted;

static void posting_handler(int signo)
{
    (void)signo;
    (void)gust_ioloop_add_callback_from_signal(posting_to, loops_count, &posted);
}

static int posting_wait(const gust_sys *sys, struct gust_poller *poller, gust_time timeout,
                        struct gust_poll_event *events, int max)
{
    if (posted == 1000) {
        gust_ioloop_stop(posting_to);
        timeout = 0;
    }
    if (timeout != 0) {
        raise(SIGUSR1);
    }
    (void)sys;
    return gust_sys_real()->wait(gust_sys_real(), poller, timeout, events, max);
}

static void test_add_callback_from_signal__just_before_the_wait__is_not_lost(void **state)
{
    struct sigaction action;
    struct sigaction before;
    gust_sys sys = *gust_sys_real();
    (void)state;
    sys.wait = posting_wait;
    posting_to = loops_new(&sys);
    posted = 0;
    memset(&action, 0, sizeof(action));
    action.sa_handler = posting_handler;
    sigemptyset(&action.sa_mask);
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    assert_int_equal(gust_ioloop_start(posting_to), 0);
    assert_int_equal(posted, 1000);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    gust_ioloop_free(posting_to);
}

static int group(void)
{
    const struct CMUnitTest tests[] = {
        LOOPS_CASE(test_signal__several_before_the_loop_comes__are_one),
        LOOPS_CASE(test_signal__just_before_the_wait__is_not_lost__1000_times),
        LOOPS_CASE(test_signal__removed__earlier_disposition_is_back),
        LOOPS_CASE(test_signal__taken_again__what_was_pending_is_forgotten),
        LOOPS_CASE(test_signal__one_owner_in_the_process),
        LOOPS_CASE(test_signal__what_cannot_be_had__is_refused),
        LOOPS_CASE(test_signal__removed_by_another_of_the_same_round),
        LOOPS_CASE(test_add_callback_from_signal__just_before_the_wait__is_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return loops_over_pollers(group);
}

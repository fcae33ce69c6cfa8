/* The loop between threads: posting, waking, stopping, and what other threads
 * may not do. Meant to be run under ThreadSanitizer as well. Numbers in comments
 * are those of the behaviour reference's list of cases for the loop. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <gust/ioloop.h>

#include "tests/support/clock.h"
#include "tests/support/loops.h"

static pthread_t spawn(void *(*fn)(void *), void *user)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, fn, user), 0);
    return thread;
}

/* Ends a test that would otherwise hang. */
static void on_too_late(gust_ioloop *loop, void *user)
{
    *(bool *)user = true;
    gust_ioloop_stop(loop);
}

static void start_guarded(gust_ioloop *loop)
{
    bool too_late = false;
    gust_timeout guard;
    assert_int_equal(gust_ioloop_call_later(loop, GUST_SECONDS(20), on_too_late, &too_late, &guard),
                     0);
    assert_int_equal(gust_ioloop_start(loop), 0);
    gust_ioloop_remove_timeout(loop, guard);
    assert_false(too_late);
}

/* ---- Waking ----------------------------------------------------------- */

/* A loop whose wait tells that it has begun, so that a thread finds it asleep. */
static atomic_int asleep;

static int telling_wait(const gust_sys *sys, struct gust_poller *poller, gust_time timeout,
                        struct gust_poll_event *events, int max)
{
    (void)sys;
    if (timeout != 0) {
        atomic_store(&asleep, 1);
    }
    int count = gust_sys_real()->wait(gust_sys_real(), poller, timeout, events, max);
    atomic_store(&asleep, 0);
    return count;
}

static gust_ioloop *start_telling(gust_sys *sys)
{
    *sys = *gust_sys_real();
    sys->wait = telling_wait;
    atomic_store(&asleep, 0);
    return loops_new(sys);
}

static void *post_stop_when_asleep(void *user)
{
    while (!atomic_load(&asleep)) {
        sched_yield();
    }
    (void)gust_ioloop_add_callback(user, loops_stop, NULL);
    return NULL;
}

/* 2 */
static void test_add_callback__from_a_thread__wakes_a_sleeping_loop(void **state)
{
    gust_sys sys;
    gust_ioloop *loop = start_telling(&sys);
    (void)state;
    for (int i = 0; i < 50; i++) {
        pthread_t thread = spawn(post_stop_when_asleep, loop);
        start_guarded(loop);
        pthread_join(thread, NULL);
    }
    gust_ioloop_free(loop);
}

static void *stop_when_asleep(void *user)
{
    while (!atomic_load(&asleep)) {
        sched_yield();
    }
    gust_ioloop_stop(user);
    return NULL;
}

static void test_stop__from_a_thread__wakes_a_sleeping_loop(void **state)
{
    gust_sys sys;
    gust_ioloop *loop = start_telling(&sys);
    (void)state;
    for (int i = 0; i < 50; i++) {
        pthread_t thread = spawn(stop_when_asleep, loop);
        start_guarded(loop);
        pthread_join(thread, NULL);
    }
    gust_ioloop_free(loop);
}

static void *kill_when_asleep(void *user)
{
    (void)user;
    while (!atomic_load(&asleep)) {
        sched_yield();
    }
    kill(getpid(), SIGUSR1);
    return NULL;
}

static void on_signal_stop(gust_ioloop *loop, int signo, void *user)
{
    (void)signo;
    ++*(int *)user;
    gust_ioloop_stop(loop);
}

/* The signal is taken by whichever thread: here by one that has it alone. */
static void test_signal__on_another_thread__wakes_a_sleeping_loop(void **state)
{
    gust_sys sys;
    gust_ioloop *loop = start_telling(&sys);
    sigset_t blocked;
    sigset_t before;
    int heard = 0;
    (void)state;
    assert_int_equal(gust_ioloop_add_signal(loop, SIGUSR1, on_signal_stop, &heard), 0);
    for (int i = 0; i < 20; i++) {
        pthread_t thread = spawn(kill_when_asleep, NULL);
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGUSR1);
        pthread_sigmask(SIG_BLOCK, &blocked, &before);
        start_guarded(loop);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_join(thread, NULL);
    }
    assert_int_equal(heard, 20);
    gust_ioloop_free(loop);
}

/* The last moment: between the callbacks and the wait the loop looks at its clock
 * once more, since it has a timer. What is left to do then must not be slept
 * over, though nobody saw the loop asleep. */
static struct clock late_clock;
static gust_ioloop *late_loop;
static void (*late_act)(void);
static int late_looks;

static gust_time late_now(const gust_sys *sys)
{
    (void)sys;
    if (++late_looks == 2) { /* the first look is that of run() */
        late_act();
    }
    return late_clock.now;
}

static void *post_stop(void *user)
{
    (void)gust_ioloop_add_callback(user, loops_stop, NULL);
    return NULL;
}

static void *just_stop(void *user)
{
    gust_ioloop_stop(user);
    return NULL;
}

static void late_post(void)
{
    pthread_join(spawn(post_stop, late_loop), NULL);
}

static void late_stop(void)
{
    pthread_join(spawn(just_stop, late_loop), NULL);
}

static void late_signal_slot(void)
{
    assert_int_equal(gust_ioloop_add_callback_from_signal(late_loop, loops_stop, NULL), 0);
}

static void late_raise(void)
{
    raise(SIGUSR1);
}

static void test_last_moment_before_the_wait__nothing_is_slept_over(void **state)
{
    static void (*const acts[])(void) = {late_post, late_stop, late_signal_slot, late_raise};
    (void)state;
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        int heard = 0;
        clock_init(&late_clock, NULL);
        gust_time before = late_clock.now;
        late_clock.sys.now = late_now;
        late_loop = loops_new(&late_clock.sys);
        assert_int_equal(gust_ioloop_add_signal(late_loop, SIGUSR1, on_signal_stop, &heard), 0);
        gust_time hour = before + GUST_SECONDS(3600);
        assert_int_equal(gust_ioloop_call_at(late_loop, hour, loops_stop, NULL, NULL), 0);
        late_act = acts[i];
        late_looks = 0;
        assert_int_equal(gust_ioloop_start(late_loop), 0);
        assert_int_equal(late_clock.now, before);
        gust_ioloop_free(late_loop);
    }
}

/* ---- Order ------------------------------------------------------------ */

#define PRODUCERS 4
#define EACH 3000

struct producer {
    gust_ioloop *loop;
    int number;
    int next; /* what the loop expects of it */
};

static struct producer producers[PRODUCERS];
static int arrived;

static void on_arrival(gust_ioloop *loop, void *user)
{
    uintptr_t packed = (uintptr_t)user;
    struct producer *producer = &producers[packed % PRODUCERS];
    assert_int_equal(packed / PRODUCERS, producer->next);
    producer->next++;
    if (++arrived == PRODUCERS * EACH) {
        gust_ioloop_stop(loop);
    }
}

static void *produce(void *user)
{
    struct producer *producer = user;
    for (int i = 0; i < EACH; i++) {
        uintptr_t packed = (uintptr_t)(i * PRODUCERS + producer->number);
        if (gust_ioloop_add_callback(producer->loop, on_arrival, (void *)packed) != 0) {
            break;
        }
        if (i % 100 == 0) {
            sched_yield();
        }
    }
    return NULL;
}

static void test_add_callback__four_threads__each_keeps_its_order(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    pthread_t threads[PRODUCERS];
    (void)state;
    arrived = 0;
    for (int i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){loop, i, 0};
        threads[i] = spawn(produce, &producers[i]);
    }
    start_guarded(loop);
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(arrived, PRODUCERS * EACH);
    gust_ioloop_free(loop);
}

/* What a thread posts while the loop rests comes before what it posts when it
 * runs the loop itself. */
static int counted;

static void on_in_order(gust_ioloop *loop, void *user)
{
    (void)loop;
    assert_int_equal((int)(intptr_t)user, counted);
    counted++;
}

static void post_number(gust_ioloop *loop, int number)
{
    assert_int_equal(gust_ioloop_add_callback(loop, on_in_order, (void *)(intptr_t)number), 0);
}

static void on_first(gust_ioloop *loop, void *user)
{
    on_in_order(loop, user);
    post_number(loop, 2);
}

static void test_add_callback__before_and_while_it_runs__one_order(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    (void)state;
    counted = 0;
    assert_int_equal(gust_ioloop_add_callback(loop, on_first, NULL), 0);
    post_number(loop, 1);
    assert_int_equal(gust_ioloop_run(loop, GUST_RUN_NOWAIT), 0);
    post_number(loop, 3);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(gust_ioloop_run(loop, GUST_RUN_NOWAIT), 0);
    }
    assert_int_equal(counted, 4);
    gust_ioloop_free(loop);
}

/* ---- Life ------------------------------------------------------------- */

static void *post_a_thousand(void *user)
{
    for (int i = 0; i < 1000; i++) {
        int code = gust_ioloop_add_callback(user, loops_stop, NULL);
        if (code != 0 && code != GUST_ECLOSED) {
            return user;
        }
        gust_ioloop_stop(user);
    }
    return NULL;
}

/* 5 */
static void test_close__while_another_thread_posts__nothing_breaks(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        gust_ioloop *loop = loops_new(NULL);
        pthread_t thread = spawn(post_a_thousand, loop);
        if (i % 2 != 0) {
            sched_yield();
        }
        assert_int_equal(gust_ioloop_close(loop, false), 0);
        void *failed;
        pthread_join(thread, &failed);
        assert_null(failed);
        gust_ioloop_free(loop);
    }
}

static void *make_and_close(void *user)
{
    const char *poller = user;
    for (int i = 0; i < 10; i++) {
        gust_ioloop *loop;
        if (gust_ioloop_new(&(gust_ioloop_options){.poller = poller}, &loop) != 0 ||
            gust_ioloop_current() != loop ||
            gust_ioloop_add_callback(loop, loops_stop, NULL) != 0 || gust_ioloop_start(loop) != 0) {
            return user;
        }
        gust_ioloop_free(loop);
        if (gust_ioloop_current() != NULL) {
            return user;
        }
    }
    return NULL;
}

/* 16 */
static void test_new_and_free__two_threads_ten_loops_each(void **state)
{
    pthread_t threads[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        threads[i] = spawn(make_and_close, (void *)(uintptr_t)loops_poller());
    }
    for (int i = 0; i < 2; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
}

/* ---- What other threads may not do ------------------------------------ */

struct trespass {
    gust_ioloop *loop;
    int codes[8];
    int fd;
};

static void on_event(gust_ioloop *loop, int fd, unsigned events, void *user)
{
    (void)loop;
    (void)fd;
    (void)events;
    (void)user;
}

static void on_watcher(gust_ioloop *loop, gust_watcher *watcher, unsigned events)
{
    (void)loop;
    (void)watcher;
    (void)events;
}

static void on_timer(gust_ioloop *loop, gust_timer *timer)
{
    (void)loop;
    (void)timer;
}

static void *trespass(void *user)
{
    static const gust_local_key key = {.size = 1};
    struct trespass *t = user;
    gust_watcher watcher = {0};
    gust_timer timer = {0};
    void *block;
    t->codes[0] = gust_ioloop_add_handler(t->loop, t->fd, GUST_READ, on_event, NULL);
    t->codes[1] = gust_ioloop_update_handler(t->loop, t->fd, GUST_READ);
    t->codes[2] = gust_ioloop_watch(t->loop, &watcher, t->fd, GUST_READ, on_watcher);
    t->codes[3] = gust_ioloop_call_later(t->loop, 0, loops_stop, NULL, NULL);
    t->codes[4] = gust_ioloop_arm(t->loop, &timer, 0, on_timer);
    t->codes[5] = gust_ioloop_add_signal(t->loop, SIGUSR1, on_signal_stop, NULL);
    t->codes[6] = gust_ioloop_local(t->loop, &key, &block);
    t->codes[7] = gust_ioloop_start(t->loop);
    return NULL;
}

static void on_let_trespass(gust_ioloop *loop, void *user)
{
    pthread_join(spawn(trespass, user), NULL);
    gust_ioloop_stop(loop);
}

static void test_other_thread__while_the_loop_runs__is_refused(void **state)
{
    struct trespass t = {.loop = loops_new(NULL)};
    int fds[2];
    (void)state;
    loops_pair(fds);
    t.fd = fds[0];
    assert_int_equal(gust_ioloop_add_callback(t.loop, on_let_trespass, &t), 0);
    start_guarded(t.loop);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(t.codes[i], GUST_ETHREAD);
    }
    assert_int_equal(t.codes[7], GUST_ESTATE);
    gust_ioloop_free(t.loop);
    close(fds[0]);
    close(fds[1]);
}

static int group(void)
{
    const struct CMUnitTest tests[] = {
        LOOPS_CASE(test_add_callback__from_a_thread__wakes_a_sleeping_loop),
        LOOPS_CASE(test_stop__from_a_thread__wakes_a_sleeping_loop),
        LOOPS_CASE(test_signal__on_another_thread__wakes_a_sleeping_loop),
        LOOPS_CASE(test_last_moment_before_the_wait__nothing_is_slept_over),
        LOOPS_CASE(test_add_callback__four_threads__each_keeps_its_order),
        LOOPS_CASE(test_add_callback__before_and_while_it_runs__one_order),
        LOOPS_CASE(test_close__while_another_thread_posts__nothing_breaks),
        LOOPS_CASE(test_new_and_free__two_threads_ten_loops_each),
        LOOPS_CASE(test_other_thread__while_the_loop_runs__is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return loops_over_pollers(group);
}

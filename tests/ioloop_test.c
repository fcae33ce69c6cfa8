/* The loop: its life, the order of an iteration, stopping and waits that fail;
 * over each poller. Numbers in
 * comments are those of the behaviour reference's list of cases for the loop. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <gust/ioloop.h>
#include <gust/log.h>

#include "tests/support/clock.h"
#include "tests/support/faults.h"
#include "tests/support/loops.h"

/* What happened, one letter each. */
static char trace[64];

/* A string literal as a callback's argument. */
#define TEXT(literal) ((void *)(uintptr_t)(literal))

static void note(char letter)
{
    size_t length = strlen(trace);
    assert_true(length + 1 < sizeof(trace));
    trace[length] = letter;
    trace[length + 1] = '\0';
}

static void trace_reset(void)
{
    memset(trace, 0, sizeof(trace));
}

static void on_note(gust_ioloop *loop, void *user)
{
    (void)loop;
    note(*(const char *)user);
}

static void nothing(gust_ioloop *loop, void *user)
{
    (void)loop;
    (void)user;
}

static void post(gust_ioloop *loop, const char *letter)
{
    assert_int_equal(gust_ioloop_add_callback(loop, on_note, TEXT(letter)), 0);
}

static void step(gust_ioloop *loop)
{
    assert_int_equal(gust_ioloop_run(loop, GUST_RUN_NOWAIT), 0);
}

/* ---- Life ------------------------------------------------------------- */

static void test_new__unknown_poller__is_invalid(void **state)
{
    gust_ioloop *loop = (gust_ioloop *)state;
    gust_ioloop_options options = {.poller = "smoke"};
    assert_int_equal(gust_ioloop_new(&options, &loop), -EINVAL);
    assert_ptr_equal(loop, state);
    assert_null(gust_ioloop_current());
}

static void test_new__is_current_unless_told_otherwise(void **state)
{
    gust_ioloop *loop;
    gust_ioloop_options options = {.poller = loops_poller()};
    (void)state;
    assert_int_equal(gust_ioloop_new(&options, &loop), 0);
    assert_ptr_equal(gust_ioloop_current(), loop);
    assert_string_equal(gust_ioloop_poller_name(loop), loops_poller());
    gust_ioloop *other = loops_new(NULL);
    assert_ptr_equal(gust_ioloop_current(), loop);
    gust_ioloop_free(other);
    assert_ptr_equal(gust_ioloop_current(), loop);
    gust_ioloop_free(loop);
    assert_null(gust_ioloop_current());
}

/* 18 */
static void test_make_current__null_without_a_loop__does_nothing(void **state)
{
    (void)state;
    gust_ioloop_make_current(NULL);
    assert_null(gust_ioloop_current());
}

static void on_look_current(gust_ioloop *loop, void *user)
{
    *(gust_ioloop **)user = gust_ioloop_current();
    gust_ioloop_stop(loop);
}

/* 17 */
static void test_start__is_current_inside_only__three_times(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    (void)state;
    for (int i = 0; i < 3; i++) {
        gust_ioloop *seen = NULL;
        assert_null(gust_ioloop_current());
        assert_int_equal(gust_ioloop_add_callback(loop, on_look_current, &seen), 0);
        assert_int_equal(gust_ioloop_start(loop), 0);
        assert_ptr_equal(seen, loop);
        assert_null(gust_ioloop_current());
    }
    gust_ioloop_free(loop);
}

static void on_misuse(gust_ioloop *loop, void *user)
{
    int *codes = user;
    codes[0] = gust_ioloop_start(loop);
    codes[1] = gust_ioloop_close(loop, true);
    codes[2] = gust_ioloop_run(loop, GUST_RUN_NOWAIT);
    gust_ioloop_free(loop); /* refused as well */
    gust_ioloop_stop(loop);
}

/* 13 */
static void test_start__inside_a_callback__is_refused_and_the_loop_lives(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    int codes[3] = {0};
    int after = 0;
    (void)state;
    assert_int_equal(gust_ioloop_add_callback(loop, on_misuse, codes), 0);
    assert_int_equal(gust_ioloop_add_callback(loop, loops_count, &after), 0);
    assert_int_equal(gust_ioloop_start(loop), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(codes[i], GUST_ESTATE);
    }
    assert_int_equal(after, 1);
    gust_ioloop_free(loop);
}

/* Descriptors run out at each point of the creation. */
static void test_new__out_of_descriptors__leaves_nothing(void **state)
{
    struct rlimit before;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int first_free = dup(0);
    close(first_free);
    int open_before = loops_descriptors();
    int code = -1;
    for (rlim_t more = 0; code != 0; more++) {
        struct rlimit tight = {(rlim_t)first_free + more, before.rlim_max};
        gust_ioloop *loop = NULL;
        gust_ioloop_options options = {.poller = loops_poller(), .keep_current = true};
        assert_true(more < 4);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
        code = gust_ioloop_new(&options, &loop);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        if (more == 0) {
            assert_int_equal(code, -EMFILE);
        }
        assert_true(code == 0 || code == -EMFILE);
        gust_ioloop_free(loop);
        assert_int_equal(loops_descriptors(), open_before);
    }
}

static void on_byte_stop(gust_ioloop *loop, int fd, unsigned events, void *user)
{
    char byte;
    (void)events;
    assert_int_equal(read(fd, &byte, 1), 1);
    ++*(int *)user;
    gust_ioloop_stop(loop);
}

/* A watcher as a layer above has one, which takes leave when the loop closes. */
struct leaver {
    gust_watcher watcher;
};

static void leaver_deinit(gust_ioloop *loop, void *block)
{
    gust_ioloop_unwatch(loop, &((struct leaver *)block)->watcher);
}

static void leaver_on_event(gust_ioloop *loop, gust_watcher *watcher, unsigned events)
{
    (void)events;
    char byte;
    assert_int_equal(read(watcher->fd, &byte, 1), 1);
    gust_ioloop_stop(loop);
}

/* 28 */
static void test_fork__child_closes__parent_still_gets_events(void **state)
{
    static const gust_local_key key = {.size = sizeof(struct leaver), .deinit = leaver_deinit};
    gust_ioloop *loop = loops_new(NULL);
    int a[2];
    int b[2];
    int seen = 0;
    void *block;
    (void)state;
    loops_pair(a);
    loops_pair(b);
    assert_int_equal(gust_ioloop_add_handler(loop, a[0], GUST_READ, on_byte_stop, &seen), 0);
    assert_int_equal(gust_ioloop_local(loop, &key, &block), 0);
    assert_int_equal(gust_ioloop_watch(loop, &((struct leaver *)block)->watcher, b[0], GUST_READ,
                                       leaver_on_event),
                     0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int refused = gust_ioloop_start(loop) == GUST_ESTATE;
        int closed = gust_ioloop_close(loop, true) == 0;
        _exit(refused && closed ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(write(a[1], "x", 1), 1);
    assert_int_equal(gust_ioloop_start(loop), 0);
    assert_int_equal(seen, 1);
    assert_int_equal(write(b[1], "x", 1), 1);
    assert_int_equal(gust_ioloop_start(loop), 0);
    gust_ioloop_close(loop, true); /* closes a[0] */
    gust_ioloop_free(loop);
    close(a[1]);
    close(b[0]);
    close(b[1]);
}

/* 5, on one thread: everything on a closed loop is refused or harmless. */
static void test_close__then_everything__is_refused_or_harmless(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    int ran = 0;
    int fds[2];
    void *block = state;
    gust_watcher watcher = {0};
    static const gust_local_key key = {.size = 1};
    (void)state;
    loops_pair(fds);
    assert_int_equal(gust_ioloop_add_callback(loop, loops_count, &ran), 0);
    assert_int_equal(gust_ioloop_close(loop, false), 0);
    assert_int_equal(gust_ioloop_close(loop, true), 0);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(gust_ioloop_add_callback(loop, loops_count, &ran), GUST_ECLOSED);
    }
    assert_int_equal(gust_ioloop_call_later(loop, 0, loops_count, &ran, NULL), GUST_ECLOSED);
    assert_int_equal(gust_ioloop_watch(loop, &watcher, fds[0], GUST_READ, leaver_on_event),
                     GUST_ECLOSED);
    assert_int_equal(gust_ioloop_local(loop, &key, &block), GUST_ECLOSED);
    gust_ioloop_unwatch(loop, &watcher);
    gust_ioloop_remove_handler(loop, fds[0]);
    gust_ioloop_remove_timeout(loop, 1);
    gust_ioloop_stop(loop);
    assert_string_equal(gust_ioloop_poller_name(loop), "closed");
    assert_int_equal(gust_ioloop_start(loop), GUST_ESTATE);
    assert_int_equal(ran, 0);
    gust_ioloop_free(loop);
    gust_ioloop_free(NULL);
    close(fds[0]);
    close(fds[1]);
}

/* ---- One iteration ---------------------------------------------------- */

static void on_post_b(gust_ioloop *loop, void *user)
{
    on_note(loop, user);
    post(loop, "b");
}

/* 1 */
static void test_callback__posts_another__runs_next_without_waiting(void **state)
{
    struct clock clock;
    clock_init(&clock, NULL);
    gust_ioloop *loop = loops_new(&clock.sys);
    (void)state;
    trace_reset();
    assert_int_equal(gust_ioloop_call_later(loop, GUST_SECONDS(3600), loops_stop, NULL, NULL), 0);
    assert_int_equal(gust_ioloop_add_callback(loop, on_post_b, TEXT("a")), 0);
    post(loop, "c");
    assert_int_equal(gust_ioloop_run(loop, GUST_RUN_ONCE), 0);
    assert_string_equal(trace, "ac");
    assert_int_equal(clock.last_timeout, 0);
    step(loop);
    assert_string_equal(trace, "acb");
    gust_ioloop_free(loop);
}

static void on_note_fd(gust_ioloop *loop, int fd, unsigned events, void *user)
{
    char byte;
    (void)events;
    (void)loop;
    assert_int_equal(read(fd, &byte, 1), 1);
    note(*(const char *)user);
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

static void on_defer(gust_ioloop *loop, void *user)
{
    note('c');
    gust_ioloop_defer(loop, user, on_note_deferred);
    gust_ioloop_defer(loop, user, on_note_deferred);
}

static void on_fd_defer(gust_ioloop *loop, int fd, unsigned events, void *user)
{
    on_note_fd(loop, fd, events, TEXT("e"));
    gust_ioloop_defer(loop, user, on_note_deferred);
}

static void test_iteration__has_the_documented_order(void **state)
{
    struct clock clock;
    struct noting deferred = {.letter = 'd'};
    int fds[2];
    clock_init(&clock, NULL);
    gust_ioloop *loop = loops_new(&clock.sys);
    (void)state;
    trace_reset();
    loops_pair(fds);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(
        gust_ioloop_add_handler(loop, fds[0], GUST_READ, on_fd_defer, &deferred.deferred), 0);
    assert_int_equal(gust_ioloop_call_later(loop, 0, on_note, TEXT("t"), NULL), 0);
    assert_int_equal(gust_ioloop_add_callback(loop, on_defer, &deferred.deferred), 0);
    post(loop, "C");
    step(loop);
    assert_string_equal(trace, "cCtded");
    step(loop);
    assert_string_equal(trace, "cCtded");
    gust_ioloop_close(loop, true);
    gust_ioloop_free(loop);
    close(fds[1]);
}

/* The timeout of the wait: none, the next deadline, or nothing at all. */
static void test_wait__lasts_as_long_as_it_may(void **state)
{
    struct clock clock;
    clock_init(&clock, NULL);
    gust_ioloop *loop = loops_new(&clock.sys);
    int ran = 0;
    (void)state;
    assert_int_equal(gust_ioloop_call_later(loop, 12345, loops_count, &ran, NULL), 0);
    step(loop);
    assert_int_equal(clock.last_timeout, 0);
    assert_int_equal(gust_ioloop_run(loop, GUST_RUN_ONCE), 0);
    assert_int_equal(clock.last_timeout, 12345);
    assert_int_equal(ran, 0);
    assert_int_equal(gust_ioloop_call_later(loop, GUST_SECONDS(86400), loops_count, &ran, NULL), 0);
    assert_int_equal(gust_ioloop_run(loop, GUST_RUN_ONCE), 0);
    assert_int_equal(ran, 1);
    assert_int_equal(clock.last_timeout, GUST_SECONDS(86400));
    assert_int_equal(gust_ioloop_call_later(loop, GUST_SECONDS(1), loops_count, &ran, NULL), 0);
    clock_advance(&clock, GUST_SECONDS(5)); /* the deadline has passed: due, but not yet run */
    assert_int_equal(gust_ioloop_add_callback(loop, nothing, NULL), 0);
    int fds[2];
    loops_pair(fds); /* ends the last wait, which has no other end */
    assert_int_equal(gust_ioloop_add_handler(loop, fds[0], GUST_READ, on_note_fd, TEXT("e")), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    unsigned long waits = clock.waits;
    assert_int_equal(gust_ioloop_run(loop, GUST_RUN_ONCE), 0);
    assert_int_equal(ran, 3);
    assert_int_equal(clock.waits, waits + 1);
    assert_int_equal(clock.last_timeout, -1);
    gust_ioloop_close(loop, true);
    gust_ioloop_free(loop);
    close(fds[1]);
}

struct looks {
    gust_time now, time;
};

static void on_look_clock(gust_ioloop *loop, void *user)
{
    struct looks *looks = user;
    looks->now = gust_ioloop_now(loop);
    looks->time = gust_ioloop_time(loop);
}

static void test_now__stands_still_within_an_iteration(void **state)
{
    struct clock clock;
    struct looks looks[2];
    clock_init(&clock, NULL);
    gust_ioloop *loop = loops_new(&clock.sys);
    clock.pace = 1000;
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(gust_ioloop_add_callback(loop, on_look_clock, &looks[i]), 0);
    }
    step(loop);
    assert_int_equal(looks[0].now, looks[1].now);
    assert_int_equal(looks[0].time, looks[0].now + 1000);
    assert_int_equal(looks[1].time, looks[0].now + 2000);
    assert_int_equal(gust_ioloop_wall_time(loop), clock.wall);
    assert_ptr_equal(gust_ioloop_sys(loop), &clock.sys);
    gust_ioloop_free(loop);
}

static int requeued;

static void on_requeue(gust_ioloop *loop, void *user)
{
    requeued++;
    (void)gust_ioloop_add_callback(loop, on_requeue, user);
}

/* 27 */
static void test_callbacks__100000_that_requeue__do_not_starve_a_descriptor(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    int fds[2];
    int seen = 0;
    (void)state;
    loops_pair(fds);
    assert_int_equal(gust_ioloop_add_handler(loop, fds[0], GUST_READ, on_byte_stop, &seen), 0);
    requeued = 0;
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(gust_ioloop_add_callback(loop, on_requeue, NULL), 0);
    }
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(gust_ioloop_run(loop, GUST_RUN_ONCE), 0);
    assert_int_equal(seen, 1);
    assert_int_equal(requeued, 100000);
    step(loop);
    assert_int_equal(requeued, 200000);
    gust_ioloop_close(loop, true);
    gust_ioloop_free(loop);
    close(fds[1]);
}

/* ---- Stopping --------------------------------------------------------- */

static void test_stop__before_start__ends_the_next_one_only(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    int ran = 0;
    (void)state;
    gust_ioloop_stop(loop);
    gust_ioloop_stop(loop);
    assert_int_equal(gust_ioloop_add_callback(loop, loops_count, &ran), 0);
    assert_int_equal(gust_ioloop_start(loop), 0);
    assert_int_equal(ran, 0);
    assert_int_equal(gust_ioloop_add_callback(loop, loops_stop, NULL), 0);
    assert_int_equal(gust_ioloop_start(loop), 0);
    assert_int_equal(ran, 1);
    gust_ioloop_free(loop);
}

static void on_stop_and_post(gust_ioloop *loop, void *user)
{
    on_note(loop, user);
    gust_ioloop_stop(loop);
    post(loop, "n"); /* waits for the next start */
}

static void test_stop__in_a_callback__runs_the_rest_and_does_not_wait(void **state)
{
    struct clock clock;
    clock_init(&clock, NULL);
    gust_ioloop *loop = loops_new(&clock.sys);
    (void)state;
    trace_reset();
    assert_int_equal(gust_ioloop_add_callback(loop, on_stop_and_post, TEXT("s")), 0);
    post(loop, "c");
    assert_int_equal(gust_ioloop_call_later(loop, 0, on_note, TEXT("t"), NULL), 0);
    assert_int_equal(gust_ioloop_start(loop), 0);
    assert_string_equal(trace, "sct");
    assert_int_equal(clock.waits, 0);
    step(loop);
    assert_string_equal(trace, "sctn");
    gust_ioloop_free(loop);
}

static void on_fd_stop(gust_ioloop *loop, int fd, unsigned events, void *user)
{
    on_note_fd(loop, fd, events, user);
    gust_ioloop_stop(loop);
    post(loop, "c");
}

static void test_stop__in_a_handler__ends_after_the_batch_and_one_round(void **state)
{
    struct clock clock;
    int fds[2][2];
    clock_init(&clock, NULL);
    gust_ioloop *loop = loops_new(&clock.sys);
    (void)state;
    trace_reset();
    for (int i = 0; i < 2; i++) {
        loops_pair(fds[i]);
        assert_int_equal(write(fds[i][1], "x", 1), 1);
        assert_int_equal(gust_ioloop_add_handler(loop, fds[i][0], GUST_READ, on_fd_stop, TEXT("e")),
                         0);
    }
    assert_int_equal(gust_ioloop_start(loop), 0);
    assert_string_equal(trace, "eecc");
    assert_int_equal(clock.waits, 1);
    gust_ioloop_close(loop, true);
    gust_ioloop_free(loop);
    close(fds[0][1]);
    close(fds[1][1]);
}

/* ---- A wait that fails ------------------------------------------------- */

static int logged;

static void on_log(const gust_log_record *record, void *user)
{
    (void)user;
    logged += record->level == GUST_LOG_ERROR && record->logger == GUST_LOG_GENERAL;
}

static void test_wait__interrupted__goes_on(void **state)
{
    struct faults faults;
    faults_init(&faults, NULL);
    gust_ioloop *loop = loops_new(&faults.sys);
    int fds[2];
    int seen = 0;
    (void)state;
    loops_pair(fds);
    assert_int_equal(gust_ioloop_add_handler(loop, fds[0], GUST_READ, on_byte_stop, &seen), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    for (unsigned long nth = 1; nth <= 5; nth++) {
        faults_fail(&faults, FAULTS_WAIT, nth, -EINTR, FAULTS_ONCE);
    }
    assert_int_equal(gust_ioloop_start(loop), 0);
    assert_int_equal(seen, 1);
    assert_int_equal(faults.injected, 5);
    gust_ioloop_close(loop, true);
    gust_ioloop_free(loop);
    close(fds[1]);
}

static void test_wait__broken__ends_start_with_its_code_and_one_line(void **state)
{
    struct faults faults;
    faults_init(&faults, NULL);
    gust_ioloop *loop = loops_new(&faults.sys);
    (void)state;
    logged = 0;
    gust_log_set_sink(on_log, NULL);
    faults_fail(&faults, FAULTS_WAIT, 1, -EBADF, FAULTS_FROM_THEN_ON);
    assert_int_equal(gust_ioloop_start(loop), -EBADF);
    assert_int_equal(faults.calls[FAULTS_WAIT], 1);
    assert_int_equal(logged, 1);
    faults_clear(&faults);
    assert_int_equal(gust_ioloop_add_callback(loop, loops_stop, NULL), 0);
    assert_int_equal(gust_ioloop_start(loop), 0);
    gust_log_set_sink(NULL, NULL);
    gust_ioloop_free(loop);
}

static int group(void)
{
    const struct CMUnitTest tests[] = {
        LOOPS_CASE(test_new__unknown_poller__is_invalid),
        LOOPS_CASE(test_new__is_current_unless_told_otherwise),
        LOOPS_CASE(test_make_current__null_without_a_loop__does_nothing),
        LOOPS_CASE(test_start__is_current_inside_only__three_times),
        LOOPS_CASE(test_start__inside_a_callback__is_refused_and_the_loop_lives),
        LOOPS_CASE(test_close__then_everything__is_refused_or_harmless),
        LOOPS_CASE(test_new__out_of_descriptors__leaves_nothing),
        LOOPS_CASE(test_fork__child_closes__parent_still_gets_events),
        LOOPS_CASE(test_callback__posts_another__runs_next_without_waiting),
        LOOPS_CASE(test_iteration__has_the_documented_order),
        LOOPS_CASE(test_wait__lasts_as_long_as_it_may),
        LOOPS_CASE(test_now__stands_still_within_an_iteration),
        LOOPS_CASE(test_callbacks__100000_that_requeue__do_not_starve_a_descriptor),
        LOOPS_CASE(test_stop__before_start__ends_the_next_one_only),
        LOOPS_CASE(test_stop__in_a_callback__runs_the_rest_and_does_not_wait),
        LOOPS_CASE(test_stop__in_a_handler__ends_after_the_batch_and_one_round),
        LOOPS_CASE(test_wait__interrupted__goes_on),
        LOOPS_CASE(test_wait__broken__ends_start_with_its_code_and_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return loops_over_pollers(group);
}

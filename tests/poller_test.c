/* Descriptors over each poller: what is delivered in which situation, mask by
 * mask; and what handlers may do to one another within a batch. Numbers in
 * comments are those of the behaviour reference's list of cases for the loop. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <gust/ioloop.h>

#include "tests/support/clock.h"
#include "tests/support/faults.h"
#include "tests/support/loops.h"

#define R GUST_READ
#define W GUST_WRITE
#define E GUST_ERROR

static void step(gust_ioloop *loop)
{
    assert_int_equal(gust_ioloop_run(loop, GUST_RUN_NOWAIT), 0);
}

static void put_byte(int fd)
{
    assert_int_equal(write(fd, "x", 1), 1);
}

static void take_byte(int fd)
{
    char byte;
    assert_int_equal(read(fd, &byte, 1), 1);
}

static void close_pair(const int fds[2])
{
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
}

/* ---- Situations ------------------------------------------------------- */

/* Each makes fds[0], the one that is watched, and leaves the other or -1. */
static void setup_idle(int fds[2])
{
    loops_tcp_pair(fds);
}

static void setup_bytes(int fds[2])
{
    loops_tcp_pair(fds);
    put_byte(fds[1]);
}

static void setup_full(int fds[2])
{
    char block[65536] = {0};
    loops_pair(fds);
    while (write(fds[0], block, sizeof(block)) > 0) {
    }
}

static void setup_unconnected(int fds[2])
{
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    fds[1] = -1;
}

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    (void)connect(fd, (struct sockaddr *)&address, sizeof(address));
    return fd;
}

static void setup_refused(int fds[2])
{
    int port;
    int listener = loops_listen(&port);
    close(listener);
    fds[0] = connect_to(port);
    fds[1] = -1;
}

static void setup_connected(int fds[2])
{
    int port;
    fds[1] = loops_listen(&port);
    fds[0] = connect_to(port);
}

static void setup_listener(int fds[2])
{
    int port;
    fds[0] = loops_listen(&port);
    fds[1] = connect_to(port);
}

static void setup_half_closed_bytes(int fds[2])
{
    setup_bytes(fds);
    shutdown(fds[1], SHUT_WR);
}

static void setup_half_closed(int fds[2])
{
    loops_tcp_pair(fds);
    shutdown(fds[1], SHUT_WR);
}

static void setup_peer_closed(int fds[2])
{
    loops_tcp_pair(fds);
    close(fds[1]);
    fds[1] = -1;
}

static void setup_both_shut(int fds[2])
{
    loops_tcp_pair(fds);
    shutdown(fds[1], SHUT_WR);
    shutdown(fds[0], SHUT_WR);
}

static void setup_reset(int fds[2])
{
    struct linger now = {1, 0};
    loops_tcp_pair(fds);
    setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fds[1]);
    fds[1] = -1;
}

static void setup_unix_peer_closed(int fds[2])
{
    loops_pair(fds);
    close(fds[1]);
    fds[1] = -1;
}

static void setup_pipe_writer_gone(int fds[2])
{
    loops_pipe(fds);
    close(fds[1]);
    fds[1] = -1;
}

static void setup_pipe_writer_gone_bytes(int fds[2])
{
    loops_pipe(fds);
    put_byte(fds[1]);
    close(fds[1]);
    fds[1] = -1;
}

static void setup_pipe_reader_gone(int fds[2])
{
    loops_pipe(fds);
    close(fds[0]);
    fds[0] = fds[1];
    fds[1] = -1;
}

/* What is delivered for the masks NONE, READ, WRITE, READ | WRITE. */
static const struct situation {
    const char *name;
    void (*setup)(int fds[2]);
    unsigned delivered[4];
} situations[] = {
    {"idle", setup_idle, {0, 0, W, W}},
    {"bytes to read", setup_bytes, {0, R, W, R | W}},
    {"send buffer full", setup_full, {0, 0, 0, 0}},
    {"not connected", setup_unconnected, {E, R, W | E, R | W | E}},
    {"connect refused", setup_refused, {E, R | E, W | E, R | W | E}},
    {"connect done", setup_connected, {0, 0, W, W}},
    {"connection to accept", setup_listener, {0, R, 0, R}},
    {"peer half-closed, bytes left", setup_half_closed_bytes, {0, R, W, R | W}},
    {"peer half-closed, drained", setup_half_closed, {0, R, W, R | W}},
    {"peer closed orderly", setup_peer_closed, {0, R, W, R | W}},
    {"both directions shut", setup_both_shut, {E, R, W | E, R | W | E}},
    {"reset by the peer", setup_reset, {E, R | E, W | E, R | W | E}},
    {"AF_UNIX peer closed", setup_unix_peer_closed, {E, R, W | E, R | W | E}},
    {"pipe writer gone", setup_pipe_writer_gone, {E, R, W | E, R | W | E}},
    {"pipe writer gone, bytes left", setup_pipe_writer_gone_bytes, {E, R, W | E, R | W | E}},
    {"pipe reader gone", setup_pipe_reader_gone, {E, R | E, W | E, R | W | E}},
};

struct seen {
    gust_watcher watcher;
    unsigned events;
    int times;
};

static void on_seen(gust_ioloop *loop, gust_watcher *watcher, unsigned events)
{
    struct seen *seen = (struct seen *)(void *)watcher;
    (void)loop;
    seen->events = events;
    seen->times++;
}

/* What comes over loopback may take the kernel a moment. */
static void step_until_seen(gust_ioloop *loop, struct seen *seen, unsigned events)
{
    for (int tries = 0; tries < 200; tries++) {
        seen->events = 0;
        step(loop);
        if (seen->events == events) {
            return;
        }
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
}

static void check_situation(const struct situation *row, int at)
{
    static const unsigned masks[4] = {GUST_NONE, R, W, R | W};
    gust_ioloop *loop = loops_new(NULL);
    struct seen seen = {.events = 0};
    int fds[2];
    row->setup(fds);
    assert_int_equal(gust_ioloop_watch(loop, &seen.watcher, fds[0], masks[at], on_seen), 0);
    step_until_seen(loop, &seen, row->delivered[at]);
    if (seen.events != row->delivered[at]) {
        fail_msg("%s, mask %x: delivered %x, not %x", row->name, masks[at], seen.events,
                 row->delivered[at]);
    }
    seen.events = 0; /* level-triggered: it comes again */
    step(loop);
    assert_int_equal(seen.events, row->delivered[at]);
    gust_ioloop_unwatch(loop, &seen.watcher);
    seen.times = 0;
    step(loop);
    assert_int_equal(seen.times, 0);
    close_pair(fds);
    gust_ioloop_free(loop);
}

static void test_situations__deliver_the_same_on_each_poller(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(situations) / sizeof(situations[0]); i++) {
        for (int mask = 0; mask < 4; mask++) {
            check_situation(&situations[i], mask);
        }
    }
}

/* ---- Handlers --------------------------------------------------------- */

static void on_take(gust_ioloop *loop, int fd, unsigned events, void *user)
{
    (void)loop;
    assert_int_equal(events, R);
    take_byte(fd);
    ++*(int *)user;
}

/* 3, 12 */
static void test_add__twice__is_refused_and_the_first_still_works(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    struct seen seen = {.events = 0};
    int fds[2];
    int taken = 0;
    (void)state;
    loops_pair(fds);
    assert_int_equal(gust_ioloop_add_handler(loop, fds[0], R, on_take, &taken), 0);
    assert_int_equal(gust_ioloop_add_handler(loop, fds[0], R, on_take, NULL), -EEXIST);
    assert_int_equal(gust_ioloop_watch(loop, &seen.watcher, fds[0], R, on_seen), -EEXIST);
    put_byte(fds[1]);
    step(loop);
    assert_int_equal(taken, 1);
    gust_ioloop_free(loop);
    close_pair(fds);
}

/* 4 */
static void test_remove__unknown__is_ignored(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    struct seen seen = {.events = 0};
    int fds[2];
    (void)state;
    loops_pair(fds);
    gust_ioloop_remove_handler(loop, fds[0]);
    gust_ioloop_remove_handler(loop, -1);
    gust_ioloop_remove_handler(loop, 100000);
    assert_int_equal(gust_ioloop_update_handler(loop, fds[0], R), GUST_ENOENT);
    assert_int_equal(gust_ioloop_rewatch(loop, &seen.watcher, R), GUST_ENOENT);
    gust_ioloop_unwatch(loop, &seen.watcher);
    /* an embedded watcher is no handler: it stays */
    assert_int_equal(gust_ioloop_watch(loop, &seen.watcher, fds[0], R, on_seen), 0);
    gust_ioloop_remove_handler(loop, fds[0]);
    assert_int_equal(gust_ioloop_update_handler(loop, fds[0], W), GUST_ENOENT);
    put_byte(fds[1]);
    step(loop);
    assert_int_equal(seen.events, R);
    gust_ioloop_free(loop);
    close_pair(fds);
}

static void test_add__what_cannot_be_polled__is_refused(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    struct seen seen = {.events = 0};
    FILE *file = tmpfile();
    int closed = dup(0);
    (void)state;
    assert_non_null(file);
    close(closed);
    assert_int_equal(gust_ioloop_add_handler(loop, fileno(file), R, on_take, NULL), -EPERM);
    assert_int_equal(gust_ioloop_add_handler(loop, closed, R, on_take, NULL), -EBADF);
    assert_int_equal(gust_ioloop_add_handler(loop, -1, R, on_take, NULL), -EBADF);
    assert_int_equal(gust_ioloop_add_handler(loop, 0, R, NULL, NULL), -EINVAL);
    assert_int_equal(gust_ioloop_watch(loop, &seen.watcher, 0, 0x1000, on_seen), -EINVAL);
    assert_int_equal(seen.watcher.events, 0);
    assert_int_equal(gust_ioloop_rewatch(loop, &seen.watcher, 0x1000), -EINVAL);
    fclose(file);
    gust_ioloop_free(loop);
}

static void test_watch__a_second_descriptor__is_refused(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    struct seen seen = {.events = 0};
    int fds[2];
    (void)state;
    loops_pair(fds);
    assert_int_equal(gust_ioloop_watch(loop, &seen.watcher, fds[0], R, on_seen), 0);
    assert_int_equal(gust_ioloop_watch(loop, &seen.watcher, fds[1], R, on_seen), GUST_ESTATE);
    gust_ioloop_free(loop);
    close_pair(fds);
}

static void test_update__replaces_the_mask(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    struct seen seen = {.events = 0};
    int fds[2];
    (void)state;
    loops_pair(fds);
    put_byte(fds[1]);
    static const unsigned masks[] = {R, W, R | W, GUST_NONE, R, R};
    assert_int_equal(gust_ioloop_watch(loop, &seen.watcher, fds[0], W, on_seen), 0);
    for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        seen.events = 0;
        assert_int_equal(gust_ioloop_rewatch(loop, &seen.watcher, masks[i]), 0);
        step(loop);
        assert_int_equal(seen.events, masks[i]);
    }
    gust_ioloop_free(loop);
    close_pair(fds);
}

/* 11: handlers' descriptors are closed with the loop, a watcher's owner closes
 * his himself. */
static void test_close__all_fds__closes_those_of_handlers(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    struct seen seen = {.events = 0};
    int fds[2];
    int taken = 0;
    (void)state;
    loops_pair(fds);
    assert_int_equal(gust_ioloop_add_handler(loop, fds[0], R, on_take, &taken), 0);
    assert_int_equal(gust_ioloop_watch(loop, &seen.watcher, fds[1], R, on_seen), 0);
    assert_int_equal(gust_ioloop_close(loop, true), 0);
    assert_int_equal(fcntl(fds[0], F_GETFD), -1);
    assert_int_not_equal(fcntl(fds[1], F_GETFD), -1);
    assert_int_equal(seen.watcher.events, 0);
    gust_ioloop_free(loop);
    close(fds[1]);
}

/* ---- Within a batch --------------------------------------------------- */

/* Two watchers that are ready together; the first that is called does
 * something to the other. */
struct rivals {
    struct seen each[2];
    int fds[2][2];
    void (*act)(gust_ioloop *loop, struct rivals *rivals, struct seen *other);
    int calls;
    int reused[2];
    struct seen newcomer;
};

static struct rivals *rivals_now;

static void on_rival(gust_ioloop *loop, gust_watcher *watcher, unsigned events)
{
    struct rivals *rivals = rivals_now;
    struct seen *other = &rivals->each[watcher == &rivals->each[0].watcher];
    on_seen(loop, watcher, events);
    if (rivals->calls++ == 0) {
        rivals->act(loop, rivals, other);
    }
}

static void rivals_start(gust_ioloop *loop, struct rivals *rivals)
{
    rivals_now = rivals;
    for (int i = 0; i < 2; i++) {
        loops_pair(rivals->fds[i]);
        put_byte(rivals->fds[i][1]);
        assert_int_equal(
            gust_ioloop_watch(loop, &rivals->each[i].watcher, rivals->fds[i][0], R, on_rival), 0);
    }
}

static void rivals_end(gust_ioloop *loop, struct rivals *rivals)
{
    gust_ioloop_free(loop);
    for (int i = 0; i < 2; i++) {
        close_pair(rivals->fds[i]);
    }
}

static void act_remove(gust_ioloop *loop, struct rivals *rivals, struct seen *other)
{
    (void)rivals;
    gust_ioloop_unwatch(loop, &other->watcher);
}

/* 15 */
static void test_batch__removed_by_another__is_not_called(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    struct rivals rivals = {.act = act_remove};
    (void)state;
    rivals_start(loop, &rivals);
    step(loop);
    assert_int_equal(rivals.each[0].times + rivals.each[1].times, 1);
    rivals_end(loop, &rivals);
}

static void act_want_write(gust_ioloop *loop, struct rivals *rivals, struct seen *other)
{
    (void)rivals;
    assert_int_equal(gust_ioloop_rewatch(loop, &other->watcher, W), 0);
}

static void test_batch__mask_changed_by_another__old_event_is_not_delivered(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    struct rivals rivals = {.act = act_want_write};
    (void)state;
    rivals_start(loop, &rivals);
    step(loop);
    assert_int_equal(rivals.each[0].times + rivals.each[1].times, 1);
    step(loop);
    assert_int_equal(rivals.each[0].events + rivals.each[1].events, R | W);
    rivals_end(loop, &rivals);
}

/* Close the other's descriptor and let a new, silent socket have its number. */
static void act_reuse(gust_ioloop *loop, struct rivals *rivals, struct seen *other)
{
    int fd = other->watcher.fd;
    int at = other == &rivals->each[1];
    gust_ioloop_unwatch(loop, &other->watcher);
    close(fd);
    loops_pair(rivals->reused);
    if (rivals->reused[0] != fd) {
        assert_int_equal(dup2(rivals->reused[0], fd), fd);
        close(rivals->reused[0]);
    }
    rivals->fds[at][0] = fd;
    assert_int_equal(gust_ioloop_watch(loop, &rivals->newcomer.watcher, fd, R, on_seen), 0);
}

static void test_batch__number_reused__event_of_the_old_one_reaches_nobody(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    struct rivals rivals = {.act = act_reuse};
    (void)state;
    rivals_start(loop, &rivals);
    step(loop);
    assert_int_equal(rivals.calls, 1);
    assert_int_equal(rivals.newcomer.times, 0);
    put_byte(rivals.reused[1]);
    step(loop);
    assert_int_equal(rivals.newcomer.times, 1);
    close(rivals.reused[1]);
    rivals_end(loop, &rivals);
}

static void on_free_self(gust_ioloop *loop, gust_watcher *watcher, unsigned events)
{
    int fd = watcher->fd;
    (void)events;
    gust_ioloop_unwatch(loop, watcher);
    free(watcher);
    close(fd);
}

static void on_handler_remove_self(gust_ioloop *loop, int fd, unsigned events, void *user)
{
    (void)events;
    gust_ioloop_remove_handler(loop, fd);
    close(fd);
    ++*(int *)user;
}

static void test_watcher__freed_by_its_own_callback(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    gust_watcher *watcher = calloc(1, sizeof(*watcher));
    int fds[2];
    int called = 0;
    (void)state;
    assert_non_null(watcher);
    loops_pair(fds);
    assert_int_equal(gust_ioloop_watch(loop, watcher, fds[0], W, on_free_self), 0);
    assert_int_equal(gust_ioloop_add_handler(loop, fds[1], W, on_handler_remove_self, &called), 0);
    step(loop);
    step(loop);
    assert_int_equal(called, 1);
    assert_int_equal(fcntl(fds[0], F_GETFD), -1);
    assert_int_equal(fcntl(fds[1], F_GETFD), -1);
    gust_ioloop_free(loop);
}

/* ---- Many ------------------------------------------------------------- */

#define MANY 300

static struct seen many[MANY];
static int many_fds[MANY];

static void many_start(gust_ioloop *loop, int count)
{
    memset(many, 0, sizeof(many));
    for (int i = 0; i < count; i++) {
        int fds[2];
        loops_pipe(fds);
        put_byte(fds[1]);
        close(fds[1]);
        many_fds[i] = fds[0];
        assert_int_equal(gust_ioloop_watch(loop, &many[i].watcher, fds[0], R, on_seen), 0);
    }
}

static void many_end(gust_ioloop *loop, int count)
{
    gust_ioloop_free(loop);
    for (int i = 0; i < count; i++) {
        close(many_fds[i]);
    }
}

static int fewest_calls(int count)
{
    int fewest = many[0].times;
    for (int i = 1; i < count; i++) {
        fewest = many[i].times < fewest ? many[i].times : fewest;
    }
    return fewest;
}

static void test_many__more_than_a_batch__none_starves_and_the_batch_grows(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    (void)state;
    many_start(loop, MANY);
    for (int i = 0; i < 5; i++) {
        step(loop);
    }
    assert_true(fewest_calls(MANY) >= 1);
    for (int i = 0; i < MANY; i++) {
        many[i].times = 0;
    }
    step(loop);
    assert_int_equal(fewest_calls(MANY), 1);
    many_end(loop, MANY);
}

static void test_many__one_event_a_wait__all_have_their_turn(void **state)
{
    struct faults faults;
    faults_init(&faults, NULL);
    gust_ioloop *loop = loops_new(&faults.sys);
    (void)state;
    faults_fail(&faults, FAULTS_WAIT, 1, FAULTS_SHORT, FAULTS_FROM_THEN_ON);
    many_start(loop, 10);
    for (int i = 0; i < 30; i++) {
        step(loop);
    }
    assert_true(fewest_calls(10) >= 2);
    many_end(loop, 10);
}

static void test_watch__a_high_number__works(void **state)
{
    gust_ioloop *loop = loops_new(NULL);
    struct seen seen = {.events = 0};
    int fds[2];
    (void)state;
    loops_pair(fds);
    int high = fcntl(fds[0], F_DUPFD, 900);
    assert_true(high >= 900);
    close(fds[0]);
    put_byte(fds[1]);
    assert_int_equal(gust_ioloop_watch(loop, &seen.watcher, high, R, on_seen), 0);
    step(loop);
    assert_int_equal(seen.events, R);
    gust_ioloop_unwatch(loop, &seen.watcher);
    gust_ioloop_free(loop);
    close(high);
    close(fds[1]);
}

/* Against the rule: closed while it is watched. It may be told once, but must
 * not end every wait from then on. */
static void test_watch__closed_too_early__does_not_spin(void **state)
{
    struct clock clock;
    clock_init(&clock, NULL);
    gust_ioloop *loop = loops_new(&clock.sys);
    struct seen seen = {.events = 0};
    int fds[2];
    int ran = 0;
    (void)state;
    loops_pair(fds);
    assert_int_equal(gust_ioloop_watch(loop, &seen.watcher, fds[0], R, on_seen), 0);
    close(fds[0]);
    assert_int_equal(gust_ioloop_call_later(loop, GUST_SECONDS(1), loops_count, &ran, NULL), 0);
    gust_time deadline = clock.now + GUST_SECONDS(1);
    for (int i = 0; i < 3 && clock.now < deadline; i++) {
        assert_int_equal(gust_ioloop_run(loop, GUST_RUN_ONCE), 0);
    }
    step(loop);
    assert_int_equal(ran, 1);
    assert_true(seen.times <= 1);
    gust_ioloop_unwatch(loop, &seen.watcher);
    gust_ioloop_free(loop);
    close(fds[1]);
}

static int group(void)
{
    const struct CMUnitTest tests[] = {
        LOOPS_CASE(test_situations__deliver_the_same_on_each_poller),
        LOOPS_CASE(test_add__twice__is_refused_and_the_first_still_works),
        LOOPS_CASE(test_remove__unknown__is_ignored),
        LOOPS_CASE(test_add__what_cannot_be_polled__is_refused),
        LOOPS_CASE(test_watch__a_second_descriptor__is_refused),
        LOOPS_CASE(test_update__replaces_the_mask),
        LOOPS_CASE(test_close__all_fds__closes_those_of_handlers),
        LOOPS_CASE(test_batch__removed_by_another__is_not_called),
        LOOPS_CASE(test_batch__mask_changed_by_another__old_event_is_not_delivered),
        LOOPS_CASE(test_batch__number_reused__event_of_the_old_one_reaches_nobody),
        LOOPS_CASE(test_watcher__freed_by_its_own_callback),
        LOOPS_CASE(test_many__more_than_a_batch__none_starves_and_the_batch_grows),
        LOOPS_CASE(test_many__one_event_a_wait__all_have_their_turn),
        LOOPS_CASE(test_watch__a_high_number__works),
        LOOPS_CASE(test_watch__closed_too_early__does_not_spin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return loops_over_pollers(group);
}

/* Connecting a stream, over TCP and AF_UNIX, on each poller. Numbers in comments are the
 * cases of the behaviour reference, 2.10. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/streams.h"

/* Where to connect to. */
struct target {
    int family;
    int listener; /* -1: nobody listens */
    struct sockaddr_storage addr;
    socklen_t len;
};

static struct sockaddr *addr_of(struct target *target)
{
    return (struct sockaddr *)&target->addr;
}

static void target_tcp(struct target *target, bool listening)
{
    int port;
    struct sockaddr_in *in = (struct sockaddr_in *)&target->addr;
    memset(target, 0, sizeof(*target));
    target->family = AF_INET;
    target->listener = loops_listen(&port);
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)port);
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    target->len = sizeof(*in);
    if (!listening) {
        close(target->listener);
        target->listener = -1;
    }
}

static void target_unix(struct target *target, bool listening)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&target->addr;
    memset(target, 0, sizeof(*target));
    target->family = AF_UNIX;
    un->sun_family = AF_UNIX;
    snprintf(un->sun_path, sizeof(un->sun_path), "build/connect-%d.sock", (int)getpid());
    target->len = sizeof(*un);
    unlink(un->sun_path);
    target->listener = -1;
    if (listening) {
        target->listener = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(bind(target->listener, addr_of(target), target->len), 0);
        assert_int_equal(listen(target->listener, 10), 0);
    }
}

static void target_make(struct target *target, int family, bool listening)
{
    if (family == AF_INET) {
        target_tcp(target, listening);
    } else {
        target_unix(target, listening);
    }
}

static void target_close(struct target *target)
{
    if (target->listener >= 0) {
        close(target->listener);
    }
    if (target->family == AF_UNIX) {
        unlink(((struct sockaddr_un *)&target->addr)->sun_path);
    }
}

/* A stream that is not connected, as t->a. */
static void begin(struct streams *t, struct target *target, int family, bool listening)
{
    target_make(target, family, listening);
    assert_int_equal(streams_try_loop(t), 0);
    int fd = socket(family, SOCK_STREAM, 0);
    assert_int_equal(gust_iostream_new(t->loop, fd, NULL, &t->a), 0);
    gust_iostream_ref(t->a);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
}

static int connect_now(struct streams *t, struct target *target, struct heard *h)
{
    return gust_iostream_connect(t->a, addr_of(target), target->len, heard_write, h);
}

/* The other end of what was connected, as t->b. */
static void accept_peer(struct streams *t, struct target *target)
{
    int fd = accept(target->listener, NULL, NULL);
    assert_true(fd >= 0);
    assert_int_equal(gust_iostream_new(t->loop, fd, NULL, &t->b), 0);
    gust_iostream_ref(t->b);
}

static void end(struct streams *t, struct target *target)
{
    streams_close(t);
    target_close(target);
}

static const int families[] = {AF_INET, AF_UNIX};

#define EACH_FAMILY(i) for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)

/* ---- It works ----------------------------------------------------------------------- */

/* 4 */
static void test_connect__completes_before_the_writes_that_were_queued(void **state)
{
    (void)state;
    EACH_FAMILY(i)
    {
        struct streams t;
        struct target target;
        int order = 0;
        struct heard connected = {.order = &order}, empty = {.order = &order};
        struct heard written = {.order = &order}, nothing = {.order = &order};
        struct ears e = {0};
        begin(&t, &target, families[i], true);
        assert_int_equal(connect_now(&t, &target, &connected), 0);
        assert_int_equal(gust_iostream_read_bytes(t.a, 0, heard_read, &nothing), 0);
        assert_int_equal(gust_iostream_write(t.a, GUST_STR(""), heard_write, &empty), 0);
        assert_int_equal(gust_iostream_write(t.a, GUST_STR("early"), heard_write, &written), 0);
        gust_iostream_flush(t.a);
        assert_int_equal(order, 0);
        streams_until(&t, &written.calls, 1);
        streams_until(&t, &nothing.calls, 1);
        assert_int_equal(connected.calls, 1);
        assert_int_equal(connected.status, 0);
        assert_int_equal(connected.at, 1);
        assert_true(empty.at < written.at);
        accept_peer(&t, &target);
        assert_int_equal(gust_iostream_set_callbacks(t.b, &ears_callbacks, &e), 0);
        streams_until(&t, &e.reads, 1);
        assert_string_equal(e.text, "early");
        end(&t, &target);
        assert_int_equal(connected.calls, 1);
    }
}

static void test_connect__reads_asked_for_before(void **state)
{
    (void)state;
    EACH_FAMILY(i)
    {
        struct streams t;
        struct target target;
        struct heard connected = {0}, read = {0}, closed = {0};
        begin(&t, &target, families[i], true);
        assert_int_equal(gust_iostream_set_close_callback(t.a, heard_write, &closed), 0);
        assert_int_equal(gust_iostream_read_bytes(t.a, 5, heard_read, &read), 0);
        assert_int_equal(connect_now(&t, &target, &connected), 0);
        streams_until(&t, &connected.calls, 1);
        accept_peer(&t, &target);
        assert_int_equal(gust_iostream_write(t.b, GUST_STR("hello"), NULL, NULL), 0);
        streams_until(&t, &read.calls, 1);
        assert_string_equal(read.text, "hello");
        gust_iostream_close(t.b);
        streams_until(&t, &closed.calls, 1);
        assert_int_equal(closed.status, GUST_EOF);
        end(&t, &target);
    }
}

static void test_connect__with_a_reader_set_before(void **state)
{
    (void)state;
    EACH_FAMILY(i)
    {
        struct streams t;
        struct target target;
        struct heard connected = {0};
        struct ears e = {0};
        begin(&t, &target, families[i], true);
        assert_int_equal(gust_iostream_set_callbacks(t.a, &ears_callbacks, &e), 0);
        assert_int_equal(connect_now(&t, &target, &connected), 0);
        assert_false(gust_iostream_is_reading(t.a));
        streams_until(&t, &connected.calls, 1);
        accept_peer(&t, &target);
        assert_int_equal(gust_iostream_write(t.b, GUST_STR("hello"), NULL, NULL), 0);
        streams_until(&t, &e.reads, 1);
        assert_string_equal(e.text, "hello");
        end(&t, &target);
    }
}

static void test_close_after_flush__while_connecting__sends_first(void **state)
{
    (void)state;
    EACH_FAMILY(i)
    {
        struct streams t;
        struct target target;
        struct heard connected = {0}, written = {0};
        struct ears e = {0};
        begin(&t, &target, families[i], true);
        assert_int_equal(connect_now(&t, &target, &connected), 0);
        assert_int_equal(gust_iostream_write(t.a, GUST_STR("bye"), heard_write, &written), 0);
        if (i == 0) {
            gust_iostream_close_after_flush(t.a);
        } else {
            assert_int_equal(gust_iostream_shutdown_write(t.a), 0);
        }
        streams_until(&t, &written.calls, 1);
        assert_int_equal(connected.status, 0);
        assert_int_equal(written.status, 0);
        accept_peer(&t, &target);
        assert_int_equal(gust_iostream_set_callbacks(t.b, &ears_callbacks, &e), 0);
        streams_until(&t, &e.closes, 1);
        assert_string_equal(e.text, "bye");
        end(&t, &target);
    }
}

/* ---- It does not -------------------------------------------------------------------------- */

/* 28 */
static void test_connect__refused__told_once__then_closed(void **state)
{
    (void)state;
    EACH_FAMILY(i)
    {
        struct streams t;
        struct target target;
        int order = 0;
        struct heard connected = {.order = &order}, written = {.order = &order};
        struct heard read = {.order = &order}, closed = {.order = &order};
        begin(&t, &target, families[i], false);
        int refusal = families[i] == AF_INET ? -ECONNREFUSED : -ENOENT;
        assert_int_equal(gust_iostream_set_close_callback(t.a, heard_write, &closed), 0);
        assert_int_equal(connect_now(&t, &target, &connected), 0);
        assert_int_equal(connected.calls, 0);
        if (!gust_iostream_is_closed(t.a)) {
            assert_int_equal(gust_iostream_write(t.a, GUST_STR("x"), heard_write, &written), 0);
            assert_int_equal(gust_iostream_read_bytes(t.a, 1, heard_read, &read), 0);
        }
        streams_until(&t, &closed.calls, 1);
        assert_int_equal(connected.calls, 1);
        assert_int_equal(connected.status, refusal);
        assert_int_equal(connected.at, 1);
        assert_int_equal(closed.status, refusal);
        assert_int_equal(closed.at, order);
        assert_int_equal(gust_iostream_error(t.a), refusal);
        end(&t, &target);
        assert_int_equal(connected.calls, 1);
    }
}

/* 2.7: a full backlog of AF_UNIX is no connection that is on its way. */
static void test_connect__unix_backlog_full__refused(void **state)
{
    struct streams t;
    struct target target;
    struct heard h = {0};
    int fds[4], count = 0;
    (void)state;
    begin(&t, &target, AF_UNIX, true);
    assert_int_equal(listen(target.listener, 0), 0);
    while (count < 4) { /* fill it */
        fds[count] = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(fcntl(fds[count], F_SETFL, O_NONBLOCK), 0);
        if (connect(fds[count++], addr_of(&target), target.len) != 0) {
            break;
        }
    }
    assert_int_equal(connect_now(&t, &target, &h), 0);
    streams_until(&t, &h.calls, 1);
    assert_int_equal(h.status, -ECONNREFUSED);
    assert_true(gust_iostream_is_closed(t.a));
    while (count > 0) {
        close(fds[--count]);
    }
    end(&t, &target);
}

/* Each error that connect(2), or the socket when it is ready, may have. */
static void test_connect__each_error__is_its_status(void **state)
{
    (void)state;
    for (int call = 0; call < 2; call++) {
        enum faults_call where = call == 0 ? FAULTS_CONNECT : FAULTS_SOCKET_ERROR;
        for (unsigned i = 0; faults_plausible(where, i) != 0; i++) {
            struct streams t;
            struct target target;
            struct heard h = {0}, closed = {0};
            int code = faults_plausible(where, i);
            begin(&t, &target, AF_INET, true);
            faults_fail(&t.faults, where, 1, code, FAULTS_ONCE);
            assert_int_equal(gust_iostream_set_close_callback(t.a, heard_write, &closed), 0);
            assert_int_equal(connect_now(&t, &target, &h), 0);
            streams_until(&t, &closed.calls, 1);
            assert_int_equal(h.calls, 1);
            assert_int_equal(h.status, code);
            assert_int_equal(closed.status, code);
            end(&t, &target);
        }
    }
}

/* ---- While it is on its way ------------------------------------------------------------------ */

/* A connect over TCP that hangs: its SYN is dropped, since the backlog is full. */
static void hang(struct streams *t, struct target *target, int fds[3], struct heard *h)
{
    begin(t, target, AF_INET, true);
    assert_int_equal(listen(target->listener, 0), 0);
    for (int i = 0; i < 3; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(fcntl(fds[i], F_SETFL, O_NONBLOCK), 0);
        (void)connect(fds[i], addr_of(target), target->len);
    }
    assert_int_equal(connect_now(t, target, h), 0);
    streams_turn(t, 20);
    assert_int_equal(h->calls, 0);
}

static void unhang(struct streams *t, struct target *target, int fds[3])
{
    for (int i = 0; i < 3; i++) {
        close(fds[i]);
    }
    end(t, target);
}

static void test_connect__deadline__ends_it(void **state)
{
    struct streams t;
    struct target target;
    struct heard h = {0};
    int fds[3];
    (void)state;
    hang(&t, &target, fds, &h);
    assert_int_equal(gust_iostream_set_deadline(t.a, gust_ioloop_now(t.loop) + GUST_SECONDS(20)),
                     0);
    streams_until(&t, &h.calls, 1);
    assert_int_equal(h.status, GUST_ETIMEDOUT);
    assert_true(gust_iostream_is_closed(t.a));
    unhang(&t, &target, fds);
}

static void test_connect__closed_meanwhile__cancelled(void **state)
{
    struct streams t;
    struct target target;
    struct heard h = {0}, again = {0};
    int fds[3];
    (void)state;
    hang(&t, &target, fds, &h);
    assert_int_equal(connect_now(&t, &target, &again), -EBUSY);
    gust_iostream_close(t.a);
    assert_int_equal(h.calls, 0);
    streams_until(&t, &h.calls, 1);
    assert_int_equal(h.status, GUST_ECANCELED);
    assert_int_equal(connect_now(&t, &target, &again), GUST_ECLOSED);
    assert_int_equal(again.calls, 0);
    unhang(&t, &target, fds);
}

static void test_connect__again_when_connected__refused__stream_stays(void **state)
{
    (void)state;
    EACH_FAMILY(i)
    {
        struct streams t;
        struct target target;
        struct heard h = {0}, again = {0};
        begin(&t, &target, families[i], true);
        assert_int_equal(connect_now(&t, &target, &h), 0);
        streams_until(&t, &h.calls, 1);
        assert_int_equal(connect_now(&t, &target, &again), -EISCONN);
        streams_turn(&t, 10);
        assert_int_equal(again.calls, 0);
        assert_false(gust_iostream_is_closed(t.a));
        end(&t, &target);
    }
}

static void test_connect__arguments_and_other_bottoms(void **state)
{
    struct streams t;
    struct target target;
    struct heard h = {0};
    gust_iostream *a, *b;
    (void)state;
    begin(&t, &target, AF_INET, true);
    assert_int_equal(gust_iostream_connect(t.a, addr_of(&target), target.len, NULL, NULL), -EINVAL);
    assert_int_equal(gust_iostream_connect(t.a, NULL, 0, heard_write, &h), -EINVAL);
    assert_int_equal(gust_iostream_pair(t.loop, NULL, &a, &b), 0);
    assert_int_equal(gust_iostream_connect(a, addr_of(&target), target.len, heard_write, &h),
                     -EOPNOTSUPP);
    gust_iostream_close(a);
    gust_iostream_close(b);
    end(&t, &target);
}

/* In the completion the stream may be closed, or used at once. */
static void close_it(gust_iostream *s, int status, void *user)
{
    heard_write(s, status, user);
    gust_iostream_close(s);
}

static void test_connect__closed_in_its_completion(void **state)
{
    (void)state;
    EACH_FAMILY(i)
    {
        struct streams t;
        struct target target;
        struct heard h = {0}, written = {0};
        begin(&t, &target, families[i], true);
        assert_int_equal(gust_iostream_connect(t.a, addr_of(&target), target.len, close_it, &h), 0);
        assert_int_equal(gust_iostream_write(t.a, GUST_STR("x"), heard_write, &written), 0);
        gust_iostream_unref(t.a);
        t.a = NULL;
        streams_until(&t, &written.calls, 1);
        assert_int_equal(written.status, GUST_ECANCELED);
        assert_int_equal(h.calls, 1);
        end(&t, &target);
    }
}

/* ---- new ---------------------------------------------------------------------------------------- */

static void test_new__refused__descriptor_stays_the_callers(void **state)
{
    struct streams t;
    gust_iostream *s = NULL;
    int fds[2];
    (void)state;
    assert_int_equal(streams_try_loop(&t), 0);
    assert_int_equal(gust_iostream_new(t.loop, -1, NULL, &s), -EBADF);
    assert_int_equal(gust_iostream_new(NULL, 0, NULL, &s), -EINVAL);
    loops_pair(fds);
    for (size_t nth = 1; nth < 20; nth++) {
        alloc_count_fail_at(nth, true);
        int code = gust_iostream_new(t.loop, fds[0], NULL, &s);
        alloc_count_fail_at(0, false);
        if (code == 0) {
            break;
        }
        assert_int_equal(code, -ENOMEM);
        assert_null(s);
        assert_int_not_equal(fcntl(fds[0], F_GETFD), -1);
    }
    assert_non_null(s);
    gust_iostream_close(s);
    assert_int_equal(fcntl(fds[0], F_GETFD), -1);
    close(fds[1]);
    streams_close(&t);
}

static int group(void)
{
    const struct CMUnitTest tests[] = {
        STREAMS_CASE(test_connect__completes_before_the_writes_that_were_queued),
        STREAMS_CASE(test_connect__reads_asked_for_before),
        STREAMS_CASE(test_connect__with_a_reader_set_before),
        STREAMS_CASE(test_close_after_flush__while_connecting__sends_first),
        STREAMS_CASE(test_connect__refused__told_once__then_closed),
        STREAMS_CASE(test_connect__unix_backlog_full__refused),
        STREAMS_CASE(test_connect__each_error__is_its_status),
        STREAMS_CASE(test_connect__deadline__ends_it),
        STREAMS_CASE(test_connect__closed_meanwhile__cancelled),
        STREAMS_CASE(test_connect__again_when_connected__refused__stream_stays),
        STREAMS_CASE(test_connect__arguments_and_other_bottoms),
        STREAMS_CASE(test_connect__closed_in_its_completion),
        STREAMS_CASE(test_new__refused__descriptor_stays_the_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return loops_over_pollers(group);
}

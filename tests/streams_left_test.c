/* A loop that is closed while streams are open: they are closed and told, and
 * nothing leaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <gust/web.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/loops.h"

static gust_ioloop *loop;
static int closed;
static int statuses;

static int before(void **state)
{
    (void)state;
    closed = statuses = 0;
    alloc_count_begin();
    const gust_ioloop_options options = {.poller = loops_poller()};
    return gust_ioloop_new(&options, &loop);
}

static int after(void **state)
{
    (void)state;
    gust_ioloop_free(loop);
    alloc_count_end();
    return 0;
}

static size_t take_none(gust_iostream *s, gust_str data, void *user)
{
    (void)s, (void)data, (void)user;
    return 0;
}

static void on_close(gust_iostream *s, int status, void *user)
{
    (void)s, (void)user;
    closed++;
    statuses |= status;
}

static const gust_iostream_callbacks callbacks = {.reader = take_none, .on_close = on_close};

/* Two streams on a socket pair, both reading. */
static void make_sockets(gust_iostream *s[2])
{
    int fds[2];
    loops_pair(fds);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(gust_iostream_new(loop, fds[i], NULL, &s[i]), 0);
        assert_int_equal(gust_iostream_set_callbacks(s[i], &callbacks, NULL), 0);
    }
}

static void turn(int n)
{
    while (n-- > 0) {
        assert_int_equal(gust_ioloop_run(loop, GUST_RUN_NOWAIT), 0);
    }
}

static void test_sockets__closed_and_told(void **state)
{
    gust_iostream *s[2];
    (void)state;
    make_sockets(s);
    int fd = gust_iostream_fd(s[0]);
    gust_ioloop_free(loop);
    loop = NULL;
    assert_int_equal(closed, 2);
    assert_int_equal(statuses, 0);
    assert_int_equal(close(fd), -1);
}

/* With kept input, queued output and a deadline. */
static void test_busy_sockets__closed_and_told(void **state)
{
    static char much[100000];
    gust_iostream *s[2];
    (void)state;
    make_sockets(s);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(gust_iostream_set_deadline(s[i], gust_ioloop_now(loop) + GUST_SECONDS(9)),
                         0);
        for (int k = 0; k < 20; k++) {
            assert_int_equal(
                gust_iostream_write(s[i], gust_str_make(much, sizeof(much)), NULL, NULL), 0);
        }
    }
    turn(5);
    gust_iostream_pause(s[0]);
    assert_int_equal(gust_iostream_write(s[1], GUST_STR("last"), NULL, NULL), 0);
    assert_int_equal(gust_ioloop_close(loop, false), 0);
    assert_int_equal(closed, 2);
}

static void note(gust_iostream *s, int status, gust_str data, void *user)
{
    (void)s, (void)data;
    *(int *)user = status;
}

static void note_written(gust_iostream *s, int status, void *user)
{
    (void)s;
    *(int *)user = status;
}

static void test_pending_verbs__canceled(void **state)
{
    static char much[300000];
    int read_status = 1, write_status = 1;
    gust_iostream *s[2];
    int fds[2];
    (void)state;
    loops_pair(fds);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(gust_iostream_new(loop, fds[i], NULL, &s[i]), 0);
    }
    assert_int_equal(gust_iostream_set_callbacks(s[0], &callbacks, NULL), 0);
    gust_iostream_pause(s[0]);
    assert_int_equal(gust_iostream_read_bytes(s[1], 5, note, &read_status), 0);
    assert_int_equal(
        gust_iostream_write(s[1], gust_str_make(much, sizeof(much)), note_written, &write_status),
        0);
    turn(2);
    assert_int_equal(gust_ioloop_close(loop, false), 0);
    assert_int_equal(read_status, GUST_ECANCELED);
    assert_int_equal(write_status, GUST_ECANCELED);
}

/* Callbacks of the pair that are posted count on it, and never run. */
static void test_pairs__closed_and_told(void **state)
{
    gust_iostream *s[6];
    (void)state;
    for (int i = 0; i < 6; i += 2) {
        assert_int_equal(gust_iostream_pair(loop, NULL, &s[i], &s[i + 1]), 0);
        for (int k = 0; k < 2; k++) {
            assert_int_equal(gust_iostream_set_callbacks(s[i + k], &callbacks, NULL), 0);
            assert_int_equal(gust_iostream_write(s[i + k], GUST_STR("hello"), NULL, NULL), 0);
        }
    }
    turn(1);
    gust_iostream_close(s[0]);
    assert_int_equal(gust_iostream_write(s[2], GUST_STR("again"), NULL, NULL), 0);
    assert_int_equal(gust_ioloop_close(loop, false), 0);
    assert_int_equal(closed, 6);
}

static int made;

static void make_another(gust_iostream *s, int status, void *user)
{
    gust_iostream *a, *b;
    (void)s, (void)status, (void)user;
    closed++;
    made = gust_iostream_pair(loop, NULL, &a, &b);
}

/* No new streams come while the old ones go: else it might never end. */
static void test_new_streams_meanwhile__refused(void **state)
{
    static const gust_iostream_callbacks cb = {.reader = take_none, .on_close = make_another};
    gust_iostream *a, *b;
    (void)state;
    assert_int_equal(gust_iostream_pair(loop, NULL, &a, &b), 0);
    assert_int_equal(gust_iostream_set_callbacks(a, &cb, NULL), 0);
    made = 0;
    assert_int_equal(gust_ioloop_close(loop, false), 0);
    assert_int_equal(closed, 1);
    assert_int_equal(made, GUST_ECLOSED);
}

static void close_user(gust_iostream *s, int status, void *user)
{
    (void)s, (void)status;
    closed++;
    gust_iostream_close(user);
}

/* Each closes the other one in its own close callback. */
static void test_streams_that_close_each_other__once_each(void **state)
{
    static const gust_iostream_callbacks cb = {.reader = take_none, .on_close = close_user};
    gust_iostream *s[2];
    (void)state;
    make_sockets(s);
    assert_int_equal(gust_iostream_set_callbacks(s[0], &cb, s[1]), 0);
    gust_iostream_ref(s[1]);
    assert_int_equal(gust_iostream_set_callbacks(s[1], &cb, s[0]), 0);
    gust_iostream_ref(s[0]);
    assert_int_equal(gust_ioloop_close(loop, false), 0);
    assert_int_equal(closed, 2);
    gust_iostream_unref(s[0]);
    gust_iostream_unref(s[1]);
}

/* ---- HTTP --------------------------------------------------------------------------- */

static int wait_for_ever(gust_handler *h)
{
    (void)h;
    return GUST_PENDING;
}

static int gone;

static void on_gone(gust_handler *h)
{
    gone++;
    gust_handler_finish(h);
}

static const gust_handler_class pending = {.get = wait_for_ever, .on_connection_close = on_gone};
static const gust_route routes[] = {{"/pending", .handler = &pending}, {0}};

static void ask(gust_httpserver *server, const char *request)
{
    int fds[2];
    gust_iostream *s;
    loops_pair(fds);
    assert_int_equal(gust_iostream_new(loop, fds[0], NULL, &s), 0);
    assert_int_equal(gust_httpserver_serve(server, s, NULL), 0);
    assert_int_equal(send(fds[1], request, strlen(request), 0), (int)strlen(request));
    turn(3);
    close(fds[1]);
}

/* Idle, in a head, in a body, and with a handler that waits: loop before server,
 * as far as it goes. */
static void test_http_connections__closed_with_the_loop(void **state)
{
    gust_application *app;
    gust_httpserver *server;
    (void)state;
    gone = 0;
    assert_int_equal(gust_application_new(routes, NULL, &app), 0);
    assert_int_equal(gust_httpserver_new(loop, NULL, gust_application_delegate(), app, &server), 0);
    ask(server, "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
    ask(server, "GET /half HT");
    ask(server, "POST /pending HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    ask(server, "GET /pending HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(gust_httpserver_connections(server) > 0);
    assert_int_equal(gust_ioloop_close(loop, false), 0);
    assert_int_equal(gust_httpserver_connections(server), 0);
    assert_int_equal(gone, 1);
    gust_httpserver_free(server);
    gust_application_free(app);
}

/* A forked child that gives the loop back sends nothing of what the parent has
 * queued, and leaves the parent its sockets. */
static void test_forked_child__closes_its_copies_only(void **state)
{
    gust_iostream *s;
    char in[64];
    int fds[2], status;
    (void)state;
    loops_pair(fds);
    assert_int_equal(gust_iostream_new(loop, fds[0], NULL, &s), 0);
    assert_int_equal(gust_iostream_set_callbacks(s, &callbacks, NULL), 0);
    assert_int_equal(gust_iostream_write(s, GUST_STR("once"), NULL, NULL), 0);
    pid_t child = fork();
    if (child == 0) {
        _exit(gust_ioloop_close(loop, false) == 0 && closed == 1 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(recv(fds[1], in, sizeof(in), 0), -1);
    turn(2);
    assert_int_equal(recv(fds[1], in, sizeof(in), 0), 4);
    assert_int_equal(recv(fds[1], in, sizeof(in), 0), -1);
    assert_int_equal(closed, 0);
    close(fds[1]);
}

static int group(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sockets__closed_and_told, before, after),
        cmocka_unit_test_setup_teardown(test_busy_sockets__closed_and_told, before, after),
        cmocka_unit_test_setup_teardown(test_pending_verbs__canceled, before, after),
        cmocka_unit_test_setup_teardown(test_pairs__closed_and_told, before, after),
        cmocka_unit_test_setup_teardown(test_new_streams_meanwhile__refused, before, after),
        cmocka_unit_test_setup_teardown(test_streams_that_close_each_other__once_each, before,
                                        after),
        cmocka_unit_test_setup_teardown(test_forked_child__closes_its_copies_only, before, after),
        cmocka_unit_test_setup_teardown(test_http_connections__closed_with_the_loop, before, after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return loops_over_pollers(group);
}

/* The TCP server over loopback: accepting, limits, and ends. */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <gust/tcpserver.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/faults.h"
#include "tests/support/loops.h"

static gust_ioloop *loop;
static gust_tcpserver *server;
static int accepted;
static bool stop_at_first;
static bool free_at_first;

/* Send each line back; the peer's end is the stream's. */
static size_t echo(gust_iostream *s, gust_str data, void *user)
{
    (void)user;
    (void)gust_iostream_write(s, data, NULL, NULL);
    return data.len;
}

static const gust_iostream_callbacks callbacks = {.name = "echo", .reader = echo};

static void handle_stream(gust_tcpserver *of, gust_iostream *s, const gust_addr *addr, void *user)
{
    assert_ptr_equal(user, &accepted);
    assert_int_equal(addr->family, AF_INET);
    accepted++;
    assert_int_equal(gust_iostream_set_callbacks(s, &callbacks, NULL), 0);
    if (stop_at_first) {
        gust_tcpserver_stop(of);
    } else if (free_at_first) {
        gust_tcpserver_free(of);
        server = NULL;
    }
}

static void start(const gust_tcpserver_options *options, const gust_sys *sys)
{
    accepted = 0;
    loop = loops_new(sys);
    assert_int_equal(gust_tcpserver_new(loop, options, handle_stream, &accepted, &server), 0);
    assert_int_equal(gust_tcpserver_listen(server, 0, "127.0.0.1"), 0);
    assert_true(gust_tcpserver_port(server) > 0);
}

static void end(void)
{
    gust_tcpserver_free(server);
    gust_ioloop_free(loop);
    stop_at_first = free_at_first = false;
}

static int client(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in.sin_port = htons((uint16_t)gust_tcpserver_port(server));
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&in, sizeof in), 0);
    return fd;
}

/* Let the loop turn until `*what` is `value`, at most a second. */
static void run_until(const int *what, int value)
{
    gust_timeout timeout;
    gust_time by = gust_ioloop_time(loop) + GUST_SECONDS(1);
    while (*what != value && gust_ioloop_time(loop) < by) {
        assert_int_equal(gust_ioloop_call_later(loop, GUST_MILLIS(5), loops_stop, NULL, &timeout),
                         0);
        assert_int_equal(gust_ioloop_start(loop), 0);
        gust_ioloop_remove_timeout(loop, timeout);
    }
    assert_int_equal(*what, value);
}

static void settle(void)
{
    for (int i = 0; i < 20; i++) {
        assert_int_equal(gust_ioloop_run(loop, GUST_RUN_NOWAIT), 0);
    }
}

static void assert_echo(int fd)
{
    char bytes[4];
    assert_int_equal(write(fd, "ping", 4), 4);
    settle();
    assert_int_equal(recv(fd, bytes, sizeof bytes, MSG_DONTWAIT), 4);
    assert_memory_equal(bytes, "ping", 4);
}

static void test_streams__made_counted_and_served(void **state)
{
    int fds[3];
    (void)state;
    start(NULL, NULL);
    assert_ptr_equal(gust_tcpserver_loop(server), loop);
    for (int i = 0; i < 3; i++) {
        fds[i] = client();
    }
    run_until(&accepted, 3);
    assert_int_equal(gust_tcpserver_connections(server), 3);
    for (int i = 0; i < 3; i++) {
        assert_echo(fds[i]);
        close(fds[i]);
    }
    settle();
    assert_int_equal(gust_tcpserver_connections(server), 0);
    end();
}

static void handle_nodelay(gust_tcpserver *of, gust_iostream *s, const gust_addr *addr, void *user)
{
    int value = 0;
    socklen_t len = sizeof value;
    (void)of, (void)addr;
    assert_int_equal(getsockopt(gust_iostream_fd(s), IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
    assert_true(value != 0);
    gust_iostream_set_nodelay(s, false);
    assert_int_equal(getsockopt(gust_iostream_fd(s), IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
    assert_true(value == 0);
    gust_iostream_close(s);
    ++*(int *)user;
}

static void test_nodelay__on_until_it_is_set_off(void **state)
{
    (void)state;
    accepted = 0;
    loop = loops_new(NULL);
    assert_int_equal(gust_tcpserver_new(loop, NULL, handle_nodelay, &accepted, &server), 0);
    assert_int_equal(gust_tcpserver_listen(server, 0, "127.0.0.1"), 0);
    int fd = client();
    run_until(&accepted, 1);
    close(fd);
    end();
}

static void test_stop__twice__live_streams_go_on(void **state)
{
    (void)state;
    start(NULL, NULL);
    int fd = client();
    run_until(&accepted, 1);
    gust_tcpserver_stop(server);
    gust_tcpserver_stop(server);
    assert_int_equal(gust_tcpserver_port(server), 0);
    assert_echo(fd);
    close(fd);
    settle();
    end();
}

static void test_stop__inside_handle_stream__not_one_more(void **state)
{
    int fds[10];
    (void)state;
    start(NULL, NULL);
    stop_at_first = true;
    for (int i = 0; i < 10; i++) {
        fds[i] = client();
    }
    run_until(&accepted, 1);
    settle();
    assert_int_equal(accepted, 1);
    for (int i = 0; i < 10; i++) {
        close(fds[i]);
    }
    settle();
    end();
}

static void test_free__inside_handle_stream__stream_goes_on(void **state)
{
    (void)state;
    start(NULL, NULL);
    free_at_first = true;
    int fd = client();
    run_until(&accepted, 1);
    assert_null(server);
    assert_echo(fd);
    close(fd);
    settle();
    end();
}

static void test_max_connections__rest_waits_for_a_place(void **state)
{
    const gust_tcpserver_options options = {.max_connections = 2};
    int fds[4];
    (void)state;
    start(&options, NULL);
    for (int i = 0; i < 4; i++) {
        fds[i] = client();
    }
    run_until(&accepted, 2);
    settle();
    assert_int_equal(accepted, 2);
    close(fds[0]);
    run_until(&accepted, 3);
    settle();
    assert_int_equal(accepted, 3);
    close(fds[1]);
    run_until(&accepted, 4);
    assert_echo(fds[3]);
    close(fds[2]);
    close(fds[3]);
    settle();
    end();
}

static void test_no_descriptors__client_turned_away_and_the_next_served(void **state)
{
    struct faults faults;
    char byte;
    (void)state;
    faults_init(&faults, NULL);
    faults_fail(&faults, FAULTS_ACCEPT, 1, -EMFILE, FAULTS_ONCE);
    start(NULL, &faults.sys);
    int shed = client();
    settle();
    assert_int_equal(accepted, 0);
    assert_int_equal(recv(shed, &byte, 1, MSG_DONTWAIT), 0);
    int fd = client();
    run_until(&accepted, 1);
    assert_echo(fd);
    close(shed);
    close(fd);
    settle();
    end();
}

static void test_no_descriptors_at_all__rests_and_does_not_spin(void **state)
{
    struct faults faults;
    (void)state;
    faults_init(&faults, NULL);
    faults_fail(&faults, FAULTS_ACCEPT, 1, -EMFILE, FAULTS_FROM_THEN_ON);
    start(NULL, &faults.sys);
    int fd = client();
    settle();
    unsigned long calls = faults.calls[FAULTS_ACCEPT];
    assert_true(calls >= 1 && calls <= 4);
    settle();
    assert_int_equal(faults.calls[FAULTS_ACCEPT], calls);
    faults_clear(&faults);
    run_until(&accepted, 1); /* after half a second */
    close(fd);
    settle();
    end();
}

static void test_add_socket__serves_and_is_the_servers(void **state)
{
    int port;
    (void)state;
    accepted = 0;
    loop = loops_new(NULL);
    assert_int_equal(gust_tcpserver_new(loop, NULL, handle_stream, &accepted, &server), 0);
    int listening = loops_listen(&port);
    assert_int_equal(fcntl(listening, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(gust_tcpserver_add_socket(server, listening), 0);
    assert_int_equal(gust_tcpserver_port(server), port);
    int fd = client();
    run_until(&accepted, 1);
    gust_tcpserver_stop(server);
    assert_int_equal(fcntl(listening, F_GETFD), -1);
    close(fd);
    settle();
    end();
}

static int sweep_scenario(void *user)
{
    gust_ioloop *l;
    gust_tcpserver *srv;
    (void)user;
    const gust_ioloop_options options = {.poller = loops_poller(), .keep_current = true};
    GUST_TRY(gust_ioloop_new(&options, &l));
    int status = gust_tcpserver_new(l, NULL, handle_stream, &accepted, &srv);
    if (status == 0) {
        status = gust_tcpserver_listen(srv, 0, "127.0.0.1");
        gust_tcpserver_free(srv);
    }
    gust_ioloop_free(l);
    return status;
}

static void test_listen__sweep(void **state)
{
    (void)state;
    alloc_sweep(sweep_scenario, NULL);
}

static int group(void)
{
    const struct CMUnitTest tests[] = {
        LOOPS_CASE(test_streams__made_counted_and_served),
        LOOPS_CASE(test_nodelay__on_until_it_is_set_off),
        LOOPS_CASE(test_stop__twice__live_streams_go_on),
        LOOPS_CASE(test_stop__inside_handle_stream__not_one_more),
        LOOPS_CASE(test_free__inside_handle_stream__stream_goes_on),
        LOOPS_CASE(test_max_connections__rest_waits_for_a_place),
        LOOPS_CASE(test_no_descriptors__client_turned_away_and_the_next_served),
        LOOPS_CASE(test_no_descriptors_at_all__rests_and_does_not_spin),
        LOOPS_CASE(test_add_socket__serves_and_is_the_servers),
        LOOPS_CASE(test_listen__sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return loops_over_pollers(group);
}

/* Accepting when descriptors run out, and other things that can go wrong with a listening
 * socket. S12 are the cases of the security reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <gust/log.h>
#include <gust/tcpserver.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/streams.h"

struct host {
    struct streams t; /* its loop, clock and faults */
    gust_acceptor *acceptor;
    int port;
    int accepted;
    int fds[300];
    bool free_in_callback;
};

static void on_accept(gust_acceptor *acceptor, int fd, const gust_addr *addr, void *user)
{
    struct host *h = user;
    assert_ptr_equal(acceptor, h->acceptor);
    assert_int_equal(addr->family, AF_INET);
    h->fds[h->accepted++] = fd;
    if (h->free_in_callback) {
        gust_acceptor_free(acceptor);
        h->acceptor = NULL;
    }
}

static void begin(struct host *h, unsigned batch)
{
    memset(h, 0, sizeof(*h));
    assert_int_equal(streams_try_loop(&h->t), 0);
    int fd = loops_listen(&h->port); /* which blocks: the acceptor sees to that */
    assert_int_equal(gust_acceptor_new(h->t.loop, fd, batch, on_accept, h, &h->acceptor), 0);
    assert_int_equal(gust_acceptor_fd(h->acceptor), fd);
}

static void end(struct host *h)
{
    gust_acceptor_free(h->acceptor);
    while (h->accepted > 0) {
        close(h->fds[--h->accepted]);
    }
    streams_close(&h->t);
}

static int client_of(int port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&in, sizeof(in)), 0);
    return fd;
}

static unsigned long accepts(const struct host *h)
{
    return h->t.faults.calls[FAULTS_ACCEPT];
}

/* ---- Batches ---------------------------------------------------------------------------- */

static void test_accept__blocking_listener__does_not_block(void **state)
{
    struct host h;
    (void)state;
    begin(&h, 0);
    int fd = client_of(h.port);
    streams_until(&h.t, &h.accepted, 1);
    streams_turn(&h.t, 5);
    assert_int_equal(h.accepted, 1);
    assert_int_equal(fcntl(h.fds[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_int_equal(fcntl(h.fds[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(fd);
    end(&h);
}

static void test_accept__batch__no_more_per_wakeup(void **state)
{
    struct host h;
    int fds[5];
    (void)state;
    begin(&h, 2);
    for (int i = 0; i < 5; i++) {
        fds[i] = client_of(h.port);
    }
    for (int i = 2; i <= 4; i += 2) {
        assert_int_equal(gust_ioloop_run(h.t.loop, GUST_RUN_NOWAIT), 0);
        assert_int_equal(h.accepted, i);
    }
    streams_until(&h.t, &h.accepted, 5);
    for (int i = 0; i < 5; i++) {
        close(fds[i]);
    }
    end(&h);
}

static void test_free__inside_the_callback__not_one_more(void **state)
{
    struct host h;
    int fds[5];
    (void)state;
    begin(&h, 0);
    h.free_in_callback = true;
    for (int i = 0; i < 5; i++) {
        fds[i] = client_of(h.port);
    }
    streams_turn(&h.t, 5);
    assert_int_equal(h.accepted, 1);
    for (int i = 0; i < 5; i++) {
        close(fds[i]);
    }
    end(&h);
}

static void test_pause__clients_wait_in_the_backlog(void **state)
{
    struct host h;
    (void)state;
    begin(&h, 0);
    gust_acceptor_pause(h.acceptor);
    int fd = client_of(h.port);
    streams_turn(&h.t, 10);
    assert_int_equal(h.accepted, 0);
    gust_acceptor_resume(h.acceptor);
    streams_until(&h.t, &h.accepted, 1);
    close(fd);
    end(&h);
}

/* ---- Errors of clients -------------------------------------------------------------------- */

static void test_error_of_a_client__the_next_is_accepted_in_the_same_batch(void **state)
{
    static const int codes[] = {-EINTR,     -ECONNABORTED, -EPROTO,     -ENETDOWN,    -ENOPROTOOPT,
                                -EHOSTDOWN, -EHOSTUNREACH, -EOPNOTSUPP, -ENETUNREACH, -EPERM};
    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct host h;
        begin(&h, 0);
        faults_fail(&h.t.faults, FAULTS_ACCEPT, 1, codes[i], FAULTS_ONCE);
        int fd = client_of(h.port);
        streams_turn(&h.t, 1);
        assert_int_equal(h.accepted, 1);
        close(fd);
        end(&h);
    }
}

/* ---- Without descriptors --------------------------------------------------------------------- */

static int log_lines;

static void count_line(const gust_log_record *record, void *user)
{
    (void)user;
    assert_int_equal(record->level, GUST_LOG_ERROR);
    log_lines += gust_str_find(record->message, GUST_STR("more lines like this")) == SIZE_MAX;
}

/* S12.2: whatever the error, for as long as it lasts, a few calls a second; and one log line
 * a minute. When it is over so is the rest. */
static void test_exhausted__rests__and_resumes(void **state)
{
    static const int codes[] = {-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM, -EBADF, -EPROTO};
    static int lines;
    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct host h;
        log_lines = 0;
        gust_log_set_sink(count_line, NULL);
        begin(&h, 8);
        faults_fail(&h.t.faults, FAULTS_ACCEPT, 1, codes[i], FAULTS_FROM_THEN_ON);
        int fd = client_of(h.port);
        streams_pass(&h.t, GUST_SECONDS(150));
        assert_in_range(accepts(&h), 300, codes[i] == -EPROTO ? 2800 : 620);
        assert_true(h.t.clock.waits < 1500);
        assert_int_equal(h.accepted, 0);
        assert_in_range(log_lines, 0, 4); /* and the logger has a limit of its own */
        lines += log_lines;
        gust_log_set_sink(NULL, NULL);
        faults_clear(&h.t.faults);
        streams_pass(&h.t, GUST_MILLIS(510));
        assert_int_equal(h.accepted, 1);
        close(fd);
        end(&h);
    }
    assert_true(lines >= 3);
}

static void test_rest__ends_early_when_a_descriptor_is_free(void **state)
{
    struct host h;
    (void)state;
    begin(&h, 0);
    gust_acceptor_retry(h.acceptor); /* does not rest: nothing */
    faults_fail(&h.t.faults, FAULTS_ACCEPT, 1, -ENFILE, FAULTS_FROM_THEN_ON);
    int fd = client_of(h.port);
    streams_turn(&h.t, 5);
    faults_clear(&h.t.faults);
    streams_turn(&h.t, 5);
    assert_int_equal(h.accepted, 0);
    gust_acceptor_retry(h.acceptor);
    streams_turn(&h.t, 5);
    assert_int_equal(h.accepted, 1);
    close(fd);
    end(&h);
}

static void test_rest__and_pause__do_not_end_each_other(void **state)
{
    struct host h;
    (void)state;
    begin(&h, 0);
    faults_fail(&h.t.faults, FAULTS_ACCEPT, 1, -ENFILE, FAULTS_FROM_THEN_ON);
    int fd = client_of(h.port);
    streams_turn(&h.t, 5);
    faults_clear(&h.t.faults);
    gust_acceptor_pause(h.acceptor);
    streams_pass(&h.t, GUST_SECONDS(2)); /* the rest is over, the pause is not */
    gust_acceptor_retry(h.acceptor);
    streams_turn(&h.t, 5);
    assert_int_equal(h.accepted, 0);
    gust_acceptor_resume(h.acceptor);
    streams_turn(&h.t, 5);
    assert_int_equal(h.accepted, 1);
    close(fd);
    end(&h);
}

/* ---- Servers ------------------------------------------------------------------------------------ */

struct site {
    struct streams t;
    gust_tcpserver *server;
    int handled;
    gust_iostream *held;
    bool hold;
};

static size_t echo(gust_iostream *s, gust_str data, void *user)
{
    (void)user;
    (void)gust_iostream_write(s, data, NULL, NULL);
    return data.len;
}

static const gust_iostream_callbacks echo_callbacks = {.name = "echo", .reader = echo};

static void handle(gust_tcpserver *server, gust_iostream *s, const gust_addr *addr, void *user)
{
    struct site *site = user;
    (void)server;
    (void)addr;
    site->handled++;
    if (site->hold) {
        site->held = gust_iostream_ref(s);
        site->hold = false;
    }
    assert_int_equal(gust_iostream_set_callbacks(s, &echo_callbacks, NULL), 0);
}

/* A stream that is closed but still held takes no place from others. */
static void test_max_connections__closed_but_held__makes_room(void **state)
{
    struct site site = {.hold = true};
    gust_tcpserver_options options = {.max_connections = 1};
    (void)state;
    assert_int_equal(streams_try_loop(&site.t), 0);
    assert_int_equal(gust_tcpserver_new(site.t.loop, &options, handle, &site, &site.server), 0);
    assert_int_equal(gust_tcpserver_listen(site.server, 0, "127.0.0.1"), 0);
    int one = client_of(gust_tcpserver_port(site.server));
    int two = client_of(gust_tcpserver_port(site.server));
    streams_turn(&site.t, 10);
    assert_int_equal(site.handled, 1);
    close(one);
    streams_until(&site.t, &site.handled, 2);
    assert_int_equal(gust_tcpserver_connections(site.server), 1);
    close(two);
    streams_turn(&site.t, 5);
    gust_tcpserver_free(site.server);
    gust_iostream_unref(site.held); /* after its server */
    streams_close(&site.t);
}

/* Where one of several sockets can't be had, none is. */
static void test_listen__fails_halfway__nothing_listens(void **state)
{
    (void)state;
    for (size_t nth = 1; nth < 20; nth++) {
        struct site site = {0};
        assert_int_equal(streams_try_loop(&site.t), 0);
        assert_int_equal(gust_tcpserver_new(site.t.loop, NULL, handle, &site, &site.server), 0);
        int before = loops_descriptors();
        alloc_count_fail_at(nth, true);
        int code = gust_tcpserver_listen(site.server, 0, NULL);
        alloc_count_fail_at(0, false);
        if (code != 0) {
            assert_int_equal(code, -ENOMEM);
            assert_int_equal(gust_tcpserver_port(site.server), 0);
            assert_int_equal(loops_descriptors(), before);
        }
        gust_tcpserver_free(site.server);
        streams_close(&site.t);
        if (code == 0) {
            assert_true(nth > 1);
            return;
        }
    }
    fail_msg("it never listened");
}

/* ---- For real -------------------------------------------------------------------------------------- */

enum { CLIENTS = 200, LIMIT = 40 };

/* The clients, in a process of their own: when told, connects all and says so; when told
 * again, leaves with 0 if a new client is served. */
static void be_clients(int port, int in, int out)
{
    char byte;
    int fds[CLIENTS];
    if (read(in, &byte, 1) != 1) {
        _exit(3);
    }
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client_of(port);
    }
    if (write(out, "c", 1) != 1 || read(in, &byte, 1) != 1) {
        _exit(2);
    }
    for (int i = 0; i < CLIENTS; i++) {
        close(fds[i]);
    }
    for (int i = 0; i < 50; i++) { /* the first of them may still be turned away */
        struct timeval patience = {.tv_sec = 5};
        int fd = client_of(port);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        if (write(fd, "x", 1) == 1 && read(fd, &byte, 1) == 1 && byte == 'x') {
            _exit(0);
        }
        close(fd);
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    _exit(1);
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Run the loop for so long, really. */
static void run_for(gust_ioloop *loop, gust_time time)
{
    assert_int_equal(gust_ioloop_call_later(loop, time, loops_stop, NULL, NULL), 0);
    assert_int_equal(gust_ioloop_start(loop), 0);
}

static void run_until_byte(gust_ioloop *loop, int fd)
{
    char byte;
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    for (int i = 0; i < 1000 && read(fd, &byte, 1) != 1; i++) {
        run_for(loop, GUST_MILLIS(10));
    }
}

static bool answers(gust_ioloop *loop, int fd)
{
    char byte = 0;
    assert_int_equal(write(fd, "y", 1), 1);
    for (int i = 0; i < 100 && recv(fd, &byte, 1, MSG_DONTWAIT) != 1; i++) {
        run_for(loop, GUST_MILLIS(10));
    }
    return byte == 'y';
}

/* S12.1 */
static void test_rlimit_40__200_clients__calm_and_serving(void **state)
{
    int to_child[2], from_child[2];
    struct rlimit old, low;
    struct site site = {0};
    gust_tcpserver_options options = {.max_connections = 1000};
    int port;
    (void)state;
    int listener = loops_listen(&port);
    assert_int_equal(pipe(to_child), 0);
    assert_int_equal(pipe(from_child), 0);
    pid_t pid = fork(); /* before there is a loop */
    if (pid == 0) {
        be_clients(port, to_child[0], from_child[1]);
    }
    gust_ioloop *loop = loops_new(NULL);
    assert_int_equal(gust_tcpserver_new(loop, &options, handle, &site, &site.server), 0);
    assert_int_equal(gust_tcpserver_add_socket(site.server, listener), 0);
    int first = client_of(port);
    assert_true(answers(loop, first));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = (struct rlimit){.rlim_cur = LIMIT, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);

    assert_int_equal(write(to_child[1], "!", 1), 1);
    run_until_byte(loop, from_child[0]);
    double before = cpu_seconds();
    run_for(loop, GUST_SECONDS(2));
    double spent = cpu_seconds() - before;
    assert_true(answers(loop, first)); /* old connections are served meanwhile */
    assert_true(gust_tcpserver_connections(site.server) < LIMIT);
    assert_int_equal(write(to_child[1], "!", 1), 1);
    int status = -1;
    for (int i = 0; i < 1000 && waitpid(pid, &status, WNOHANG) != pid; i++) {
        run_for(loop, GUST_MILLIS(10));
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(spent < 0.1); /* 5 % */
    close(first);
    for (int i = 0; i < 2; i++) {
        close(to_child[i]);
        close(from_child[i]);
    }
    run_for(loop, GUST_MILLIS(20));
    gust_tcpserver_free(site.server);
    gust_ioloop_free(loop);
}

static int group(void)
{
    const struct CMUnitTest tests[] = {
        STREAMS_CASE(test_accept__blocking_listener__does_not_block),
        STREAMS_CASE(test_accept__batch__no_more_per_wakeup),
        STREAMS_CASE(test_free__inside_the_callback__not_one_more),
        STREAMS_CASE(test_pause__clients_wait_in_the_backlog),
        STREAMS_CASE(test_error_of_a_client__the_next_is_accepted_in_the_same_batch),
        STREAMS_CASE(test_exhausted__rests__and_resumes),
        STREAMS_CASE(test_rest__ends_early_when_a_descriptor_is_free),
        STREAMS_CASE(test_rest__and_pause__do_not_end_each_other),
        STREAMS_CASE(test_max_connections__closed_but_held__makes_room),
        STREAMS_CASE(test_listen__fails_halfway__nothing_listens),
        STREAMS_CASE(test_rlimit_40__200_clients__calm_and_serving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return loops_over_pollers(group);
}

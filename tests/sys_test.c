/* The kernel seam: the real table keeps its contract, and the two doubles that
 * other tests rely on do what they say. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <gust/errors.h>
#include <gust/sys.h>

#include "tests/support/clock.h"
#include "tests/support/faults.h"
#include "tests/support/loops.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define BYTES(literal)                                                                             \
    {                                                                                              \
        (void *)(uintptr_t)(literal), sizeof(literal) - 1                                          \
    }

static const gust_sys *real(void)
{
    return gust_sys_real();
}

/* ---- The real table --------------------------------------------------- */

static void assert_prepared(int fd)
{
    assert_true(fd >= 0);
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
}

static void test_socket_accept__come_out_prepared(void **state)
{
    int port;
    int listener = loops_listen(&port);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in peer;
    socklen_t length = sizeof(peer);
    (void)state;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int client = real()->socket(real(), AF_INET, SOCK_STREAM, 0);
    assert_prepared(client);
    int code = real()->connect(real(), client, (struct sockaddr *)&address, sizeof(address));
    assert_true(code == 0 || code == -EINPROGRESS);
    int server = real()->accept(real(), listener, (struct sockaddr *)&peer, &length);
    assert_prepared(server);
    assert_int_equal(peer.sin_family, AF_INET);
    assert_int_equal(real()->socket_error(real(), client), 0);
    int flags = fcntl(listener, F_GETFL);
    assert_int_equal(fcntl(listener, F_SETFL, flags | O_NONBLOCK), 0);
    assert_int_equal(real()->accept(real(), listener, NULL, NULL), -EAGAIN);
    assert_int_equal(real()->shutdown(real(), client, SHUT_WR), 0);
    assert_int_equal(real()->close(real(), client), 0);
    assert_int_equal(real()->close(real(), client), -EBADF);
    assert_int_equal(real()->shutdown(real(), client, SHUT_WR), -EBADF);
    assert_int_equal(real()->socket_error(real(), client), -EBADF);
    assert_int_equal(real()->socket(real(), -1, SOCK_STREAM, 0), -EAFNOSUPPORT);
    close(server);
    close(listener);
}

static void test_connect__refused__shows_as_the_pending_error(void **state)
{
    int port;
    int listener = loops_listen(&port);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    (void)state;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    close(listener);
    int client = real()->socket(real(), AF_INET, SOCK_STREAM, 0);
    int code = real()->connect(real(), client, (struct sockaddr *)&address, sizeof(address));
    if (code == -EINPROGRESS) {
        code = real()->socket_error(real(), client);
    }
    assert_int_equal(code, -ECONNREFUSED);
    close(client);
}

static void test_transfer__counts_and_codes(void **state)
{
    struct iovec two[2] = {BYTES("ab"), BYTES("cde")};
    char got[16];
    int fds[2];
    (void)state;
    loops_pair(fds);
    assert_int_equal(real()->recv(real(), fds[0], got, sizeof(got), 0), -EAGAIN);
    assert_int_equal(real()->sendv(real(), fds[1], two, 2, 0), 5);
    assert_int_equal(real()->send(real(), fds[1], "f", 1, 0), 1);
    assert_int_equal(real()->writev(real(), fds[1], two, 2), 5);
    assert_int_equal(real()->write(real(), fds[1], "g", 1), 1);
    assert_int_equal(real()->recv(real(), fds[0], got, 6, 0), 6);
    assert_int_equal(real()->read(real(), fds[0], got + 6, 6), 6);
    assert_memory_equal(got, "abcdefabcdeg", 12);
    assert_int_equal(real()->read(real(), fds[0], got, 1), -EAGAIN);
    close(fds[0]);
    /* the peer is gone: a code, and no SIGPIPE, which would end the test */
    assert_int_equal(real()->send(real(), fds[1], "x", 1, 0), -EPIPE);
    assert_int_equal(real()->sendv(real(), fds[1], two, 2, 0), -EPIPE);
    close(fds[1]);
    assert_int_equal(real()->write(real(), fds[1], "x", 1), -EBADF);
    assert_int_equal(real()->writev(real(), fds[1], two, 2), -EBADF);
}

static void test_sendfile__moves_the_offset(void **state)
{
    FILE *file = tmpfile();
    char got[16];
    off_t offset = 2;
    int fds[2];
    (void)state;
    assert_non_null(file);
    assert_int_equal(fputs("0123456789", file), 1);
    assert_int_equal(fflush(file), 0);
    loops_pair(fds);
    assert_int_equal(real()->sendfile(real(), fds[1], fileno(file), &offset, 5), 5);
    assert_int_equal(offset, 7);
    assert_int_equal(real()->sendfile(real(), fds[1], fileno(file), &offset, 100), 3);
    assert_int_equal(offset, 10);
    assert_int_equal(real()->sendfile(real(), fds[1], fileno(file), &offset, 100), 0);
    assert_int_equal(real()->recv(real(), fds[0], got, sizeof(got), 0), 8);
    assert_memory_equal(got, "23456789", 8);
    assert_int_equal(real()->sendfile(real(), fds[1], -1, &offset, 1), -EBADF);
    close(fds[0]);
    close(fds[1]);
    fclose(file);
}

/* A signal interrupts a call that waits; what it waits for comes only then. */
static int interrupt_fd;
static volatile sig_atomic_t interrupts;

static void on_interrupt(int signo)
{
    (void)signo;
    if (++interrupts == 3) {
        (void)!write(interrupt_fd, "x", 1);
    }
}

static timer_t start_interrupts(struct sigaction *before)
{
    struct sigaction action;
    struct sigevent event;
    timer_t timer;
    memset(&action, 0, sizeof(action));
    memset(&event, 0, sizeof(event));
    action.sa_handler = on_interrupt; /* without SA_RESTART */
    sigemptyset(&action.sa_mask);
    assert_int_equal(sigaction(SIGALRM, &action, before), 0);
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGALRM;
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    struct itimerspec every = {{0, 2000000}, {0, 2000000}};
    interrupts = 0;
    assert_int_equal(timer_settime(timer, 0, &every, NULL), 0);
    return timer;
}

/* read() and its kin are made again; recv() and send(), which never wait in a
 * loop, pass the interruption on. */
static void test_transfer__interrupted__is_made_again(void **state)
{
    (void)state;
    for (int with_recv = 0; with_recv < 2; with_recv++) {
        struct sigaction before;
        char byte = 0;
        int fds[2];
        loops_pair(fds);
        assert_int_equal(fcntl(fds[0], F_SETFL, 0), 0); /* it waits */
        interrupt_fd = fds[1];
        timer_t timer = start_interrupts(&before);
        ssize_t got = with_recv ? real()->recv(real(), fds[0], &byte, 1, 0)
                                : real()->read(real(), fds[0], &byte, 1);
        timer_delete(timer);
        sigaction(SIGALRM, &before, NULL);
        assert_int_equal(got, with_recv ? -EINTR : 1);
        assert_int_equal(byte, with_recv ? 0 : 'x');
        assert_true(interrupts >= (with_recv ? 1 : 3));
        close(fds[0]);
        close(fds[1]);
    }
}

static void test_random__fills_all_of_it(void **state)
{
    unsigned char first[1000] = {0};
    unsigned char again[1000] = {0};
    (void)state;
    assert_int_equal(real()->random(real(), first, 0), 0);
    assert_int_equal(first[0], 0);
    assert_int_equal(real()->random(real(), first, 999), 0);
    assert_int_equal(real()->random(real(), again, 999), 0);
    assert_int_equal(first[999], 0);
    for (size_t at = 0; at + 32 <= 999; at += 32) {
        static const unsigned char zeros[32];
        assert_memory_not_equal(first + at, zeros, 32);
        assert_memory_not_equal(first + at, again + at, 32);
    }
}

static void test_clocks__run(void **state)
{
    (void)state;
    gust_time before = real()->now(real());
    gust_time after = real()->now(real());
    assert_true(before > 0 && after >= before);
    gust_time wall = real()->wall(real()) / GUST_SECONDS(1);
    assert_in_range(wall, time(NULL) - 2, time(NULL) + 2);
}

/* ---- The fault injector ----------------------------------------------- */

static void test_faults__the_nth_call__once_or_from_then_on(void **state)
{
    struct faults faults;
    int fds[2];
    (void)state;
    loops_pair(fds);
    faults_init(&faults, NULL);
    faults_fail(&faults, FAULTS_SEND, 2, -ENOBUFS, FAULTS_ONCE);
    faults_fail(&faults, FAULTS_SEND, 4, -EPIPE, FAULTS_FROM_THEN_ON);
    static const int expected[] = {1, -ENOBUFS, 1, -EPIPE, -EPIPE};
    for (size_t i = 0; i < COUNT(expected); i++) {
        assert_int_equal(faults.sys.send(&faults.sys, fds[1], "x", 1, 0), expected[i]);
    }
    assert_int_equal(faults.calls[FAULTS_SEND], 5);
    assert_int_equal(faults.injected, 3);
    faults_clear(&faults);
    assert_int_equal(faults.sys.send(&faults.sys, fds[1], "x", 1, 0), 1);
    close(fds[0]);
    close(fds[1]);
}

static void test_faults__short__acts_on_one_byte(void **state)
{
    struct iovec two[2] = {BYTES(""), BYTES("abc")};
    struct faults faults;
    char got[8];
    int fds[2];
    (void)state;
    loops_pair(fds);
    faults_init(&faults, NULL);
    for (int call = FAULTS_READ; call <= FAULTS_SENDV; call++) {
        faults_fail(&faults, (enum faults_call)call, 1, FAULTS_SHORT, FAULTS_FROM_THEN_ON);
    }
    const gust_sys *sys = &faults.sys;
    assert_int_equal(sys->sendv(sys, fds[1], two, 2, 0), 1);
    assert_int_equal(sys->writev(sys, fds[1], two, 2), 1);
    assert_int_equal(sys->send(sys, fds[1], "de", 2, 0), 1);
    assert_int_equal(sys->write(sys, fds[1], "fg", 2), 1);
    for (size_t i = 0; i < 4; i++) {
        ssize_t n = i % 2 == 0 ? sys->recv(sys, fds[0], got + i, 4, 0)
                               : sys->read(sys, fds[0], got + i, 4);
        assert_int_equal(n, 1);
    }
    assert_memory_equal(got, "aadf", 4);
    close(fds[0]);
    close(fds[1]);
}

static void test_faults__close__closes_all_the_same(void **state)
{
    struct faults faults;
    int fd = dup(0);
    (void)state;
    faults_init(&faults, NULL);
    faults_fail(&faults, FAULTS_CLOSE, 1, -EIO, FAULTS_ONCE);
    assert_int_equal(faults.sys.close(&faults.sys, fd), -EIO);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static unsigned random_pattern(uint64_t seed)
{
    struct faults faults;
    unsigned pattern = 0;
    char byte;
    int fds[2];
    loops_pair(fds);
    faults_init(&faults, NULL);
    faults_randomly(&faults, seed, 500);
    for (int i = 0; i < 32; i++) {
        pattern = pattern << 1 | (faults.sys.recv(&faults.sys, fds[0], &byte, 1, 0) == -EINTR);
    }
    close(fds[0]);
    close(fds[1]);
    return pattern;
}

static void test_faults__random__repeat_from_their_seed(void **state)
{
    (void)state;
    assert_int_equal(random_pattern(7), random_pattern(7));
    assert_int_not_equal(random_pattern(7), random_pattern(8));
    assert_int_not_equal(random_pattern(7), 0);
}

/* What a sweep does: a scenario of two calls of send and one of close. */
static void send_twice(struct faults *faults, void *user)
{
    const gust_sys *sys = &faults->sys;
    int fds[2];
    loops_pair(fds);
    int codes[2];
    for (int i = 0; i < 2; i++) {
        codes[i] = (int)sys->send(sys, fds[1], "xy", 2, 0);
    }
    int closed = sys->close(sys, fds[0]);
    close(fds[1]);
    bool told = strcmp(faults_current(), "no fault") != 0;
    bool hit = codes[0] != 2 || codes[1] != 2 || closed != 0;
    assert_int_equal(hit, told);
    assert_int_equal(faults->injected != 0, hit);
    ++*(unsigned long *)user;
}

static void test_faults__sweep__runs_each_fault_of_each_call(void **state)
{
    unsigned long runs = 0;
    unsigned faults_of_send = 0;
    unsigned hard_of_send = 0;
    (void)state;
    for (unsigned i = 0; faults_plausible(FAULTS_SEND, i) != 0; i++) {
        faults_of_send++;
        hard_of_send += !faults_is_transient(faults_plausible(FAULTS_SEND, i));
    }
    assert_int_equal(faults_sweep(send_twice, &runs), 1 + 2 * faults_of_send + 2 * hard_of_send +
                                                          2 /* close, once */ + 2 /* EIO, on */);
    assert_int_equal(runs, 1 + 2 * faults_of_send + 2 * hard_of_send + 4);
    assert_string_equal(faults_current(), "no fault");
    for (int call = 0; call < FAULTS_CALLS; call++) {
        assert_non_null(faults_call_name((enum faults_call)call));
        assert_int_not_equal(faults_plausible((enum faults_call)call, 0), 0);
        assert_int_equal(faults_plausible((enum faults_call)call, 10), 0);
    }
}

/* ---- The clock -------------------------------------------------------- */

static void test_clock__passes_only_in_waits_without_events(void **state)
{
    struct clock clock;
    clock_init(&clock, NULL);
    (void)state;
    const gust_sys *sys = &clock.sys;
    gust_time start = sys->now(sys);
    gust_time wall = sys->wall(sys);
    gust_ioloop *loop;
    gust_ioloop_options options = {.sys = sys, .keep_current = true};
    assert_int_equal(gust_ioloop_new(&options, &loop), 0);
    int ran = 0;
    assert_int_equal(gust_ioloop_call_later(loop, GUST_SECONDS(60), loops_count, &ran, NULL), 0);
    assert_int_equal(sys->now(sys), start);
    assert_int_equal(gust_ioloop_run(loop, GUST_RUN_ONCE), 0);
    assert_int_equal(sys->now(sys), start + GUST_SECONDS(60));
    assert_int_equal(sys->wall(sys), wall + GUST_SECONDS(60));
    assert_int_equal(clock.last_timeout, GUST_SECONDS(60));
    assert_int_equal(clock.waits, 1);
    clock_advance(&clock, 5);
    assert_int_equal(sys->now(sys), start + GUST_SECONDS(60) + 5);
    gust_ioloop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOPS_CASE(test_socket_accept__come_out_prepared),
        LOOPS_CASE(test_connect__refused__shows_as_the_pending_error),
        LOOPS_CASE(test_transfer__counts_and_codes),
        LOOPS_CASE(test_sendfile__moves_the_offset),
        LOOPS_CASE(test_transfer__interrupted__is_made_again),
        LOOPS_CASE(test_random__fills_all_of_it),
        LOOPS_CASE(test_clocks__run),
        LOOPS_CASE(test_faults__the_nth_call__once_or_from_then_on),
        LOOPS_CASE(test_faults__short__acts_on_one_byte),
        LOOPS_CASE(test_faults__close__closes_all_the_same),
        LOOPS_CASE(test_faults__random__repeat_from_their_seed),
        LOOPS_CASE(test_faults__sweep__runs_each_fault_of_each_call),
        LOOPS_CASE(test_clock__passes_only_in_waits_without_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What tests of loops share. */
#include "tests/support/loops.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *current_poller;

static int works_here(const char *name)
{
    gust_ioloop *loop;
    if (gust_ioloop_new(&(gust_ioloop_options){.poller = name, .keep_current = true}, &loop) != 0) {
        return 0;
    }
    gust_ioloop_free(loop);
    return 1;
}

int loops_over_pollers(int (*group)(void))
{
    static const char *const names[] = {"epoll", "kqueue", "devpoll", "poll"};
    const char *only = getenv("GUST_POLLER");
    int failures = 0;
    int rounds = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (works_here(names[i]) && (only == NULL || strcmp(only, names[i]) == 0)) {
            current_poller = names[i];
            printf("-- %s\n", current_poller);
            failures += group();
            rounds++;
        }
    }
    return failures != 0 || rounds == 0;
}

const char *loops_poller(void)
{
    return current_poller;
}

gust_ioloop *loops_new(const gust_sys *sys)
{
    gust_ioloop *loop = NULL;
    gust_ioloop_options options = {.poller = current_poller, .sys = sys, .keep_current = true};
    assert_int_equal(gust_ioloop_new(&options, &loop), 0);
    return loop;
}

int loops_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        count += fcntl(fd, F_GETFD) != -1;
    }
    return count;
}

static void set_nonblocking(const int fds[2])
{
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fcntl(fds[i], F_SETFL, O_NONBLOCK), 0);
    }
}

void loops_pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    set_nonblocking(fds);
}

void loops_pipe(int fds[2])
{
    assert_int_equal(pipe(fds), 0);
    set_nonblocking(fds);
}

int loops_listen(int *out_port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 128), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *out_port = ntohs(address.sin_port);
    return fd;
}

void loops_tcp_pair(int fds[2])
{
    int port;
    int listener = loops_listen(&port);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fds[0], (struct sockaddr *)&address, sizeof(address)), 0);
    fds[1] = accept(listener, NULL, NULL);
    assert_true(fds[1] >= 0);
    close(listener);
    set_nonblocking(fds);
}

void loops_stop(gust_ioloop *loop, void *user)
{
    (void)user;
    gust_ioloop_stop(loop);
}

void loops_count(gust_ioloop *loop, void *user)
{
    (void)loop;
    ++*(int *)user;
}

static int descriptors_before;

int loops_before(void **state)
{
    (void)state;
    descriptors_before = loops_descriptors();
    return 0;
}

int loops_after(void **state)
{
    (void)state;
    int now = loops_descriptors();
    if (now != descriptors_before) {
        print_error("%d descriptors before the case, %d after it\n", descriptors_before, now);
        return -1;
    }
    return 0;
}

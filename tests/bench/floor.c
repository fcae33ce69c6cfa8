/* floor.c - the least that an HTTP server on epoll can do, to measure against.
 *
 * A level-triggered loop on one thread: one read into one shared buffer, a
 * scan for blank lines, for each a copy of a fixed answer, one write. It
 * parses nothing, routes nothing, times nothing out, keeps no state of a
 * connection. A blank line cut in two by the buffer's end is not seen, and an
 * answer that the kernel doesn't take whole ends the connection: neither
 * happens with a load that waits for its answers, and both would be seen as a
 * stalled load.
 *
 * --length is that of one whole answer; a header of padding fills it up. */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 512, IN_SIZE = 64 * 1024, OUT_SIZE = 4 * 1024 * 1024 };

static char in[IN_SIZE];
static char out[OUT_SIZE];
static char answer[4096];
static size_t answer_len;

static void make_answer(long length)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                               "Content-Length: 12\r\nX-Pad: ";
    static const char tail[] = "\r\n\r\nHello, world";
    long pad = length - (long)(sizeof head - 1 + sizeof tail - 1);

    if (pad < 0 || length > (long)sizeof answer) {
        bench_die("--length must be %zu to %zu", sizeof head + sizeof tail - 2, sizeof answer);
    }
    memcpy(answer, head, sizeof head - 1);
    memset(answer + sizeof head - 1, '-', (size_t)pad);
    memcpy(answer + sizeof head - 1 + pad, tail, sizeof tail - 1);
    answer_len = (size_t)length;
}

static void accept_all(int poller, int listener)
{
    int on = 1;
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

static size_t answer_all(const char *text, size_t len)
{
    const char *end = text + len;
    size_t used = 0;

    while (used + answer_len <= sizeof out &&
           (text = memmem(text, (size_t)(end - text), "\r\n\r\n", 4)) != NULL) {
        memcpy(out + used, answer, answer_len);
        used += answer_len;
        text += 4;
    }
    return used;
}

static void serve(int fd)
{
    ssize_t n = read(fd, in, sizeof in);
    size_t used;

    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) {
            close(fd);
        }
        return;
    }
    used = answer_all(in, (size_t)n);
    if (used > 0 && write(fd, out, used) != (ssize_t)used) {
        close(fd);
    }
}

static void run(int listener)
{
    struct epoll_event events[BATCH] = {{.events = EPOLLIN, .data.fd = listener}};
    int poller = epoll_create1(EPOLL_CLOEXEC);

    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &events[0]);
    while (true) {
        int count = epoll_wait(poller, events, BATCH, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener) {
                accept_all(poller, listener);
            } else {
                serve(events[i].data.fd);
            }
        }
    }
}

int main(int argc, char **argv)
{
    long port = 8888, length = 170;
    const char *address = "127.0.0.1";
    const bench_option table[] = {
        {"port", &port, NULL}, {"address", NULL, &address}, {"length", &length, NULL}, {0}};

    bench_options(argc, argv, table);
    make_answer(length);
    run(bench_listen(address, port));
    return 0;
}

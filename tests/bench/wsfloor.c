/* wsfloor.c - the least that a WebSocket server on epoll can do.
 *
 * As floor.c: one thread, one read, one write, nothing checked. On /ws it
 * unmasks each frame and sends it back, on /ws/broadcast it sends what it
 * read to all. The handshake's answer is the fixed one to the key that
 * wsload and idle send. What a connection keeps is where in a frame it is.
 * An answer that the kernel doesn't take whole ends the program. */
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

enum { BATCH = 512, IN_SIZE = 64 * 1024, MAX_FD = 20000, MAX_HEAD = 14 };

typedef struct conn {
    bool upgraded;
    bool broadcast;
    unsigned char head[MAX_HEAD]; /* of a frame, while it is incomplete */
    unsigned head_len;
    unsigned char mask[8]; /* the key twice, turned to the next byte */
    uint64_t left;         /* of the frame's payload */
} conn;

static conn conns[MAX_FD];
static unsigned char in[MAX_HEAD + IN_SIZE];
static unsigned char out[MAX_HEAD + IN_SIZE];

static void send_out(int fd, size_t len)
{
    ssize_t n = send(fd, out, len, MSG_NOSIGNAL);

    if (n >= 0 && (size_t)n != len) {
        bench_die("the load reads too slowly");
    }
}

static void send_all(size_t len)
{
    for (int fd = 0; fd < MAX_FD; fd++) {
        if (conns[fd].broadcast) {
            send_out(fd, len);
        }
    }
}

static void upgrade(int fd, ssize_t n)
{
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\n"
                                 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    conns[fd].upgraded = true;
    conns[fd].broadcast = memmem(in, (size_t)n, "/ws/broadcast ", 14) != NULL;
    memcpy(out, answer, sizeof answer - 1);
    send_out(fd, sizeof answer - 1);
}

/* Unmask by words, and turn the key to where the next byte begins. */
static void unmask(conn *c, unsigned char *to, const unsigned char *from, size_t len)
{
    unsigned char turned[8];
    uint64_t key, word;
    size_t i = 0;

    memcpy(&key, c->mask, 8);
    for (; i + 8 <= len; i += 8) {
        memcpy(&word, from + i, 8);
        word ^= key;
        memcpy(to + i, &word, 8);
    }
    for (; i < len; i++) {
        to[i] = from[i] ^ c->mask[i % 8];
    }
    for (i = 0; i < 8; i++) {
        turned[i] = c->mask[(i + len) % 4];
    }
    memcpy(c->mask, turned, 8);
}

/* The length of a frame's header at p, 0 where it is incomplete. */
static size_t head_len(const unsigned char *p, size_t len)
{
    size_t need = 6;

    if (len < 2) {
        return 0;
    }
    need += (p[1] & 127) == 126 ? 2 : (p[1] & 127) == 127 ? 8 : 0;
    return len >= need ? need : 0;
}

/* Take a header of n bytes; writes the same one without the mask. */
static size_t begin_frame(conn *c, const unsigned char *p, size_t n, unsigned char *to)
{
    c->left = p[1] & 127;
    if (n > 6) {
        c->left = 0;
        for (size_t i = 2; i < n - 4; i++) {
            c->left = c->left << 8 | p[i];
        }
    }
    memcpy(c->mask, p + n - 4, 4);
    memcpy(c->mask + 4, p + n - 4, 4);
    memcpy(to, p, n - 4);
    to[1] &= 127;
    return n - 4;
}

/* Turn `len` bytes of input into the answer in `out`; returns its length. */
static size_t turn(conn *c, const unsigned char *p, size_t len)
{
    const unsigned char *end = p + len;
    size_t used = 0;

    while (p < end) {
        size_t have = (size_t)(end - p);
        size_t take = c->left < have ? (size_t)c->left : have;

        if (take > 0) {
            unmask(c, out + used, p, take);
            used += take;
            c->left -= take;
        } else if ((take = head_len(p, have)) > 0) {
            used += begin_frame(c, p, take, out + used);
        } else {
            memcpy(c->head, p, have);
            c->head_len = (unsigned)have;
            take = have;
        }
        p += take;
    }
    return used;
}

static void serve(int fd)
{
    conn *c = &conns[fd];
    size_t stashed = c->head_len;
    ssize_t n;

    memcpy(in, c->head, stashed);
    n = recv(fd, in + stashed, IN_SIZE, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) {
            memset(c, 0, sizeof *c);
            close(fd);
        }
    } else if (!c->upgraded) {
        upgrade(fd, n);
    } else {
        c->head_len = 0;
        size_t used = turn(c, in, stashed + (size_t)n);
        if (c->broadcast) {
            send_all(used);
        } else if (used > 0) {
            send_out(fd, used);
        }
    }
}

static void accept_all(int poller, int listener)
{
    int on = 1;
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

        if (fd >= MAX_FD) {
            bench_die("more than %d descriptors", MAX_FD);
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(int argc, char **argv)
{
    struct epoll_event events[BATCH] = {{.events = EPOLLIN}};
    long port = 8888;
    const char *address = "127.0.0.1";
    const bench_option table[] = {{"port", &port, NULL}, {"address", NULL, &address}, {0}};
    int poller = epoll_create1(EPOLL_CLOEXEC), listener;

    bench_options(argc, argv, table);
    listener = events[0].data.fd = bench_listen(address, port);
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

/* idle.c - how much memory of a server an idle connection holds.
 *
 * It opens --count connections, on each asks once for --path and reads the
 * answer (or with --websocket asks for a WebSocket), and leaves all of them
 * open. The growth of the server's resident memory (--pid), divided by the
 * count, is the figure. Kernel memory is not in it.
 *
 * Before that it warms the server up: some hundred connections are opened and
 * closed, then as many opened to stay, so that code, pools and tables that a
 * server sets up once are not counted; and that the measured connections
 * can't live in memory that the closed ones left behind. */
#define _GNU_SOURCE
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WARM = 400 };

static const char *address = "127.0.0.1", *path = "/";
static long port = 8888, websocket = 0;

static int open_one(void)
{
    char request[256];
    int fd, len;

    if (websocket != 0) {
        return bench_connect_websocket(address, port, path);
    }
    len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s:%ld\r\n\r\n", path,
                   address, port);
    fd = bench_connect(address, port);
    bench_write_all(fd, request, (size_t)len);
    bench_read_answers(fd, 1);
    return fd;
}

static void open_many(int *fds, long count)
{
    for (long i = 0; i < count; i++) {
        fds[i] = open_one();
    }
}

static void close_many(const int *fds, long count)
{
    for (long i = 0; i < count; i++) {
        close(fds[i]);
    }
}

/* The figure after it stood still for half a second. */
static long settled_rss(long pid)
{
    long last = -1;

    for (int same = 0, tries = 0; same < 5 && tries < 100; tries++) {
        long now = bench_rss_bytes(pid);

        same = now == last ? same + 1 : 0;
        last = now;
        bench_sleep_ms(100);
    }
    return last;
}

int main(int argc, char **argv)
{
    long count = 10000, pid = 0, before, after;
    int *fds;
    const bench_option table[] = {{"port", &port, NULL},
                                  {"address", NULL, &address},
                                  {"path", NULL, &path},
                                  {"count", &count, NULL},
                                  {"websocket", &websocket, NULL},
                                  {"pid", &pid, NULL},
                                  {0}};

    bench_options(argc, argv, table);
    if (pid <= 0 || count <= 0) {
        bench_die("--pid is needed, and a --count above 0");
    }
    bench_raise_nofile(count + WARM);
    fds = bench_alloc((size_t)(count + WARM), sizeof *fds);
    open_many(fds, WARM);
    close_many(fds, WARM);
    open_many(fds, WARM);
    before = settled_rss(pid);
    open_many(fds + WARM, count);
    after = settled_rss(pid);
    printf("bytes_per_connection=%ld connections=%ld rss_before=%ld rss_after=%ld\n",
           (after - before) / count, count, before, after);
    close_many(fds, count + WARM);
    free(fds);
    return 0;
}

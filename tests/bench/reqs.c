/* reqs.c - a slow and exact HTTP client, to count what one request costs.
 *
 * It opens --connections (one by default) and sends --count batches of
 * --pipeline requests on each, a batch in one write, waiting for all answers
 * before the next. The bytes of a request are those that wrk sends. Beside the
 * length of one answer it prints nothing.
 *
 * --marks      before and after asks for /bench-begin and /bench-end, which
 *              are easy to find in a trace of the server
 * --pause-ms   sleep so long between batches, so that the server waits anew
 * --quiet      don't print the length */
#define _GNU_SOURCE
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *address = "127.0.0.1", *path = "/";
static long port = 8888;

static size_t put_request(char *out, size_t size, const char *target)
{
    int len = snprintf(out, size, "GET %s HTTP/1.1\r\nHost: %s:%ld\r\n\r\n", target, address, port);

    if (len < 0 || (size_t)len >= size) {
        bench_die("the request is too long");
    }
    return (size_t)len;
}

static void send_mark(int fd, const char *target)
{
    char request[256];

    bench_write_all(fd, request, put_request(request, sizeof request, target));
    bench_read_answers(fd, 1);
}

/* Make one batch's bytes; lent until the program ends. */
static const char *make_batch(long pipeline, size_t *out_len)
{
    static char batch[65536];
    size_t used = 0;

    for (long i = 0; i < pipeline; i++) {
        used += put_request(batch + used, sizeof batch - used, path);
    }
    *out_len = used;
    return batch;
}

static size_t send_batches(const int *fds, long connections, long count, long pipeline,
                           long pause_ms)
{
    size_t len, answer = 0;
    const char *batch = make_batch(pipeline, &len);

    for (long i = 0; i < count; i++) {
        bench_sleep_ms(pause_ms);
        for (long k = 0; k < connections; k++) {
            bench_write_all(fds[k], batch, len);
        }
        for (long k = 0; k < connections; k++) {
            answer = bench_read_answers(fds[k], pipeline);
        }
    }
    return answer;
}

int main(int argc, char **argv)
{
    long count = 1, pipeline = 1, pause_ms = 0, connections = 1, marks = 0, quiet = 0;
    size_t answer;
    int *fds;
    const bench_option table[] = {{"port", &port, NULL},
                                  {"address", NULL, &address},
                                  {"path", NULL, &path},
                                  {"count", &count, NULL},
                                  {"pipeline", &pipeline, NULL},
                                  {"pause-ms", &pause_ms, NULL},
                                  {"marks", &marks, NULL},
                                  {"quiet", &quiet, NULL},
                                  {"connections", &connections, NULL},
                                  {0}};

    bench_options(argc, argv, table);
    fds = bench_alloc((size_t)connections, sizeof *fds);
    for (long i = 0; i < connections; i++) {
        fds[i] = bench_connect(address, port);
    }
    if (marks != 0) {
        send_mark(fds[0], "/bench-begin");
    }
    answer = send_batches(fds, connections, count, pipeline, pause_ms);
    if (marks != 0) {
        bench_sleep_ms(pause_ms);
        send_mark(fds[0], "/bench-end");
    }
    for (long i = 0; i < connections; i++) {
        close(fds[i]);
    }
    free(fds);
    if (quiet == 0) {
        printf("%zu\n", answer);
    }
    return 0;
}

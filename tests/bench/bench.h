/* bench.h - what the programs in tests/bench share: options, a clock, a
 * blocking HTTP client, and figures of another process out of /proc.
 *
 * These are programs, not the library: they see it through a port only. They
 * may print, and they end at the first error with one sentence on stderr,
 * since a measurement that went wrong half way is worth nothing. */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

/* One `--name=value`; exactly one of number and text is set. The last entry
 * of a table has no name. A number given without a value (`--marks`) is 1. */
typedef struct bench_option {
    const char *name;
    long *number;
    const char **text;
} bench_option;

/* Print the formatted sentence and end with status 1. */
void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Fill the table's variables from the command line; an unknown option ends
 * the program with a list of the known ones. */
void bench_options(int argc, char **argv, const bench_option *table);

/* Nanoseconds on the monotonic clock. */
int64_t bench_now(void);

void bench_sleep_ms(long ms);

/* malloc or end. */
void *bench_alloc(size_t count, size_t size);

/* Raise RLIMIT_NOFILE so that `count` descriptors fit, or end. */
void bench_raise_nofile(long count);

/* A connected, blocking socket with TCP_NODELAY. */
int bench_connect(const char *address, long port);

/* A listening, non-blocking socket. */
int bench_listen(const char *address, long port);

/* Write all, on a blocking socket. */
void bench_write_all(int fd, const char *bytes, size_t len);

/* Read `count` whole HTTP answers (head, and as many bytes as its
 * Content-Length says). Returns the length of the last one. */
size_t bench_read_answers(int fd, long count);

/* Connect, ask for a WebSocket on `path`, check for 101. The key is the one
 * of RFC 6455 1.3, always, so that wsfloor needs no SHA-1. */
int bench_connect_websocket(const char *address, long port, const char *path);

/* Seconds of CPU time, user and system, of all threads of a process: from the
 * scheduler's own nanoseconds, since utime+stime come in steps of 10 ms. */
double bench_cpu_seconds(long pid);

/* Bytes of a process that are resident now. From smaps_rollup, which walks
 * the page tables; the counters in statm may be 64 pages a CPU off. */
long bench_rss_bytes(long pid);

#endif

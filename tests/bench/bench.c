/* bench.c - see bench.h. */
#define _GNU_SOURCE
#include "bench.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void bench_die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static const bench_option *find_option(const bench_option *table, const char *name, size_t len)
{
    for (; table->name != NULL; table++) {
        if (strlen(table->name) == len && memcmp(table->name, name, len) == 0) {
            return table;
        }
    }
    return NULL;
}

static void usage(const char *program, const bench_option *table)
{
    fprintf(stderr, "usage: %s", program);
    for (; table->name != NULL; table++) {
        fprintf(stderr, " [--%s=%s]", table->name, table->number != NULL ? "N" : "TEXT");
    }
    fputc('\n', stderr);
    exit(2);
}

static void set_option(const bench_option *option, const char *value)
{
    char *end = NULL;

    if (option->text != NULL) {
        *option->text = value;
        return;
    }
    *option->number = *value != '\0' ? strtol(value, &end, 10) : 1;
    if (end != NULL && *end != '\0') {
        bench_die("--%s: not a number: %s", option->name, value);
    }
}

void bench_options(int argc, char **argv, const bench_option *table)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i] + 2;
        const bench_option *option = NULL;

        if (strncmp(argv[i], "--", 2) == 0) {
            option = find_option(table, name, strcspn(name, "="));
        }
        if (option == NULL) {
            usage(argv[0], table);
        } else {
            const char *equals = strchr(name, '=');
            set_option(option, equals != NULL ? equals + 1 : "");
        }
    }
}

int64_t bench_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void bench_sleep_ms(long ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&pause, NULL);
}

void *bench_alloc(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (memory == NULL) {
        bench_die("out of memory");
    }
    return memory;
}

void bench_raise_nofile(long count)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)count + 64;

    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= wanted) {
        return;
    }
    limit.rlim_cur = wanted;
    if (limit.rlim_max < wanted) {
        limit.rlim_max = wanted;
    }
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        bench_die("%ld descriptors are more than the limit allows: %s", count, strerror(errno));
    }
}

static struct sockaddr_in address_of(const char *address, long port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    if (inet_pton(AF_INET, address, &in.sin_addr) != 1) {
        bench_die("not an IPv4 address: %s", address);
    }
    return in;
}

int bench_connect(const char *address, long port)
{
    struct sockaddr_in in = address_of(address, port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0 || connect(fd, (struct sockaddr *)&in, sizeof in) != 0) {
        bench_die("connect to %s:%ld: %s", address, port, strerror(errno));
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

int bench_listen(const char *address, long port)
{
    struct sockaddr_in in = address_of(address, port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&in, sizeof in) != 0 || listen(fd, 4096) != 0) {
        bench_die("listen on %s:%ld: %s", address, port, strerror(errno));
    }
    return fd;
}

void bench_write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0) {
            bench_die("write: %s", strerror(errno));
        }
        bytes += n;
        len -= (size_t)n;
    }
}

/* The length of the answer that begins at `text`, 0 while its head is
 * incomplete. A head without Content-Length is one without a body. */
static size_t answer_len(const char *text, size_t len)
{
    const char *end = memmem(text, len, "\r\n\r\n", 4);
    size_t head;
    const char *line = text;

    if (end == NULL) {
        return 0;
    }
    head = (size_t)(end - text) + 4;
    while (line < end) {
        if (strncasecmp(line, "content-length:", 15) == 0) {
            return head + strtoul(line + 15, NULL, 10);
        }
        line = (const char *)memchr(line, '\n', (size_t)(text + head - line)) + 1;
    }
    return head;
}

size_t bench_read_answers(int fd, long count)
{
    static char buffer[1 << 18];
    size_t have = 0, begin = 0, len = 0;

    while (count > 0) {
        ssize_t n = read(fd, buffer + have, sizeof buffer - 1 - have);

        if (n <= 0) {
            bench_die("the server ended the connection, or answered too much");
        }
        have += (size_t)n;
        buffer[have] = '\0';
        while (count > 0 && (len = answer_len(buffer + begin, have - begin)) > 0 &&
               have - begin >= len) {
            begin += len;
            count--;
        }
    }
    if (begin != have) {
        bench_die("the server sent more than its answers");
    }
    return len;
}

int bench_connect_websocket(const char *address, long port, const char *path)
{
    char text[1024];
    size_t have = 0;
    int fd = bench_connect(address, port);
    int len = snprintf(text, sizeof text,
                       "GET %s HTTP/1.1\r\nHost: %s:%ld\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                       path, address, port);

    bench_write_all(fd, text, (size_t)len);
    /* One byte at a time: what follows the blank line is a frame already. */
    while (have < 4 || memcmp(text + have - 4, "\r\n\r\n", 4) != 0) {
        if (have == sizeof text || read(fd, text + have, 1) != 1) {
            bench_die("no answer to the WebSocket handshake");
        }
        have++;
    }
    if (strncmp(text, "HTTP/1.1 101 ", 13) != 0 ||
        memmem(text, have, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 28) == NULL) {
        bench_die("WebSocket on %s was refused: %.*s", path, (int)strcspn(text, "\r"), text);
    }
    return fd;
}

static double thread_seconds(long pid, const char *thread)
{
    char path[320];
    unsigned long long ns = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%ld/task/%s/schedstat", pid, thread);
    file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    if (fscanf(file, "%llu", &ns) != 1) {
        ns = 0;
    }
    fclose(file);
    return (double)ns / 1e9;
}

double bench_cpu_seconds(long pid)
{
    char path[64];
    double seconds = 0;
    struct dirent *entry;
    DIR *dir;

    snprintf(path, sizeof path, "/proc/%ld/task", pid);
    dir = opendir(path);
    if (dir == NULL) {
        bench_die("process %ld is gone", pid);
    }
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            seconds += thread_seconds(pid, entry->d_name);
        }
    }
    closedir(dir);
    return seconds;
}

long bench_rss_bytes(long pid)
{
    char line[256];
    long kilobytes = -1;
    FILE *file;

    snprintf(line, sizeof line, "/proc/%ld/smaps_rollup", pid);
    file = fopen(line, "re");
    while (file != NULL && kilobytes < 0 && fgets(line, sizeof line, file) != NULL) {
        sscanf(line, "Rss: %ld kB", &kilobytes);
    }
    if (file == NULL || kilobytes < 0) {
        bench_die("no memory figures of process %ld", pid);
    }
    fclose(file);
    return kilobytes * 1024;
}

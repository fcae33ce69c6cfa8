/* wsload.c - a WebSocket load: many connections on one thread.
 *
 * --mode=echo       --connections each keep --depth text messages of --size
 *                   bytes in flight and count what comes back
 * --mode=broadcast  the first --senders of the --connections send so that
 *                   --depth messages are in flight; a message has landed when
 *                   all connections have it; deliveries are counted
 * --mode=idle       nothing is sent; pings are answered
 *
 * It runs --seconds (after --warm-ms that don't count), or with --count until
 * so many messages have come. It prints one line: messages a second, latency
 * from the write of a message to the read that brought its last byte (the
 * 50th and 99th of 100, within 2 %), and with --pid the CPU seconds that the
 * server spent, in all and per 100,000 messages.
 *
 * To stay ahead of the servers it does nothing twice: the masked frames lie
 * ready, up to --depth of them leave in one write, one read takes many
 * frames, and of a frame only its header is looked at; the length of each
 * message is checked, and the bytes of one on each connection. */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BATCH = 1024,
    IN_SIZE = 256 * 1024,
    STASH = 160,  /* holds any header and any whole control frame */
    STAMPS = 4096 /* messages in flight at most, of one connection or of a broadcast */
};

typedef struct conn {
    int fd;
    bool wants_out; /* EPOLLOUT is armed */
    bool checked;   /* one message was compared with what was sent */
    bool in_data;   /* inside a data frame's payload ... */
    bool fin;       /* ... which ends its message */
    uint64_t left;  /* of that payload */
    uint64_t len;   /* of the message so far */
    size_t offset;  /* in the frames, of the next byte to write */
    size_t unsent;  /* bytes to write */
    uint64_t sent, received;
    int64_t *stamps; /* when message number i was sent, at i % STAMPS */
    size_t stash_len;
    unsigned char stash[STASH];
} conn;

static long connections = 64, size = 20, depth = 1, senders = 1;
static bool broadcast, idle;
static conn *conns;
static int poller;
static unsigned char *frames; /* `depth` masked frames in a row */
static char *payload;
static size_t frame_len;
static uint64_t messages; /* received by all, since the start */
static uint64_t published;
static int64_t *shared_stamps; /* of a broadcast */
static int64_t now;
static unsigned char in[STASH + IN_SIZE];

/* ---- latency: 64 steps to each power of two of nanoseconds ---- */

enum { STEP_BITS = 6, STEPS = 1 << STEP_BITS };

static uint64_t histogram[64 * STEPS];

static void record_latency(int64_t ns)
{
    uint64_t value = (uint64_t)(ns > STEPS ? ns : STEPS);
    unsigned power = 63 - (unsigned)__builtin_clzll(value);

    histogram[power * STEPS + (value >> (power - STEP_BITS)) - STEPS]++;
}

static double latency_us(double share)
{
    uint64_t total = 0, seen = 0;

    for (size_t i = 0; i < 64 * STEPS; i++) {
        total += histogram[i];
    }
    for (size_t i = 0; i < 64 * STEPS; i++) {
        seen += histogram[i];
        if (seen > 0 && (double)seen >= share * (double)total) {
            return (double)((STEPS + i % STEPS) << (i / STEPS)) / STEPS / 1000;
        }
    }
    return 0;
}

/* ---- frames ---- */

static size_t put_head(unsigned char *to, int opcode, size_t len)
{
    size_t used = 2, bytes = len < 126 ? 0 : len < 65536 ? 2 : 8;

    to[0] = (unsigned char)(0x80 | opcode);
    to[1] = (unsigned char)(0x80 | (bytes == 0 ? len : bytes == 2 ? 126 : 127));
    while (bytes-- > 0) {
        to[used++] = (unsigned char)(len >> (8 * bytes));
    }
    return used;
}

static void put_masked(unsigned char *to, const char *from, size_t len)
{
    static const unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};

    memcpy(to, key, 4);
    for (size_t i = 0; i < len; i++) {
        to[4 + i] = (unsigned char)from[i] ^ key[i % 4];
    }
}

static void make_frames(void)
{
    size_t head;

    payload = bench_alloc((size_t)size + 1, 1);
    for (long i = 0; i < size; i++) {
        payload[i] = (char)('a' + i % 26);
    }
    frames = bench_alloc((size_t)depth, (size_t)size + 14);
    head = put_head(frames, 1, (size_t)size);
    put_masked(frames + head, payload, (size_t)size);
    frame_len = head + 4 + (size_t)size;
    for (long i = 1; i < depth; i++) {
        memcpy(frames + (size_t)i * frame_len, frames, frame_len);
    }
}

/* ---- output ---- */

static void watch_out(conn *c, bool wanted)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

    if (c->wants_out != wanted) {
        event.events |= wanted ? EPOLLOUT : 0;
        epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
        c->wants_out = wanted;
    }
}

/* Write what is unsent; the frames repeat, so the offset wraps around. */
static void flush(conn *c)
{
    size_t row = (size_t)depth * frame_len;

    while (c->unsent > 0) {
        size_t len = row - c->offset < c->unsent ? row - c->offset : c->unsent;
        ssize_t n = send(c->fd, frames + c->offset, len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno != EAGAIN) {
            bench_die("send: %s", strerror(errno));
        }
        if (n < 0) {
            break;
        }
        c->unsent -= (size_t)n;
        c->offset = c->unsent == 0 ? 0 : (c->offset + (size_t)n) % row;
    }
    watch_out(c, c->unsent > 0);
}

static void send_messages(conn *c, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        c->stamps[c->sent++ % STAMPS] = now;
    }
    c->unsent += count * frame_len;
    flush(c);
}

/* Broadcast: fill up what has landed everywhere. */
static void publish(void)
{
    uint64_t landed = messages / (uint64_t)connections;

    while (published - landed < (uint64_t)depth) {
        shared_stamps[published % STAMPS] = now;
        send_messages(&conns[published % (uint64_t)senders], 1);
        published++;
    }
}

/* ---- input ---- */

static void send_pong(conn *c, const unsigned char *data, size_t len)
{
    unsigned char frame[STASH];
    size_t head = put_head(frame, 10, len);

    put_masked(frame + head, (const char *)data, len);
    /* Between frames only: where a frame is half written the ping goes unanswered. */
    if (c->unsent == 0) {
        send(c->fd, frame, head + 4 + len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

static void take_control(conn *c, const unsigned char *p, size_t head, size_t len)
{
    int opcode = p[0] & 15;

    if (opcode == 9) {
        send_pong(c, p + head, len);
    } else if (opcode == 8) {
        bench_die("the server closes, with code %d", len >= 2 ? p[head] << 8 | p[head + 1] : 0);
    }
}

static void end_message(conn *c)
{
    const int64_t *stamps = broadcast ? shared_stamps : c->stamps;

    if (c->len != (uint64_t)size) {
        bench_die("a message of %llu bytes came back", (unsigned long long)c->len);
    }
    c->len = 0;
    record_latency(now - stamps[c->received % STAMPS]);
    c->received++;
    messages++;
}

static void check_first(conn *c, const unsigned char *p, size_t len)
{
    if (len == (size_t)size) {
        if (memcmp(p, payload, len) != 0) {
            bench_die("a message came back changed");
        }
        c->checked = true;
    }
}

static size_t payload_len(const unsigned char *p, size_t *out_head)
{
    size_t len = p[1] & 127;
    size_t bytes = len < 126 ? 0 : len == 126 ? 2 : 8;

    if (bytes > 0) {
        len = 0;
        for (size_t i = 0; i < bytes; i++) {
            len = len << 8 | p[2 + i];
        }
    }
    *out_head = 2 + bytes;
    return len;
}

/* Take a frame's header, and of a control frame all; 0 where not all is there. */
static size_t take_head(conn *c, const unsigned char *p, size_t have)
{
    size_t head, len;

    if (have < 2 || have < (size_t)((p[1] & 127) < 126 ? 2 : (p[1] & 127) == 126 ? 4 : 10)) {
        return 0;
    }
    len = payload_len(p, &head);
    if ((p[0] & 0x70) != 0 || (p[1] & 0x80) != 0 || len > (size_t)size + 125) {
        bench_die("a frame that no server may send here: %02x %02x", p[0], p[1]);
    }
    if ((p[0] & 8) != 0) {
        if (have < head + len) {
            return 0;
        }
        take_control(c, p, head, len);
        return head + len;
    }
    c->in_data = true;
    c->fin = (p[0] & 0x80) != 0;
    c->left = len;
    c->len += len;
    if (!c->checked && have >= head + len) {
        check_first(c, p + head, len);
    }
    return head;
}

static void parse(conn *c, const unsigned char *p, const unsigned char *end)
{
    while (true) {
        size_t have = (size_t)(end - p);
        size_t take = c->left < have ? (size_t)c->left : have;

        p += take;
        c->left -= take;
        if (c->left > 0) {
            return;
        }
        if (c->in_data) {
            c->in_data = false;
            if (c->fin) {
                end_message(c);
            }
        }
        take = take_head(c, p, (size_t)(end - p));
        if (take == 0) {
            break;
        }
        p += take;
    }
    c->stash_len = (size_t)(end - p);
    memcpy(c->stash, p, c->stash_len);
}

/* One read; whatever was cut off last time stands before it. */
static void receive(conn *c)
{
    size_t stashed = c->stash_len;
    uint64_t before = c->received;
    ssize_t n = recv(c->fd, in + STASH, IN_SIZE, MSG_DONTWAIT);

    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) {
            bench_die("the server ended a connection: %s", n == 0 ? "end" : strerror(errno));
        }
        return;
    }
    memcpy(in + STASH - stashed, c->stash, stashed);
    c->stash_len = 0;
    parse(c, in + STASH - stashed, in + STASH + n);
    if (!broadcast && c->received > before) {
        send_messages(c, c->received - before);
    }
}

/* ---- the run ---- */

static void check_any_compared(void)
{
    for (long i = 0; i < connections; i++) {
        if (conns[i].checked) {
            return;
        }
    }
    bench_die("no message came whole in one read, so none was compared");
}

static void open_all(const char *address, long port, const char *path)
{
    poller = epoll_create1(EPOLL_CLOEXEC);
    conns = bench_alloc((size_t)connections, sizeof *conns);
    shared_stamps = bench_alloc(STAMPS, sizeof *shared_stamps);
    for (long i = 0; i < connections; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &conns[i]};

        conns[i].fd = bench_connect_websocket(address, port, path);
        if (!idle && (!broadcast || i < senders)) {
            conns[i].stamps = bench_alloc(STAMPS, sizeof *conns[i].stamps);
        }
        epoll_ctl(poller, EPOLL_CTL_ADD, conns[i].fd, &event);
    }
}

static void start(void)
{
    now = bench_now();
    if (broadcast) {
        publish();
    }
    for (long i = 0; i < connections && !broadcast && !idle; i++) {
        send_messages(&conns[i], (uint64_t)depth);
    }
}

static void turn(void)
{
    struct epoll_event events[BATCH];
    int count = epoll_wait(poller, events, BATCH, 10);

    now = bench_now();
    for (int i = 0; i < count; i++) {
        conn *c = events[i].data.ptr;

        if ((events[i].events & EPOLLOUT) != 0) {
            flush(c);
        }
        if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0) {
            receive(c);
        }
    }
    if (broadcast) {
        publish();
    }
}

/* Run until `end`, or until `count` messages have come where it isn't 0. */
static void run(int64_t end, uint64_t count)
{
    while (now < end && (count == 0 || messages < count)) {
        turn();
    }
}

static void report(double seconds, uint64_t count, double cpu)
{
    double per_message = count > 0 ? 100000 / (double)count : 0;

    printf("rate=%.0f p50_us=%.1f p99_us=%.1f cpu=%.6f cpu_per_100k=%.4f messages=%llu "
           "seconds=%.2f\n",
           (double)count / seconds, latency_us(0.5), latency_us(0.99), cpu, cpu * per_message,
           (unsigned long long)count, seconds);
}

static void measure(long seconds, long count, long pid)
{
    uint64_t from = messages;
    int64_t begin = now;
    double cpu = pid > 0 ? bench_cpu_seconds(pid) : 0;

    memset(histogram, 0, sizeof histogram);
    if (count > 0) {
        run(INT64_MAX, from + (uint64_t)count);
    } else {
        run(begin + seconds * 1000000000, 0);
    }
    cpu = pid > 0 ? bench_cpu_seconds(pid) - cpu : 0;
    if (messages > 0) {
        check_any_compared();
    }
    report((double)(now - begin) / 1e9, messages - from, cpu);
}

int main(int argc, char **argv)
{
    long port = 8888, pid = 0, seconds = 3, count = 0, warm_ms = 300;
    const char *address = "127.0.0.1", *path = NULL, *mode = "echo";
    const bench_option table[] = {{"port", &port, NULL},
                                  {"address", NULL, &address},
                                  {"path", NULL, &path},
                                  {"mode", NULL, &mode},
                                  {"size", &size, NULL},
                                  {"connections", &connections, NULL},
                                  {"depth", &depth, NULL},
                                  {"senders", &senders, NULL},
                                  {"seconds", &seconds, NULL},
                                  {"count", &count, NULL},
                                  {"pid", &pid, NULL},
                                  {"warm-ms", &warm_ms, NULL},
                                  {0}};

    bench_options(argc, argv, table);
    broadcast = strcmp(mode, "broadcast") == 0;
    idle = strcmp(mode, "idle") == 0;
    if (!broadcast && !idle && strcmp(mode, "echo") != 0) {
        bench_die("--mode is echo, broadcast or idle");
    }
    if (depth < 1 || depth > STAMPS || connections < 1 || senders < 1 || senders > connections) {
        bench_die("--depth is 1 to %d, --senders 1 to --connections", STAMPS);
    }
    bench_raise_nofile(connections);
    make_frames();
    open_all(address, port, path != NULL ? path : broadcast ? "/ws/broadcast" : "/ws");
    start();
    run(now + warm_ms * 1000000, 0);
    measure(seconds, count, pid);
    return 0;
}

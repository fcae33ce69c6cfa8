/* Two streams connected by memory.
 *
 * Each direction is a buffer of 64 KiB; a full one holds its writer back, as a
 * socket's would. Readiness is level-triggered like the poller's: while a side
 * wants events that hold, it is told once an iteration. */
#include "iostream/iostream_internal.h"
#include "util/alloc_internal.h"

#define PAIR_BUFFER ((size_t)64 * 1024)

/* One side. `in` holds what the other side wrote. Freed when both are closed. */
struct side {
    struct pair *pair;
    struct side *other;
    gust_iostream *s; /* NULL once closed */
    unsigned events;  /* wanted */
    bool posted;      /* a callback will look at it */
    bool ended;       /* the other side has shut down or closed */
    bool busy;        /* a function of the transport runs for its stream */
    bool doomed;      /* it can't be woken any more */
    size_t off;
    size_t len;
    char in[PAIR_BUFFER];
};

struct pair {
    gust_list link; /* in io->pairs */
    gust_ioloop *loop;
    int users; /* open sides and posted callbacks */
    struct side side[2];
};

static void pair_unref(struct pair *pair)
{
    if (--pair->users == 0) {
        gust_list_remove(&pair->link);
        gust__free(pair);
    }
}

static unsigned ready_events(const struct side *side)
{
    unsigned events = 0;
    if (side->len > 0 || side->ended) {
        events |= GUST_READ;
    }
    if (side->other->s == NULL || side->other->len < PAIR_BUFFER) {
        events |= GUST_WRITE;
    }
    return events & side->events;
}

static void poke(struct side *side);

static void deliver(gust_ioloop *loop, void *user)
{
    (void)loop;
    struct side *side = user;
    side->posted = false;
    unsigned events = side->s != NULL ? ready_events(side) : 0;
    if (events != 0) {
        gust_iostream_ready(side->s, events);
        poke(side);
    }
    pair_unref(side->pair);
}

/* Where the loop has no memory for the callback the stream ends: it would never
 * be woken again. Never under the feet of its own call: that returns the code. */
static void poke(struct side *side)
{
    if (side->posted || side->s == NULL || ready_events(side) == 0) {
        return;
    }
    int code = gust_ioloop_add_callback(side->pair->loop, deliver, side);
    if (code != 0 && side->busy) {
        side->doomed = true;
        return;
    }
    if (code != 0) {
        gust_iostream_close_with(side->s, code);
        return;
    }
    side->posted = true;
    side->pair->users++;
}

static void begin(struct side *side)
{
    side->busy = true;
}

/* What the call returns: n, unless the stream has to end. */
static ssize_t end(struct side *side, ssize_t n)
{
    side->busy = false;
    return side->doomed ? -ENOMEM : n;
}

static ssize_t pair_read(gust_iostream *s, void *transport, void *buf, size_t n)
{
    (void)s;
    struct side *side = transport;
    if (side->len == 0) {
        return side->ended ? 0 : -EAGAIN;
    }
    if (n > side->len) {
        n = side->len;
    }
    memcpy(buf, side->in + side->off, n);
    side->off += n;
    side->len -= n;
    if (side->len == 0) {
        side->off = 0;
    }
    begin(side);
    poke(side->other);
    return end(side, (ssize_t)n);
}

static ssize_t pair_writev(gust_iostream *s, void *transport, const struct iovec *iov, int n)
{
    (void)s;
    struct side *side = transport, *to = side->other;
    size_t total = 0;
    if (to->s == NULL) {
        return -EPIPE;
    }
    if (to->off > 0) {
        memmove(to->in, to->in + to->off, to->len);
        to->off = 0;
    }
    for (int i = 0; i < n && to->len < PAIR_BUFFER; i++) {
        size_t room = PAIR_BUFFER - to->len;
        size_t part = iov[i].iov_len < room ? iov[i].iov_len : room;
        memcpy(to->in + to->len, iov[i].iov_base, part);
        to->len += part;
        total += part;
    }
    begin(side);
    poke(to);
    return end(side, total > 0 ? (ssize_t)total : -EAGAIN);
}

static int pair_interest(gust_iostream *s, void *transport, unsigned events)
{
    (void)s;
    struct side *side = transport;
    side->events = events;
    begin(side);
    poke(side);
    return (int)end(side, 0);
}

static int pair_shutdown(gust_iostream *s, void *transport)
{
    (void)s;
    struct side *side = transport;
    side->other->ended = true;
    poke(side->other);
    return 0;
}

static void pair_close(gust_iostream *s, void *transport)
{
    struct side *side = transport;
    (void)pair_shutdown(s, transport);
    side->s = NULL;
    pair_unref(side->pair);
}

static const gust_iostream_transport pair_transport = {.name = "pair",
                                                       .read = pair_read,
                                                       .writev = pair_writev,
                                                       .interest = pair_interest,
                                                       .shutdown = pair_shutdown,
                                                       .close = pair_close};

static struct pair *pair_make(gust_ioloop *loop)
{
    struct pair *pair = gust__calloc(1, sizeof *pair);
    if (pair != NULL) {
        pair->loop = loop;
        pair->users = 2;
        for (int i = 0; i < 2; i++) {
            pair->side[i].pair = pair;
            pair->side[i].other = &pair->side[1 - i];
        }
    }
    return pair;
}

static void side_close(struct side *side)
{
    if (side->s != NULL) {
        gust_iostream_close(side->s);
    }
}

void gust__pairs_close(struct gust__io *io, gust_list *out_pairs)
{
    while (!gust_list_is_empty(&io->pairs)) {
        struct pair *pair = GUST_CONTAINER_OF(io->pairs.next, struct pair, link);
        gust_list_remove(&pair->link);
        gust_list_push(out_pairs, &pair->link);
        pair->users++;
        side_close(&pair->side[0]);
        side_close(&pair->side[1]);
        pair_unref(pair);
    }
}

void gust__pairs_free(gust_list *pairs)
{
    while (!gust_list_is_empty(pairs)) {
        struct pair *pair = GUST_CONTAINER_OF(pairs->next, struct pair, link);
        gust_list_remove(&pair->link);
        gust__free(pair);
    }
}

int gust_iostream_pair(gust_ioloop *loop, const gust_iostream_options *options,
                       gust_iostream **out_a, gust_iostream **out_b)
{
    struct gust__io *io;
    GUST_TRY(gust__io_get(loop, &io));
    struct pair *pair = pair_make(loop);
    if (pair == NULL) {
        return -ENOMEM;
    }
    gust_iostream *s[2];
    int code = gust__stream_new(io, &pair_transport, &pair->side[0], options, &s[0]);
    if (code == 0) {
        code = gust__stream_new(io, &pair_transport, &pair->side[1], options, &s[1]);
        if (code != 0) {
            gust__free(s[0]);
        }
    }
    if (code != 0) {
        gust__free(pair);
        return code;
    }
    gust_list_push(&io->pairs, &pair->link);
    pair->side[0].s = s[0];
    pair->side[1].s = s[1];
    *out_a = s[0];
    *out_b = s[1];
    return 0;
}

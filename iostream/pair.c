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
    struct gust__wake wake; /* it is to be looked at */
    struct pair *pair;
    struct side *other;
    gust_iostream *s; /* NULL once closed */
    unsigned events;  /* wanted */
    bool ended;       /* the other side has shut down or closed */
    size_t off;
    size_t len;
    char in[PAIR_BUFFER];
};

struct pair {
    gust_list link; /* in io->pairs */
    struct gust__io *io;
    int users; /* open sides and those that are to be looked at */
    struct side side[2];
};

static void check(const struct side *side)
{
    GUST_ASSERT(side->pair->users > 0);
    GUST_ASSERT(side->len <= PAIR_BUFFER && side->off <= PAIR_BUFFER - side->len);
    GUST_ASSERT(side->other->other == side);
    (void)side;
}

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

static void deliver(struct gust__wake *wake)
{
    struct side *side = GUST_CONTAINER_OF(wake, struct side, wake);
    unsigned events = side->s != NULL ? ready_events(side) : 0;
    check(side);
    if (events != 0) {
        gust_iostream_ready(side->s, events);
        poke(side);
    }
    pair_unref(side->pair);
}

/* Something about this side has changed: have it looked at where it matters. */
static void poke(struct side *side)
{
    check(side);
    if (side->s != NULL && ready_events(side) != 0 &&
        gust__io_wake(side->pair->io, &side->wake, deliver)) {
        side->pair->users++;
    }
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
    poke(side->other);
    return (ssize_t)n;
}

static ssize_t pair_writev(gust_iostream *s, void *transport, const struct iovec *iov, int n)
{
    (void)s;
    struct side *to = ((struct side *)transport)->other;
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
    poke(to);
    return total > 0 ? (ssize_t)total : -EAGAIN;
}

static int pair_interest(gust_iostream *s, void *transport, unsigned events)
{
    (void)s;
    struct side *side = transport;
    side->events = events;
    poke(side);
    return 0;
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
    side->s = NULL;
    (void)pair_shutdown(s, transport);
    pair_unref(side->pair);
}

static const gust_iostream_transport pair_transport = {.name = "pair",
                                                       .read = pair_read,
                                                       .writev = pair_writev,
                                                       .interest = pair_interest,
                                                       .shutdown = pair_shutdown,
                                                       .close = pair_close};

static struct pair *pair_make(struct gust__io *io)
{
    struct pair *pair = gust__calloc(1, sizeof *pair);
    if (pair != NULL) {
        pair->io = io;
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

/* Those whose sides are closed stay in the list until they have been looked at. */
void gust__pairs_close(struct gust__io *io)
{
    gust_list *next;
    for (gust_list *l = io->pairs.next; l != &io->pairs; l = next) {
        struct pair *pair = GUST_CONTAINER_OF(l, struct pair, link);
        pair->users++;
        side_close(&pair->side[0]);
        side_close(&pair->side[1]);
        next = l->next;
        pair_unref(pair);
    }
}

int gust_iostream_pair(gust_ioloop *loop, const gust_iostream_options *options,
                       gust_iostream **out_a, gust_iostream **out_b)
{
    struct gust__io *io;
    GUST_TRY(gust__io_get(loop, &io));
    struct pair *pair = pair_make(io);
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

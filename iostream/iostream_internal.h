/* What the files of the stream share.
 *
 *   iostream.c   life, events, deadline, close
 *   read.c       from the transport to the reader; bytes that wait
 *   verbs.c      read_until and its kin, connect and close callbacks
 *   write.c      the write queue and its way out
 *   io.c         what a loop keeps for all its streams
 *   socket.c     the transport over a socket
 *   pair.c       the transport over memory
 *
 * A stream is 120 bytes and holds nothing else while idle: bytes not taken, the
 * write queue and the state of the verbs are made when they are needed. */
#ifndef GUST_IOSTREAM_INTERNAL_H
#define GUST_IOSTREAM_INTERNAL_H

#include <gust/iostream.h>
#include <gust/limits.h>
#include <gust/list.h>

#include "util/check_internal.h"

/* Bytes of the loop's shared receive buffer, and of a chunk of copied output. */
#define GUST__RECV_SIZE ((size_t)64 * 1024)
#define GUST__CHUNK_SIZE ((size_t)4096)

/* What a stream may write in one event before it needs a queue of its own: one
 * TLS record. */
#define GUST__CORK_SIZE ((size_t)16 * 1024)

/* State of a stream; several at once. */
enum gust__stream_flags {
    GUST__S_CLOSED = 1 << 0,
    GUST__S_EOF = 1 << 1,        /* read() has returned 0 */
    GUST__S_PAUSED = 1 << 2,     /* by gust_iostream_pause() */
    GUST__S_CONNECTING = 1 << 3, /* nothing may be read or written yet */
    GUST__S_DISPATCH = 1 << 4,   /* an event is being handled: flush at its end */
    GUST__S_KICKED = 1 << 5,     /* in io->kicks */
    GUST__S_SHUT = 1 << 6,       /* shutdown_write() was called */
    GUST__S_SHUT_SENT = 1 << 7,  /* and has reached the transport */
    GUST__S_CLOSING = 1 << 8,    /* close_after_flush() was called */
    GUST__S_WANT_READ = 1 << 9,  /* interest that the transport was told of */
    GUST__S_WANT_WRITE = 1 << 10,
    GUST__S_GROUPED = 1 << 11, /* options lie in a gust__stream_group */
    GUST__S_EOF_TOLD = 1 << 12,
    GUST__S_HELD = 1 << 13,     /* not registered: an error is up and nobody reads */
    GUST__S_OFFERING = 1 << 14, /* a reader is being called */
    GUST__S_REOFFER = 1 << 15   /* and another one wants what it leaves */
};

/* Bytes that were read and not taken. */
struct gust__in {
    size_t off; /* first byte not taken */
    size_t len; /* end of the bytes */
    size_t cap; /* of data, without the padding */
    char data[];
};

struct gust__io;

/* One piece of output. */
struct gust__seg {
    struct gust__seg *next;
    const char *ptr; /* bytes not yet sent */
    size_t len;
    void (*release)(struct gust__io *io, struct gust__seg *seg);
    void *owner; /* of the release function */
    void (*free_fn)(void *owner);
};

/* A piece that was copied, with its bytes. Recycled through the loop. */
struct gust__chunk {
    struct gust__seg seg;
    char data[GUST__CHUNK_SIZE - sizeof(struct gust__seg)];
};

/* Somebody who wants to know when bytes are sent. */
struct gust__done {
    struct gust__done *next;
    uint64_t at; /* total bytes sent by then */
    gust_write_fn *fn;
    void *user;
};

/* The write queue. Exists while there is something in it.
 *
 * Invariants
 *  1. queued is the sum of the lengths of the segments; only a reserved chunk is
 *     empty
 *  2. head and tail are the ends of one list, or both NULL; so are done_head and
 *     done_tail
 *  3. who waits waits for no more than was queued, in the order of the writes */
struct gust__out {
    struct gust__seg *head;
    struct gust__seg *tail;
    size_t queued;
    uint64_t sent; /* bytes ever sent through this queue */
    struct gust__done *done_head;
    struct gust__done *done_tail;
    gust_time deadline;  /* of progress; GUST_NEVER */
    gust_iostream *next; /* in the list of streams to be flushed, or free list */
    bool dirty;          /* in that list */
    bool congested;      /* above the high-water mark and not yet drained */
};

enum gust__verb {
    GUST__VERB_NONE,
    GUST__VERB_UNTIL,
    GUST__VERB_BYTES,
    GUST__VERB_PARTIAL,
    GUST__VERB_INTO,
    GUST__VERB_INTO_PARTIAL,
    GUST__VERB_UNTIL_CLOSE
};

/* State of the verbs and of the single callbacks. */
struct gust__verbs {
    enum gust__verb kind;
    gust_read_fn *fn;
    void *user;
    size_t n;       /* bytes wanted, or the limit */
    size_t scanned; /* bytes known not to start the delimiter */
    char *into;
    size_t filled;
    size_t delim_len;
    char delim[16];
    gust_read_fn *canceled_fn; /* still to be told of its cancellation */
    void *canceled_user;
    gust_connect_fn *connect_fn;
    void *connect_user;
    bool connected; /* or about to be, by us */
    gust_stream_close_fn *close_fn;
    void *close_user;
};

/* What the streams of one server share; options first. */
struct gust__stream_group {
    gust_iostream_options options;
    size_t streams; /* not yet freed */
    size_t open;    /* those whose close was not told yet */
    void *server;   /* NULL once it is gone */
    void (*on_stream_gone)(void *server);
};

/* A transport that is to be called from the loop: embedded, so that it needs no
 * memory. {0} is one that is not queued. */
struct gust__wake {
    struct gust__wake *next;
    void (*fn)(struct gust__wake *wake);
    bool queued;
};

/* What a loop keeps for its streams. */
struct gust__io {
    gust_ioloop *loop;
    const gust_sys *sys;
    char *recv_buf; /* GUST__RECV_SIZE + padding */
    bool recv_busy; /* a reader looks at it */
    char *cork;     /* GUST__CORK_SIZE: what the stream whose event is handled has written */
    size_t cork_len;
    gust_iostream *corked; /* whose it is; NULL: cork_len is 0. It has no write queue then */
    struct gust__chunk *free_chunks;
    size_t free_chunk_count;
    struct gust__out *free_outs;
    size_t free_out_count;
    struct gust__seg *free_segs;
    size_t free_seg_count;
    gust_iostream *dirty; /* streams to be flushed, in order */
    gust_iostream *dirty_tail;
    gust_iostream *closing; /* streams whose close is to be told, in order */
    gust_iostream *closing_tail;
    gust_iostream **kicks; /* streams whose kept bytes are to be offered */
    size_t kick_count;
    size_t kick_cap;
    struct gust__wake *wakes; /* transports to be called, in order */
    struct gust__wake *wakes_tail;
    gust_list pairs; /* all that gust_iostream_pair() made */
    gust_deferred work;
};

/* Invariants
 *  1. it is referenced; closed, it has no transport, timer or output
 *  2. the bytes that are kept lie within their buffer
 *  3. the end of reading ends the interest in it; SHUT_SENT comes after SHUT, and
 *     CLOSING pauses
 *  4. the timer fires at the deadline at the latest
 *  5. a stream that is corked has no queue
 *  6. a pending verb has a function, and no reader beside it */
struct gust_iostream {
    gust_watcher watcher; /* of the socket transport */
    struct gust__io *io;
    const gust_iostream_transport *ops;
    void *transport;
    const gust_iostream_options *options;
    const gust_iostream_callbacks *cb;
    void *user;
    struct gust__verbs *verbs;
    struct gust__in *in;
    struct gust__out *out;
    gust_timer timer;
    union {
        gust_time deadline;          /* while open */
        gust_iostream *next_closing; /* in io->closing */
    } u;
    int error;
    uint16_t refs;
    uint16_t flags; /* enum gust__stream_flags */
};

_Static_assert(sizeof(gust_iostream) <= 120, "an idle stream is to fit 128 bytes of malloc");

static inline bool gust__is(const gust_iostream *s, unsigned flag)
{
    return (s->flags & flag) != 0;
}

static inline void gust__set(gust_iostream *s, unsigned flag)
{
    s->flags = (uint16_t)(s->flags | flag);
}

static inline void gust__unset(gust_iostream *s, unsigned flag)
{
    s->flags = (uint16_t)(s->flags & ~flag);
}

/* iostream.c */
int gust__stream_new(struct gust__io *io, const gust_iostream_transport *ops, void *transport,
                     const gust_iostream_options *options, gust_iostream **out_s);
int gust__stream_want(gust_iostream *s, unsigned events); /* READ | WRITE wanted from now on */
unsigned gust__stream_wanted(const gust_iostream *s);
void gust__stream_arm(gust_iostream *s, gust_time when);
void gust__stream_fail(gust_iostream *s, int code); /* log it, close with it */
void gust__stream_finish_close(gust_iostream *s);   /* tell everybody; io's work */

/* read.c */
void gust__stream_read(gust_iostream *s);  /* the transport may have bytes */
void gust__stream_offer(gust_iostream *s); /* offer what is kept, then the end of the stream */
void gust__stream_end_if_over(gust_iostream *s); /* close it when both sides have ended */
int gust__stream_start_reading(gust_iostream *s);
static inline size_t gust__in_size(const gust_iostream *s)
{
    return s->in == NULL ? 0 : s->in->len - s->in->off;
}

/* verbs.c */
int gust__verbs_get(gust_iostream *s, struct gust__verbs **out_verbs);
static inline bool gust__verb_is_pending(const gust_iostream *s)
{
    return s->verbs != NULL && s->verbs->kind != GUST__VERB_NONE;
}
size_t gust__verb_reader(gust_iostream *s, gust_str data, void *user);
void gust__verb_finish(gust_iostream *s, int status); /* no byte more comes for it */
void gust__verb_tell_cancel(gust_iostream *s);
void gust__connect_done(gust_iostream *s, int status);

/* write.c */
void gust__stream_flush(gust_iostream *s);         /* try to send what is queued */
void gust__stream_after_flush(gust_iostream *s);   /* completions, drain, shutdown, close */
void gust__stream_settle(gust_iostream *s);        /* both of these */
void gust__cork_drop(gust_iostream *s);            /* forget what is corked */
void gust__out_drop(gust_iostream *s);             /* forget unsent bytes */
void gust__out_fail(gust_iostream *s, int status); /* tell the waiting writers, free */
void gust__out_release(struct gust__io *io, struct gust__out *out);

/* io.c */
int gust__io_get(gust_ioloop *loop, struct gust__io **out_io);
int gust__io_kick(gust_iostream *s);   /* offer kept bytes before the loop waits */
void gust__io_dirty(gust_iostream *s); /* flush before the loop waits */
void gust__io_closing(gust_iostream *s);
/* Call wake->fn in the next round of this work. Returns false when it is queued
 * already. */
bool gust__io_wake(struct gust__io *io, struct gust__wake *wake, void (*fn)(struct gust__wake *));
struct gust__chunk *gust__io_chunk(struct gust__io *io);
void gust__io_chunk_free(struct gust__io *io, struct gust__chunk *chunk);
struct gust__out *gust__io_out(struct gust__io *io);
struct gust__seg *gust__io_seg(struct gust__io *io);
void gust__io_seg_free(struct gust__io *io, struct gust__seg *seg);

/* socket.c */
extern const gust_iostream_transport gust__socket_transport;
int gust__set_nonblocking(int fd);
int gust__stream_of_accepted(gust_ioloop *loop, int fd, struct gust__stream_group *group,
                             gust_iostream **out_s);

void gust__sockets_close(gust_ioloop *loop); /* all that the loop watches */

/* pair.c, when the loop is closed: close the streams of all pairs. */
void gust__pairs_close(struct gust__io *io);

/* Limits with their defaults. */
static inline size_t gust__max_buffer(const gust_iostream *s)
{
    size_t n = s->options->max_buffer_size;
    return n != 0 ? n : GUST_DEFAULT_MAX_BUFFER_SIZE;
}

static inline size_t gust__max_write(const gust_iostream *s)
{
    size_t n = s->options->max_write_buffer_size;
    return n != 0 ? n : GUST_DEFAULT_WRITE_HARD_LIMIT;
}

static inline size_t gust__high_water(const gust_iostream *s)
{
    size_t n = s->options->write_high_water;
    return n != 0 ? n : GUST_DEFAULT_WRITE_HIGH_WATER;
}

static inline size_t gust__low_water(const gust_iostream *s)
{
    size_t n = s->options->write_low_water;
    return n != 0 ? n : GUST_DEFAULT_WRITE_LOW_WATER;
}

#endif

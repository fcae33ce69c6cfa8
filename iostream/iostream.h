/* IOStream: a buffered, non-blocking stream of bytes.
 *
 * What it is for: the layer that protocols are written on. It reads when bytes
 * come, keeps what was not taken, gathers what is written into one system call,
 * and ends in one defined way. HTTP and WebSocket are built on this interface
 * and nothing below it, and so is a protocol of yours.
 *
 * Two ways to read
 *  - Verbs, as in Tornado: gust_iostream_read_until(s, ..., fn, user) calls fn
 *    once. Good for dialogues: a line, an answer, a line.
 *  - A reader: a function that is offered the bytes at hand and says how many
 *    it took. Good for parsers. The verbs are readers themselves.
 *
 * Calling sequence, with a reader
 *     static const gust_iostream_callbacks cb = { .reader = parse, .on_close = gone };
 *     gust_iostream_new(loop, fd, NULL, &s);       s owns fd now
 *     gust_iostream_set_callbacks(s, &cb, me);     parse(s, bytes, me) from now on
 *     gust_iostream_write(s, GUST_STR("hi"), NULL, NULL);
 *     gust_iostream_close(s);                      gone(s, 0, me), then s is freed
 *
 * Lifetime: a stream lives until it is closed, by us, by the peer or by an
 * error. Its close callback is the last one; when that has returned the stream
 * is freed, unless somebody holds a gust_iostream_ref(). Closing is allowed
 * anywhere, also inside the stream's own callbacks. When the loop is closed so
 * are its sockets that are read or written, and pairs; a stream that was made and
 * never used, or is over a transport of your own, is yours to close before.
 *
 * Memory: an idle stream holds no buffer. Reading goes into one buffer of the
 * loop; only what the reader leaves is copied to the stream.
 *
 * Log: what ends a stream is in its status. The limits of reading (information,
 * error) and failures of the system other than a peer's reset (warning) are logged
 * as well, once, with the name in the callbacks.
 *
 * Threads: everything on the loop's thread.
 *
 * Source: tornado.iostream. */
#ifndef GUST_IOSTREAM_H
#define GUST_IOSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <gust/errors.h>
#include <gust/ioloop.h>
#include <gust/shared.h>
#include <gust/str.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gust_iostream gust_iostream;

/* Readable bytes that always lie behind what a reader is offered, with any
 * content, so that a scanner may load whole vectors. */
#define GUST_IOSTREAM_PADDING 32

/* Take bytes.
 *
 * data   all bytes at hand, at least one; lent until the function returns. The
 *        memory is the stream's and may be changed in place.
 * Returns how many bytes, from the front, are done with. The rest is offered
 * again: at once when some were taken, together with new bytes when none were
 * (0 means "I need more"). Inside, the stream may be written to, paused,
 * closed, or given other callbacks, which are offered the rest. */
typedef size_t gust_reader_fn(gust_iostream *s, gust_str data, void *user);

/* What a protocol hears of its stream. Static: the table is not copied, so
 * that a stream costs one pointer for all. NULL members have the default named.
 *
 * reader      offered the bytes; NULL: nobody reads, they wait in the kernel,
 *             and behind them the news that the peer has ended
 * on_eof      the peer has ended its side, and what it sent before was offered.
 *             Once; but after a pause, once more. NULL: the stream closes with
 *             GUST_EOF when no more can be taken; queued output is dropped
 * on_drain    the write queue has fallen to the low-water mark after it was
 *             above the high-water mark
 * on_timeout  the deadline passed. NULL: the stream closes with GUST_ETIMEDOUT
 * on_close    the stream is closed; the last call. status is 0 after our own
 *             close, GUST_EOF, GUST_ETIMEDOUT, or -errno */
typedef struct gust_iostream_callbacks {
    const char *name; /* of the protocol, for logs */
    gust_reader_fn *reader;
    void (*on_eof)(gust_iostream *s, void *user);
    void (*on_drain)(gust_iostream *s, void *user);
    void (*on_timeout)(gust_iostream *s, void *user);
    void (*on_close)(gust_iostream *s, int status, void *user);
} gust_iostream_callbacks;

/* Limits. 0 in a member means its default (limits.h), but for write_timeout,
 * where it means none. Not copied: must live as long as the streams that use it. */
typedef struct gust_iostream_options {
    size_t max_buffer_size;       /* bytes kept for a reader that takes none; one more ends it */
    size_t read_chunk_size;       /* most bytes of one read, at most 64 KiB */
    size_t max_write_buffer_size; /* bytes queued for writing: more is refused */
    size_t write_high_water;      /* above it gust_iostream_is_congested() */
    size_t write_low_water;       /* at or below it on_drain is called */
    gust_time write_timeout;      /* queued bytes without progress: closed, GUST_ETIMEDOUT */
} gust_iostream_options;

/* ---- Life ------------------------------------------------------------- */

/* Make a stream of a connected or connectable stream socket (TCP, AF_UNIX).
 *
 * fd       becomes the stream's and is made non-blocking; on failure it stays
 *          the caller's
 * options  NULL for the defaults
 * Nothing is read, and the peer's end not noticed, before callbacks are set, a
 * read is started or a close callback is set.
 * Returns 0, -ENOMEM, -errno of fcntl(2), GUST_ECLOSED for a closed loop. */
int gust_iostream_new(gust_ioloop *loop, int fd, const gust_iostream_options *options,
                      gust_iostream **out_s);

/* Two streams that are connected to each other by memory, no socket: for tests
 * and for protocols inside one process. What is written to one can be read
 * from the other an iteration later; 64 KiB at most lie between them.
 * Returns 0, -ENOMEM, GUST_ECLOSED for a closed loop. */
int gust_iostream_pair(gust_ioloop *loop, const gust_iostream_options *options,
                       gust_iostream **out_a, gust_iostream **out_b);

/* Keep the object's memory after its end; unref gives it up. A held stream may
 * be asked everything; once closed its operations answer GUST_ECLOSED. */
gust_iostream *gust_iostream_ref(gust_iostream *s);
void gust_iostream_unref(gust_iostream *s);

/* Use these callbacks from now on. Reading begins; without a reader, looking for
 * the end does.
 *
 * callbacks  static; NULL: none
 * Returns 0, GUST_ECLOSED, -EBUSY while a read verb is pending: nothing is changed
 * then. Or -errno of the poller: they are set but nothing will be read; close the
 * stream. */
int gust_iostream_set_callbacks(gust_iostream *s, const gust_iostream_callbacks *callbacks,
                                void *user);

/* End the stream now: queued output is discarded, the descriptor is closed
 * before the call returns, pending operations end with GUST_ECANCELED and the
 * close callback follows, all posted. A pending read that the kept bytes satisfy
 * still gets them. Harmless on a closed stream. */
void gust_iostream_close(gust_iostream *s);

/* The same with a reason, a negative code, which on_close is told and the
 * pending operations too. */
void gust_iostream_close_with(gust_iostream *s, int status);

/* Write what is queued, then close. Nothing is read or taken for writing any
 * more. With a deadline set (or write_timeout) a peer that does not read can't
 * delay it for ever. */
void gust_iostream_close_after_flush(gust_iostream *s);

/* Write what is queued, then send the peer an end of stream (shutdown(2) of
 * our side). Reading goes on; later writes answer GUST_ESTATE. When both sides
 * have ended and nothing is kept, the stream closes with GUST_EOF.
 * Returns 0, GUST_ECLOSED, -ENOMEM. */
int gust_iostream_shutdown_write(gust_iostream *s);

/* ---- Questions -------------------------------------------------------- */

bool gust_iostream_is_closed(const gust_iostream *s);
bool gust_iostream_is_reading(const gust_iostream *s);   /* a verb or reader waits for bytes */
bool gust_iostream_is_writing(const gust_iostream *s);   /* output is queued */
bool gust_iostream_is_eof(const gust_iostream *s);       /* the peer has ended its side */
bool gust_iostream_is_congested(const gust_iostream *s); /* above high water, not yet drained */

/* Why it was closed, as on_close is told; 0 while open. */
int gust_iostream_error(const gust_iostream *s);

/* The same in words; while it is open, what the transport has to say. Borrowed
 * until the next call on s. */
const char *gust_iostream_error_text(const gust_iostream *s);

gust_ioloop *gust_iostream_loop(const gust_iostream *s);
int gust_iostream_fd(const gust_iostream *s);                  /* -1 when closed or without one */
size_t gust_iostream_write_queue_size(const gust_iostream *s); /* bytes not yet sent */
size_t gust_iostream_write_space(const gust_iostream *s);      /* bytes more that it takes */
size_t gust_iostream_buffered(const gust_iostream *s);         /* bytes kept, not yet taken */
void *gust_iostream_user(const gust_iostream *s);              /* of set_callbacks */

/* ---- Reading ---------------------------------------------------------- */

/* Stop offering bytes; but for one read's worth, what comes is left to the
 * kernel, which holds the peer back. The end of the stream is still noticed
 * where no bytes come before it, and a reset always. Costs nothing until bytes
 * come. */
void gust_iostream_pause(gust_iostream *s);

/* Offer bytes again, those kept first, never inside this call (inside the
 * reader: as soon as it returns). */
void gust_iostream_resume(gust_iostream *s);

/* Inside the reader: offer no more in this turn of the loop, but go on in the
 * next one, so that one busy peer can't hold up the others. */
void gust_iostream_yield(gust_iostream *s);

/* Completion of a read verb; see each verb. */
typedef void gust_read_fn(gust_iostream *s, int status, gust_str data, void *user);

/* Read until `delim` has arrived.
 *
 * s          open stream; no other read may be pending, nor one whose
 *            cancellation was not told yet, and no callbacks with a reader be set
 *            (else -EBUSY)
 * delim      bytes, 1..16, copied; e.g. GUST_STR("\r\n\r\n")
 * max_bytes  limit in bytes, delimiter included; must be > 0
 * fn, user   called once from the loop, never before this returns
 *
 * In fn: status 0 and `data` = the bytes up to and including delim, lent
 * until fn returns. Otherwise data is empty and status is
 *   GUST_EUNSATISFIABLE  max_bytes are passed, by delim or without it; the
 *                        stream is closed
 *   GUST_EBUFFERFULL     more than max_buffer_size bytes; the stream is closed
 *   GUST_EOF             peer ended first
 *   GUST_ETIMEDOUT       the deadline or write_timeout came first
 *   GUST_ECANCELED       gust_iostream_close() or cancel_read() came first
 *   -errno               as read(2), or of close_with()
 * What had come stays readable: until the close callback has returned, or as
 * long as s is held.
 * Returns 0, or -EINVAL, -EBUSY, -ENOMEM, GUST_ECLOSED: fn is then not called.
 * A closed stream whose kept bytes satisfy the read still serves it.
 * Thread: the loop's. Cost: each byte is scanned once.
 * Source: tornado.iostream.IOStream.read_until; tests/iostream_test.c. */
int gust_iostream_read_until(gust_iostream *s, gust_str delim, size_t max_bytes, gust_read_fn *fn,
                             void *user);

/* Read exactly n bytes. n = 0 completes with none, also on a closed stream.
 * Larger than max_buffer_size: -EINVAL. Otherwise as read_until. */
int gust_iostream_read_bytes(gust_iostream *s, size_t n, gust_read_fn *fn, void *user);

/* Read at least one byte and at most n, which may be any number. Otherwise as
 * read_bytes. */
int gust_iostream_read_partial(gust_iostream *s, size_t n, gust_read_fn *fn, void *user);

/* Read n bytes into the caller's memory, which is the stream's until fn is
 * called. `data` in fn is what was filled of it, after a failure as well. Not
 * bound by max_buffer_size.
 *
 * partial  complete as soon as there is at least one byte */
int gust_iostream_read_into(gust_iostream *s, void *buf, size_t n, bool partial, gust_read_fn *fn,
                            void *user);

/* Read everything until the stream ends, in whichever way; status 0 after an
 * orderly end or our own close, else the error, with the bytes that came before
 * it. More than max_buffer_size bytes: GUST_EBUFFERFULL. Repeated on a closed
 * stream it yields no bytes. */
int gust_iostream_read_until_close(gust_iostream *s, gust_read_fn *fn, void *user);

/* Take back the pending read. Its fn is called once more, with GUST_ECANCELED, and
 * until then no other read can begin (-EBUSY); fn may begin one. No byte is lost:
 * they stay readable, or lie where read_into has put them, as data tells. Harmless
 * where none is pending. */
void gust_iostream_cancel_read(gust_iostream *s);

/* ---- Writing ---------------------------------------------------------- */

/* All bytes of a write, and of those before it, were handed to the kernel
 * (status 0), or never will be. */
typedef void gust_write_fn(gust_iostream *s, int status, void *user);

/* Write bytes; they are copied. They leave when the event that runs ends, or
 * before the loop waits again, together with all else that was written.
 *
 * fn   called once, never before this returns, in the order of the writes; NULL
 *      when nobody needs to know
 * Returns 0, GUST_ECLOSED, GUST_ESTATE after shutdown_write or
 * close_after_flush, GUST_EBUFFERFULL when the queue would pass
 * max_write_buffer_size (nothing is queued then and the stream stays as it is),
 * -ENOMEM. Writing is allowed before a pending connect completes. */
int gust_iostream_write(gust_iostream *s, gust_str data, gust_write_fn *fn, void *user);

/* Write bytes without a copy: they must stay unchanged until fn is called. */
int gust_iostream_write_borrowed(gust_iostream *s, gust_str data, gust_write_fn *fn, void *user);

/* Write bytes that become the stream's: `free_fn(free_user)`, which is not NULL,
 * is called when they are sent or dropped, exactly once, also when this call
 * fails (then, and for no bytes, before it returns). It may do to s what it
 * likes. */
int gust_iostream_write_adopt(gust_iostream *s, gust_str data, void (*free_fn)(void *free_user),
                              void *free_user);

/* Write counted bytes: the stream holds a reference until they are sent. */
int gust_iostream_write_shared(gust_iostream *s, gust_shared *shared);

/* Room for n bytes at the end of the queue, to format into; n from 1 to 2,048.
 * The room is lost with the next call on s, except commit, which queues the
 * first `used` bytes of it (used <= n).
 * Returns 0, or as gust_iostream_write(). */
int gust_iostream_reserve(gust_iostream *s, size_t n, char **out_room);
void gust_iostream_commit(gust_iostream *s, size_t used);

/* Hand to the kernel now, instead of later, what is queued and it takes.
 * Completions still come from the loop. */
void gust_iostream_flush(gust_iostream *s);

/* ---- Connecting, time, options ---------------------------------------- */

typedef void gust_connect_fn(gust_iostream *s, int status, void *user);

/* Connect the stream's socket.
 *
 * fn  called once: 0 when connected, before any read or write completes; else
 *     -errno (-ECONNREFUSED, ...) and the stream closes
 * Callbacks and reads may be set and started before, but in the same turn of the
 * loop: the kernel says of a socket that is not connected that it has ended.
 * Returns 0, -EBUSY while one is under way, -EISCONN after that, GUST_ECLOSED,
 * -ENOMEM, -EOPNOTSUPP for what is no socket. An immediate refusal is told to fn
 * too, so there is one path for both. */
int gust_iostream_connect(gust_iostream *s, const struct sockaddr *addr, socklen_t len,
                          gust_connect_fn *fn, void *user);

/* Call on_timeout (or close) at `when` on the loop's clock; GUST_NEVER: not.
 * One deadline per stream: protocols move it from phase to phase. Moving it
 * later costs a store. It comes once: on_timeout may set another.
 * Returns 0, GUST_ECLOSED, or -ENOMEM: it is then as it was. */
int gust_iostream_set_deadline(gust_iostream *s, gust_time when);

typedef void gust_stream_close_fn(gust_iostream *s, int status, void *user);

/* For users of the verbs, who set no callbacks: call fn when the stream has
 * closed, after everything pending has failed. One slot; NULL clears it. On a
 * closed stream that is still held it is posted at once. From now on the peer's
 * end is noticed also while no read is pending.
 * Returns 0, -ENOMEM, -errno of the poller. */
int gust_iostream_set_close_callback(gust_iostream *s, gust_stream_close_fn *fn, void *user);

/* TCP_NODELAY; on by default, except for what was accepted from a listening
 * socket of the program's own that has it off. Ignored by other transports. */
void gust_iostream_set_nodelay(gust_iostream *s, bool on);

/* ---- Transports ------------------------------------------------------- */

/* The bottom of a stream, for who brings a transport of their own. Functions
 * get the stream's transport pointer, return -errno, and never block.
 *
 * read      1.. bytes, 0 at the end of the stream, -EAGAIN when there are none
 * writev    1.. bytes, -EAGAIN when none can be taken
 * interest  the stream wants to be told of these events (READ, WRITE, both or
 *           NONE): call gust_iostream_ready() when one of them holds, from the
 *           loop, as long as it holds and is wanted. Returns 0 or -errno
 * shutdown  end our side of the stream; may be NULL
 * close     free the transport; the last call
 * fd        its descriptor or -1; may be NULL
 * error_text  may be NULL */
typedef struct gust_iostream_transport {
    const char *name;
    ssize_t (*read)(gust_iostream *s, void *transport, void *buf, size_t n);
    ssize_t (*writev)(gust_iostream *s, void *transport, const struct iovec *iov, int n);
    int (*interest)(gust_iostream *s, void *transport, unsigned events);
    int (*shutdown)(gust_iostream *s, void *transport);
    void (*close)(gust_iostream *s, void *transport);
    int (*fd)(const gust_iostream *s, const void *transport);
    const char *(*error_text)(const gust_iostream *s, const void *transport);
} gust_iostream_transport;

/* Make a stream over a transport of your own, which it owns from now on.
 * Returns 0, -ENOMEM, GUST_ECLOSED for a closed loop (the transport then stays
 * the caller's). */
int gust_iostream_new_over(gust_ioloop *loop, const gust_iostream_transport *ops, void *transport,
                           const gust_iostream_options *options, gust_iostream **out_s);

/* Tell the stream that its transport is ready for these events. From the loop
 * only, never inside the transport's own functions. */
void gust_iostream_ready(gust_iostream *s, unsigned events);

#ifdef __cplusplus
}
#endif

#endif

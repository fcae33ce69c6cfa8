/* From the transport to the reader.
 *
 * Bytes are read into the loop's shared buffer and offered there. What the
 * reader leaves, and only that, is copied to a buffer of the stream's own;
 * while that exists new bytes are appended to it, so that a reader always sees
 * all bytes in one piece. It goes when it is empty.
 *
 * Interest in reading is sticky: it is dropped when bytes come that nobody
 * reads, and at the end of the stream. */
#include "iostream/iostream_internal.h"
#include "util/alloc_internal.h"

/* Reads per event at most, so that one fast peer can't hold up the others. */
#define MAX_ROUNDS 4

static inline gust_reader_fn *current_reader(const gust_iostream *s)
{
    if (gust__verb_is_pending(s)) {
        return gust__verb_reader;
    }
    return s->cb != NULL ? s->cb->reader : NULL;
}

static inline bool somebody_reads(const gust_iostream *s)
{
    return !gust__is(s, GUST__S_PAUSED | GUST__S_CONNECTING) && current_reader(s) != NULL;
}

bool gust_iostream_is_reading(const gust_iostream *s)
{
    return !gust__is(s, GUST__S_CLOSED) && somebody_reads(s);
}

size_t gust_iostream_buffered(const gust_iostream *s)
{
    return gust__in_size(s);
}

/* Who may be offered bytes right now. */
static inline gust_reader_fn *ready_reader(const gust_iostream *s)
{
    const unsigned no = GUST__S_PAUSED | GUST__S_CONNECTING | GUST__S_KICKED | GUST__S_CLOSED;
    return gust__is(s, no) ? NULL : current_reader(s);
}

/* Offer bytes until there are none or none are taken. Returns how many were. */
static size_t offer(gust_iostream *s, const char *ptr, size_t len)
{
    size_t done = 0;
    gust_reader_fn *reader;
    gust__set(s, GUST__S_OFFERING);
    while (done < len && (reader = ready_reader(s)) != NULL) {
        gust__unset(s, GUST__S_REOFFER);
        size_t n = reader(s, gust_str_make(ptr + done, len - done), s->user);
        GUST_ASSERT(n <= len - done);
        done += n <= len - done ? n : len - done;
        if (n == 0 && !gust__is(s, GUST__S_REOFFER)) {
            break;
        }
    }
    gust__unset(s, GUST__S_OFFERING);
    return done;
}

/* ---- Bytes that wait ------------------------------------------------------ */

static void drop_in_if_empty(gust_iostream *s)
{
    if (s->in != NULL && s->in->off == s->in->len) {
        gust__free(s->in);
        s->in = NULL;
    }
}

/* Make room for n more bytes. Moves what is kept to the front first. */
static int in_reserve(gust_iostream *s, size_t n)
{
    struct gust__in *in = s->in;
    size_t have = gust__in_size(s);
    size_t max = gust__max_buffer(s);
    if (n > max || have > max - n) {
        return GUST_EBUFFERFULL;
    }
    if (in != NULL && in->cap - in->len >= n) {
        return 0;
    }
    if (in != NULL && in->off >= have + n) {
        memmove(in->data, in->data + in->off, have);
        in->off = 0;
        in->len = have;
        return 0;
    }
    size_t cap = have + n;
    if (have > 0) {
        cap += cap / 2; /* it grows: amortise */
    }
    struct gust__in *grown = gust__malloc(sizeof *grown + cap + GUST_IOSTREAM_PADDING);
    if (grown == NULL) {
        return -ENOMEM;
    }
    grown->off = 0;
    grown->len = have;
    grown->cap = cap;
    if (in != NULL) {
        memcpy(grown->data, in->data + in->off, have);
        gust__free(in);
    }
    memset(grown->data + cap, 0, GUST_IOSTREAM_PADDING);
    s->in = grown;
    return 0;
}

/* Keep bytes. Where that can't be the stream ends. */
static bool keep(gust_iostream *s, const char *ptr, size_t len)
{
    int code = in_reserve(s, len);
    if (code != 0) {
        gust__stream_fail(s, code);
        return false;
    }
    memcpy(s->in->data + s->in->len, ptr, len);
    s->in->len += len;
    return true;
}

/* ---- The end of the stream ------------------------------------------------- */

void gust__stream_end_if_over(gust_iostream *s)
{
    const unsigned both = GUST__S_EOF | GUST__S_SHUT_SENT;
    if ((s->flags & both) == both && gust__in_size(s) == 0) {
        gust_iostream_close_with(s, GUST_EOF);
    }
}

/* Once for each set of callbacks, and once more after a pause. */
static void call_on_eof(gust_iostream *s)
{
    gust__verb_finish(s, GUST_EOF); /* which may set other callbacks */
    if (!gust__is(s, GUST__S_CLOSED | GUST__S_EOF_TOLD) && s->cb != NULL && s->cb->on_eof != NULL) {
        gust__set(s, GUST__S_EOF_TOLD);
        s->cb->on_eof(s, s->user);
    }
    gust__stream_end_if_over(s);
}

static void tell_eof(gust_iostream *s)
{
    if (s->cb != NULL && s->cb->on_eof != NULL) {
        call_on_eof(s);
    } else if (gust__verb_is_pending(s)) {
        gust_iostream_close_with(s, GUST_EOF);
    } else if (gust__in_size(s) == 0 || (s->cb != NULL && somebody_reads(s))) {
        gust_iostream_close_with(s, GUST_EOF); /* the reader can't take what is left */
    }
}

static void offer_kept(gust_iostream *s)
{
    size_t n = 1;
    while (n > 0 && gust__in_size(s) > 0 && somebody_reads(s)) {
        struct gust__in *in = s->in;
        n = offer(s, in->data + in->off, in->len - in->off);
        in->off += n;
    }
    drop_in_if_empty(s);
}

void gust__stream_offer(gust_iostream *s)
{
    gust__verb_tell_cancel(s);
    if (gust__is(s, GUST__S_CLOSED)) {
        gust__verb_finish(s, GUST_ECLOSED);
        drop_in_if_empty(s);
        return;
    }
    if (gust__is(s, GUST__S_CONNECTING)) {
        return; /* again when it is connected */
    }
    if (gust__verb_is_pending(s) && s->verbs->n == 0) {
        (void)gust__verb_reader(s, gust_str_make(NULL, 0), NULL); /* it wants no bytes */
    }
    offer_kept(s);
    if (gust__is(s, GUST__S_EOF) && !gust__is(s, GUST__S_KICKED | GUST__S_CLOSED)) {
        tell_eof(s);
    }
}

/* ---- Reading ---------------------------------------------------------------- */

/* n bytes came into `buf`, which is the shared buffer. Returns false when
 * reading should stop for now. */
static inline bool received(gust_iostream *s, const char *buf, size_t n)
{
    if (gust__in_size(s) > 0) {
        if (!keep(s, buf, n)) {
            return false;
        }
        gust__stream_offer(s);
        return !gust__is(s, GUST__S_CLOSED);
    }
    s->io->recv_busy = true;
    size_t taken = offer(s, buf, n);
    s->io->recv_busy = false;
    if (GUST_UNLIKELY(gust__is(s, GUST__S_CLOSED))) {
        if (s->verbs != NULL && taken < n) { /* a closed stream still serves what it has */
            (void)keep(s, buf + taken, n - taken);
        }
        return false;
    }
    return taken == n || keep(s, buf + taken, n - taken);
}

static void at_eof(gust_iostream *s)
{
    gust__set(s, GUST__S_EOF);
    int code = gust__stream_want(s, gust__stream_wanted(s) & ~(unsigned)GUST_READ);
    if (code != 0) {
        gust_iostream_close_with(s, code);
        return;
    }
    if (!gust__is(s, GUST__S_KICKED)) {
        tell_eof(s);
    }
}

/* How much to read: never more than may be kept. Where nothing may, one byte,
 * which ends the stream, or else we would not see its end. */
static size_t chunk_size(const gust_iostream *s)
{
    size_t n = s->options->read_chunk_size;
    size_t room = gust__max_buffer(s) - gust__in_size(s);
    n = n == 0 || n > GUST__RECV_SIZE ? GUST__RECV_SIZE : n;
    n = n < room ? n : room;
    return n != 0 ? n : 1;
}

/* A read gave no bytes but `code`. Returns true when it is to be tried again. */
static bool nothing_read(gust_iostream *s, ssize_t code)
{
    if (code == 0) {
        at_eof(s);
    } else if (code != -EAGAIN && code != -EINTR) {
        gust__stream_fail(s, (int)code);
    }
    return code == -EINTR;
}

/* One read. Returns the bytes read, or 0 when there is nothing more to do. */
static size_t read_once(gust_iostream *s)
{
    struct gust__io *io = s->io;
    size_t size = chunk_size(s);
    ssize_t n = s->ops->read(s, s->transport, io->recv_buf, size);
    if (n > 0) {
        return received(s, io->recv_buf, (size_t)n) && (size_t)n == size ? (size_t)n : 0;
    }
    return nothing_read(s, n) ? 1 : 0;
}

/* Straight into the caller's memory, for read_into without kept bytes. */
static size_t read_into_once(gust_iostream *s)
{
    struct gust__verbs *v = s->verbs;
    size_t room = v->n - v->filled;
    ssize_t n = s->ops->read(s, s->transport, v->into + v->filled, room);
    if (n > 0) {
        v->filled += (size_t)n;
        (void)gust__verb_reader(s, gust_str_make(NULL, 0), NULL);
        return (size_t)n == room ? (size_t)n : 0;
    }
    return nothing_read(s, n) ? 1 : 0;
}

static bool reads_into(const gust_iostream *s)
{
    return gust__verb_is_pending(s) && s->verbs->into != NULL && gust__in_size(s) == 0;
}

/* Nobody reads. Look once whether this is the end; what comes instead is kept,
 * and the rest stays in the kernel until somebody reads again. */
static void read_unwanted(gust_iostream *s)
{
    int code = gust__stream_want(s, gust__stream_wanted(s) & ~(unsigned)GUST_READ);
    if (code != 0) {
        gust_iostream_close_with(s, code);
        return;
    }
    if (gust__in_size(s) == 0) {
        (void)read_once(s);
    }
}

/* May less be kept than a read brings? */
static inline bool small_buffer(const gust_iostream *s)
{
    size_t max = s->options->max_buffer_size; /* 0 is the default, which is large */
    return max - 1 < GUST__RECV_SIZE - 1;
}

/* The usual case in one go: a reader that takes all there is. Returns false
 * where there is more to do. */
static inline bool read_plainly(gust_iostream *s)
{
    struct gust__io *io = s->io;
    const unsigned special = GUST__S_PAUSED | GUST__S_CONNECTING | GUST__S_EOF | GUST__S_CLOSING |
                             GUST__S_OFFERING | GUST__S_KICKED;
    if (s->in != NULL || s->verbs != NULL || s->cb == NULL || s->cb->reader == NULL ||
        io->recv_busy || s->options->read_chunk_size != 0 || small_buffer(s) ||
        gust__is(s, special)) {
        return false;
    }
    ssize_t n = s->ops->read(s, s->transport, io->recv_buf, GUST__RECV_SIZE);
    if (GUST_UNLIKELY(n <= 0)) {
        return !nothing_read(s, n);
    }
    return !received(s, io->recv_buf, (size_t)n) || (size_t)n < GUST__RECV_SIZE ||
           gust__is(s, GUST__S_PAUSED);
}

void gust__stream_read(gust_iostream *s)
{
    if (GUST_LIKELY(read_plainly(s))) {
        return;
    }
    if (s->io->recv_busy || gust__is(s, GUST__S_EOF | GUST__S_OFFERING)) {
        return; /* from inside a reader: the level-triggered poller tells again */
    }
    if (gust__is(s, GUST__S_CLOSING)) {
        (void)gust__stream_want(s, gust__stream_wanted(s) & ~(unsigned)GUST_READ);
        return;
    }
    if (!somebody_reads(s)) {
        read_unwanted(s);
        return;
    }
    for (int round = 0; round < MAX_ROUNDS && somebody_reads(s); round++) {
        if (gust__is(s, GUST__S_KICKED)) {
            return; /* the reader has yielded */
        }
        size_t n = reads_into(s) ? read_into_once(s) : read_once(s);
        if (n == 0 || gust__is(s, GUST__S_CLOSED | GUST__S_EOF)) {
            return;
        }
    }
}

/* Somebody reads from now on: ask for events, and offer what is kept. */
int gust__stream_start_reading(gust_iostream *s)
{
    if (gust__is(s, GUST__S_CLOSED)) {
        return 0;
    }
    if (!gust__is(s, GUST__S_EOF | GUST__S_CONNECTING | GUST__S_PAUSED)) {
        GUST_TRY(gust__stream_want(s, gust__stream_wanted(s) | GUST_READ));
    }
    if (gust__is(s, GUST__S_OFFERING)) {
        gust__set(s, GUST__S_REOFFER);
    } else if (s->in != NULL || gust__is(s, GUST__S_EOF)) {
        (void)gust__io_kick(s);
    }
    return 0;
}

void gust_iostream_yield(gust_iostream *s)
{
    if (!gust__is(s, GUST__S_CLOSED)) {
        (void)gust__io_kick(s);
    }
}

void gust_iostream_pause(gust_iostream *s)
{
    gust__set(s, GUST__S_PAUSED);
}

void gust_iostream_resume(gust_iostream *s)
{
    if (!gust__is(s, GUST__S_PAUSED) || gust__is(s, GUST__S_CLOSED | GUST__S_CLOSING)) {
        return;
    }
    gust__unset(s, GUST__S_PAUSED | GUST__S_EOF_TOLD);
    if (current_reader(s) == NULL && gust__in_size(s) > 0) {
        return; /* nobody reads, and it is known that there is more */
    }
    int code = gust__stream_start_reading(s);
    if (code != 0) {
        gust_iostream_close_with(s, code);
    }
}

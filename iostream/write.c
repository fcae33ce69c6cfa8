/* The write queue.
 *
 * Writes are appended to a chain of segments and leave in one system call when
 * the event that caused them ends, or before the loop waits. Small copies share
 * a chunk of 4 KiB that is recycled through the loop; borrowed, given and
 * counted bytes are segments of their own.
 *
 * A stream whose event is being handled and that has no queue writes into the
 * cork, one buffer of the loop, and is sent from there when the event ends.
 * Most answers are, so most streams never have a queue. Whatever needs more than
 * appending a few bytes (uncork()) moves them to a queue first.
 *
 * A queue that is in the loop's dirty list must not be released before the list
 * was worked off, since the list runs through it. */
#include <limits.h>

#include "iostream/iostream_internal.h"
#include "util/alloc_internal.h"

/* Segments given to one system call. IOV_MAX is 1,024 on all our systems. */
#define MAX_IOV 64

/* ---- Segments ----------------------------------------------------------- */

static void release_chunk(struct gust__io *io, struct gust__seg *seg)
{
    gust__io_chunk_free(io, GUST_CONTAINER_OF(seg, struct gust__chunk, seg));
}

static void release_plain(struct gust__io *io, struct gust__seg *seg)
{
    if (seg->free_fn != NULL) {
        seg->free_fn(seg->owner);
    }
    gust__io_seg_free(io, seg);
}

static void release_shared(void *owner)
{
    gust_shared_unref(owner);
}

static void append_seg(struct gust__out *out, struct gust__seg *seg)
{
    seg->next = NULL;
    if (out->tail == NULL) {
        out->head = seg;
    } else {
        out->tail->next = seg;
    }
    out->tail = seg;
}

/* The chunk at the end of the queue, if its end may be appended to. */
static struct gust__chunk *tail_chunk(struct gust__out *out)
{
    struct gust__seg *seg = out->tail;
    if (seg == NULL || seg->release != release_chunk) {
        return NULL;
    }
    return GUST_CONTAINER_OF(seg, struct gust__chunk, seg);
}

/* Free bytes behind the tail chunk. */
static size_t chunk_room(const struct gust__chunk *chunk)
{
    const char *end = chunk->seg.ptr + chunk->seg.len;
    return (size_t)(chunk->data + sizeof(chunk->data) - end);
}

static struct gust__chunk *add_chunk(struct gust__io *io, struct gust__out *out)
{
    struct gust__chunk *chunk = gust__io_chunk(io);
    if (chunk == NULL) {
        return NULL;
    }
    chunk->seg.ptr = chunk->data;
    chunk->seg.len = 0;
    chunk->seg.release = release_chunk;
    append_seg(out, &chunk->seg);
    return chunk;
}

/* Empty chunks at the end are the leftovers of a failed or an unused
 * reservation. */
static void drop_empty_tail(struct gust__io *io, struct gust__out *out)
{
    if (out->queued > 0 || out->head == NULL) {
        return;
    }
    struct gust__seg *seg = out->head;
    GUST_ASSERT(seg == out->tail);
    out->head = NULL;
    out->tail = NULL;
    seg->release(io, seg);
}

/* Long queues are looked at from the front only. */
#define CHECKED 200

static inline bool segments_are_right(const struct gust__out *out)
{
    const struct gust__seg *seg = out->head;
    size_t sum = 0;
    for (int i = 0; seg != NULL && i < CHECKED; i++, seg = seg->next) {
        bool may_be_empty = seg->release == release_chunk;
        if ((seg->len == 0 && !may_be_empty) || (seg->next == NULL) != (seg == out->tail)) {
            return false;
        }
        sum += seg->len;
    }
    return seg == NULL ? sum == out->queued : sum <= out->queued;
}

static void check(const gust_iostream *s)
{
    const struct gust__out *out = s->out;
    if (out != NULL) {
        GUST_ASSERT(segments_are_right(out));
        GUST_ASSERT((out->head == NULL) == (out->tail == NULL));
        GUST_ASSERT((out->done_head == NULL) == (out->done_tail == NULL));
        GUST_ASSERT(out->done_head == NULL || out->done_head->at <= out->done_tail->at);
        GUST_ASSERT(out->done_head == NULL || gust__is(s, GUST__S_CLOSED) ||
                    out->done_tail->at <= out->sent + out->queued);
    }
}

/* ---- Appending ----------------------------------------------------------- */

/* May n bytes be queued? Makes the queue if there is none. */
static int uncork(gust_iostream *s);

static inline int out_open(gust_iostream *s, size_t n)
{
    if (s->io->corked == s) {
        GUST_TRY(uncork(s));
    }
    if (gust__is(s, GUST__S_CLOSED | GUST__S_SHUT | GUST__S_CLOSING)) {
        return gust__is(s, GUST__S_CLOSED) ? GUST_ECLOSED : GUST_ESTATE;
    }
    if (s->out == NULL) {
        s->out = gust__io_out(s->io);
        if (s->out == NULL) {
            return -ENOMEM;
        }
    }
    size_t max = gust__max_write(s);
    return n > max || s->out->queued > max - n ? GUST_EBUFFERFULL : 0;
}

/* Give an empty queue back, if nobody waits on it. That of a closed stream goes in
 * gust__out_fail(), which may be who called whoever writes again. */
static void out_close_if_empty(gust_iostream *s)
{
    struct gust__out *out = s->out;
    if (out != NULL && out->queued == 0 && out->done_head == NULL && !out->dirty &&
        !out->congested && !gust__is(s, GUST__S_CLOSED)) {
        drop_empty_tail(s->io, out);
        s->out = NULL;
        gust__out_release(s->io, out);
    }
}

/* n bytes were appended: see that they leave. */
static void out_added(gust_iostream *s, size_t n)
{
    struct gust__out *out = s->out;
    out->queued += n;
    if (out->queued > gust__high_water(s)) {
        out->congested = true;
    }
    if (!gust__is(s, GUST__S_DISPATCH)) {
        gust__io_dirty(s);
    }
}

static int add_done(gust_iostream *s, gust_write_fn *fn, void *user, size_t n,
                    struct gust__done **out_done)
{
    struct gust__done *done = NULL;
    if (fn != NULL) {
        done = gust__malloc(sizeof *done);
        if (done == NULL) {
            return -ENOMEM;
        }
        *done = (struct gust__done){
            .at = s->out->sent + s->out->queued + n, .fn = fn, .user = user};
    }
    *out_done = done;
    return 0;
}

static void link_done(struct gust__out *out, struct gust__done *done)
{
    if (done == NULL) {
        return;
    }
    if (out->done_tail == NULL) {
        out->done_head = done;
    } else {
        out->done_tail->next = done;
    }
    out->done_tail = done;
}

/* Copy into the tail chunk and as many new ones as it takes; all or nothing. */
static int copy_in(gust_iostream *s, gust_str data)
{
    struct gust__out *out = s->out;
    struct gust__chunk *chunk = tail_chunk(out);
    struct gust__seg *old_tail = out->tail;
    size_t old_len = chunk != NULL ? chunk->seg.len : 0;
    while (data.len > 0) {
        size_t room = chunk != NULL ? chunk_room(chunk) : 0;
        if (room == 0) {
            chunk = add_chunk(s->io, out);
            if (chunk == NULL) {
                goto fail;
            }
            room = chunk_room(chunk);
        }
        size_t n = data.len < room ? data.len : room;
        memcpy(chunk->data + sizeof(chunk->data) - room, data.ptr, n);
        chunk->seg.len += n;
        data = gust_str_skip(data, n);
    }
    return 0;
fail:
    while (out->tail != old_tail) {
        struct gust__seg *seg = old_tail != NULL ? old_tail->next : out->head;
        if (old_tail != NULL) {
            old_tail->next = seg->next;
        } else {
            out->head = seg->next;
        }
        if (out->tail == seg) {
            out->tail = old_tail;
        }
        seg->release(s->io, seg);
    }
    if (old_tail != NULL && old_tail->release == release_chunk) {
        old_tail->len = old_len;
    }
    return -ENOMEM;
}

/* ---- The cork -------------------------------------------------------------- */

/* How much the stream may cork: no more than it may queue, or than its producer
 * may write without hearing of it. */
static inline size_t cork_size(const gust_iostream *s)
{
    size_t size = GUST__CORK_SIZE;
    if (GUST_UNLIKELY((s->options->write_high_water | s->options->max_write_buffer_size) != 0)) {
        size = size < gust__high_water(s) ? size : gust__high_water(s);
        size = size < gust__max_write(s) ? size : gust__max_write(s);
    }
    return size;
}

/* May n bytes go into the cork? */
static inline bool may_cork(const gust_iostream *s, size_t n)
{
    const struct gust__io *io = s->io;
    const unsigned state = GUST__S_DISPATCH | GUST__S_CLOSED | GUST__S_SHUT | GUST__S_CLOSING |
                           GUST__S_CONNECTING;
    const size_t size = cork_size(s);
    return s->out == NULL && (s->flags & state) == GUST__S_DISPATCH &&
           (io->corked == s || io->corked == NULL) && io->cork_len <= size &&
           n <= size - io->cork_len;
}

static inline void cork_add(gust_iostream *s, size_t n)
{
    s->io->corked = s;
    s->io->cork_len += n;
}

/* Take out what is corked for s; lent until somebody corks again. */
static gust_str cork_take(gust_iostream *s)
{
    struct gust__io *io = s->io;
    gust_str data = gust_str_make(io->cork, io->corked == s ? io->cork_len : 0);
    if (io->corked == s) {
        io->corked = NULL;
        io->cork_len = 0;
    }
    return data;
}

void gust__cork_drop(gust_iostream *s)
{
    (void)cork_take(s);
}

/* Move what is corked, or the unsent rest of it, to a queue. The stream ends
 * where there is no memory for that: bytes that were accepted would be lost. */
static int queue_corked(gust_iostream *s, gust_str data)
{
    if (data.len == 0) {
        return 0;
    }
    if (s->out == NULL) {
        s->out = gust__io_out(s->io);
    }
    if (s->out == NULL || copy_in(s, data) != 0) {
        gust_iostream_close_with(s, -ENOMEM);
        return -ENOMEM;
    }
    out_added(s, data.len);
    return 0;
}

static int uncork(gust_iostream *s)
{
    return s->io->corked == s ? queue_corked(s, cork_take(s)) : 0;
}

/* Send what is corked. */
static inline void send_corked(gust_iostream *s)
{
    gust_str data = cork_take(s);
    struct iovec one = {(void *)(uintptr_t)data.ptr, data.len};
    ssize_t n = s->ops->writev(s, s->transport, &one, 1);
    if (GUST_LIKELY(n == (ssize_t)data.len)) {
        return;
    }
    if (n < 0 && n != -EAGAIN && n != -EINTR) {
        gust__stream_fail(s, (int)n);
        return;
    }
    (void)queue_corked(s, gust_str_skip(data, n > 0 ? (size_t)n : 0));
}

/* ---- Writes ---------------------------------------------------------------- */

int gust_iostream_write(gust_iostream *s, gust_str data, gust_write_fn *fn, void *user)
{
    if (fn == NULL && may_cork(s, data.len)) {
        if (data.len > 0) {
            memcpy(s->io->cork + s->io->cork_len, data.ptr, data.len);
            cork_add(s, data.len);
        }
        return 0;
    }
    int code = out_open(s, data.len);
    struct gust__done *done = NULL;
    if (code == 0) {
        code = add_done(s, fn, user, data.len, &done);
    }
    if (code == 0) {
        code = copy_in(s, data);
    }
    if (code != 0) {
        gust__free(done);
        out_close_if_empty(s);
        return code;
    }
    link_done(s->out, done);
    if (data.len > 0 || done != NULL) {
        out_added(s, data.len);
    }
    check(s);
    out_close_if_empty(s);
    return 0;
}

/* Append bytes that are not copied. On failure nothing is queued and free_fn
 * was not called. */
static int write_seg(gust_iostream *s, gust_str data, void (*free_fn)(void *owner), void *owner)
{
    GUST_TRY(out_open(s, data.len));
    if (data.len == 0) {
        if (free_fn != NULL) {
            free_fn(owner);
        }
        return 0;
    }
    struct gust__seg *seg = gust__io_seg(s->io);
    if (seg == NULL) {
        return -ENOMEM;
    }
    *seg = (struct gust__seg){.ptr = data.ptr,
                              .len = data.len,
                              .release = release_plain,
                              .owner = owner,
                              .free_fn = free_fn};
    append_seg(s->out, seg);
    out_added(s, data.len);
    return 0;
}

int gust_iostream_write_borrowed(gust_iostream *s, gust_str data, gust_write_fn *fn, void *user)
{
    int code = out_open(s, data.len);
    struct gust__done *done = NULL;
    if (code == 0) {
        code = add_done(s, fn, user, data.len, &done);
    }
    if (code == 0) {
        code = write_seg(s, data, NULL, NULL);
    }
    if (code != 0) {
        gust__free(done);
        out_close_if_empty(s);
        return code;
    }
    link_done(s->out, done);
    if (data.len == 0 && done != NULL) {
        out_added(s, 0);
    }
    check(s);
    out_close_if_empty(s);
    return 0;
}

int gust_iostream_write_adopt(gust_iostream *s, gust_str data, void (*free_fn)(void *free_user),
                              void *free_user)
{
    int code = write_seg(s, data, free_fn, free_user);
    if (code != 0) {
        free_fn(free_user);
    }
    out_close_if_empty(s);
    return code;
}

int gust_iostream_write_shared(gust_iostream *s, gust_shared *shared)
{
    return gust_iostream_write_adopt(s, gust_shared_bytes(shared), release_shared,
                                     gust_shared_ref(shared));
}

/* Room in the queue, where the cork has none. */
static GUST_NOINLINE int reserve_in_queue(gust_iostream *s, size_t n, char **out_room)
{
    int code = out_open(s, n);
    if (code != 0) {
        out_close_if_empty(s);
        return code;
    }
    struct gust__chunk *chunk = tail_chunk(s->out);
    if (chunk == NULL || chunk_room(chunk) < n) {
        chunk = add_chunk(s->io, s->out);
        if (chunk == NULL) {
            out_close_if_empty(s);
            return -ENOMEM;
        }
    }
    *out_room = chunk->data + sizeof(chunk->data) - chunk_room(chunk);
    return 0;
}

int gust_iostream_reserve(gust_iostream *s, size_t n, char **out_room)
{
    GUST_CHECK(n > 0 && n <= 2048, -EINVAL);
    if (GUST_LIKELY(may_cork(s, n))) {
        *out_room = s->io->cork + s->io->cork_len;
        return 0;
    }
    return reserve_in_queue(s, n, out_room);
}

void gust_iostream_commit(gust_iostream *s, size_t used)
{
    struct gust__out *out = s->out;
    if (out == NULL) { /* the room was in the cork */
        GUST_ASSERT(gust__is(s, GUST__S_CLOSED) || may_cork(s, used));
        if (used > 0 && !gust__is(s, GUST__S_CLOSED)) {
            cork_add(s, used);
        }
    } else if (used > 0 && out->tail != NULL && out->tail->release == release_chunk) {
        GUST_ASSERT(used <= chunk_room(tail_chunk(out)));
        out->tail->len += used;
        out_added(s, used);
    } else {
        out_close_if_empty(s);
    }
}

/* ---- Sending ------------------------------------------------------------- */

/* The owners of the bytes may do to the stream what they like. */
static void release_all(struct gust__io *io, struct gust__seg *seg)
{
    while (seg != NULL) {
        struct gust__seg *next = seg->next;
        seg->release(io, seg);
        seg = next;
    }
}

/* n bytes of the queue have left. */
static void advance(struct gust__io *io, struct gust__out *out, size_t n)
{
    struct gust__seg *done = out->head;
    struct gust__seg **end = &done;
    out->queued -= n;
    out->sent += n;
    while (*end != NULL && (*end)->len <= n) {
        n -= (*end)->len;
        end = &(*end)->next;
    }
    out->head = *end;
    *end = NULL;
    if (out->head == NULL) {
        out->tail = NULL;
    } else {
        out->head->ptr += n;
        out->head->len -= n;
    }
    release_all(io, done);
}

static int gather(const struct gust__out *out, struct iovec *iov, size_t *out_total)
{
    int n = 0;
    size_t total = 0;
    for (struct gust__seg *seg = out->head; seg != NULL && n < MAX_IOV; seg = seg->next) {
        iov[n].iov_base = (void *)(uintptr_t)seg->ptr;
        iov[n].iov_len = seg->len;
        total += seg->len;
        n++;
    }
    *out_total = total;
    return n;
}

/* One system call. *out_total is what it was offered. */
static ssize_t send_some(gust_iostream *s, size_t *out_total)
{
    struct gust__out *out = s->out;
    if (out->head == out->tail) {
        struct iovec one = {(void *)(uintptr_t)out->head->ptr, out->head->len};
        *out_total = one.iov_len;
        return s->ops->writev(s, s->transport, &one, 1);
    }
    struct iovec iov[MAX_IOV];
    int count = gather(out, iov, out_total);
    return s->ops->writev(s, s->transport, iov, count);
}

/* The kernel takes no more: wait for it, with a deadline for its next progress. */
static void wait_writable(gust_iostream *s, bool progress)
{
    struct gust__out *out = s->out;
    gust_time timeout = s->options->write_timeout;
    if (timeout > 0 && (progress || out->deadline == GUST_NEVER)) {
        gust_time now = gust_ioloop_now(s->io->loop);
        out->deadline = timeout > GUST_NEVER - now ? GUST_NEVER : now + timeout;
        gust__stream_arm(s, out->deadline);
    }
    if (gust__is(s, GUST__S_CLOSED)) {
        return; /* without memory for the timer, or by the owner of sent bytes */
    }
    int code = gust__stream_want(s, gust__stream_wanted(s) | GUST_WRITE);
    if (code != 0) {
        gust_iostream_close_with(s, code);
    }
}

void gust__stream_flush(gust_iostream *s)
{
    struct gust__out *out = s->out;
    if (out == NULL || gust__is(s, GUST__S_CLOSED | GUST__S_CONNECTING | GUST__S_WANT_WRITE)) {
        return;
    }
    bool progress = false;
    while (out != NULL && out->queued > 0) {
        size_t total;
        ssize_t n = send_some(s, &total);
        if (n > 0) {
            progress = true;
            advance(s->io, out, (size_t)n);
            out = s->out; /* the bytes' owner may have made it another, or none */
            if ((size_t)n == total) {
                continue;
            }
        } else if (n == -EINTR) {
            continue;
        } else if (n != -EAGAIN && n != 0) {
            gust__stream_fail(s, (int)n);
            return;
        }
        wait_writable(s, progress);
        return;
    }
    if (out != NULL) {
        out->deadline = GUST_NEVER;
    }
}

static struct gust__done *take_done(struct gust__out *out)
{
    struct gust__done *done = out->done_head;
    out->done_head = done->next;
    if (out->done_head == NULL) {
        out->done_tail = NULL;
    }
    return done;
}

/* Call the completions of what has been sent. Those that are added meanwhile, for
 * empty writes, wait for the next round. */
static void run_done(gust_iostream *s)
{
    struct gust__out *out = s->out;
    struct gust__done *last = out->done_tail;
    bool more = last != NULL;
    while (more && out != NULL && out->done_head->at <= out->sent) {
        struct gust__done *done = take_done(out);
        more = done != last;
        done->fn(s, 0, done->user);
        gust__free(done);
        out = s->out;
    }
}

static void run_drain(gust_iostream *s)
{
    struct gust__out *out = s->out;
    if (out != NULL && out->congested && out->queued <= gust__low_water(s)) {
        out->congested = false;
        if (s->cb != NULL && s->cb->on_drain != NULL) {
            s->cb->on_drain(s, s->user);
        }
    }
}

/* All is sent: what was to follow? */
static void at_empty(gust_iostream *s)
{
    out_close_if_empty(s);
    if (gust__is(s, GUST__S_CLOSING)) {
        gust_iostream_close(s);
    } else if (gust__is(s, GUST__S_SHUT) && !gust__is(s, GUST__S_SHUT_SENT)) {
        gust__set(s, GUST__S_SHUT_SENT);
        if (s->ops->shutdown != NULL) {
            (void)s->ops->shutdown(s, s->transport);
        }
        gust__stream_end_if_over(s);
    }
}

void gust__stream_after_flush(gust_iostream *s)
{
    if (gust__is(s, GUST__S_CLOSED | GUST__S_CONNECTING)) {
        return;
    }
    if (s->out != NULL) {
        run_done(s);
        run_drain(s);
    }
    if (gust__is(s, GUST__S_CLOSED) || (s->out != NULL && s->out->queued > 0)) {
        return;
    }
    if (s->out != NULL || gust__is(s, GUST__S_CLOSING | GUST__S_SHUT)) {
        at_empty(s);
    }
}

void gust__stream_settle(gust_iostream *s)
{
    if (s->io->corked == s) {
        send_corked(s);
        if (GUST_LIKELY(s->out == NULL && !gust__is(s, GUST__S_SHUT | GUST__S_CLOSING))) {
            return;
        }
    }
    check(s);
    gust__stream_flush(s);
    gust__stream_after_flush(s);
    check(s);
}

void gust_iostream_flush(gust_iostream *s)
{
    if (gust__is(s, GUST__S_CLOSED) || uncork(s) != 0) {
        return;
    }
    if (s->out == NULL || gust__is(s, GUST__S_CLOSED)) {
        return;
    }
    gust__stream_flush(s);
    if (s->out != NULL && !gust__is(s, GUST__S_CLOSED)) {
        gust__io_dirty(s); /* completions come from there, not from in here */
    }
}

int gust_iostream_shutdown_write(gust_iostream *s)
{
    if (gust__is(s, GUST__S_CLOSED)) {
        return GUST_ECLOSED;
    }
    GUST_TRY(uncork(s));
    if (s->out == NULL) {
        s->out = gust__io_out(s->io); /* carries the request to the loop's list */
        if (s->out == NULL) {
            return -ENOMEM;
        }
    }
    gust__set(s, GUST__S_SHUT);
    if (!gust__is(s, GUST__S_DISPATCH)) {
        gust__io_dirty(s);
    }
    return 0;
}

void gust_iostream_close_after_flush(gust_iostream *s)
{
    if (gust__is(s, GUST__S_CLOSED | GUST__S_CLOSING) || uncork(s) != 0) {
        return;
    }
    if (s->out == NULL || s->out->queued == 0) {
        gust_iostream_close(s);
        return;
    }
    gust__set(s, GUST__S_CLOSING | GUST__S_PAUSED);
    if (!gust__is(s, GUST__S_DISPATCH)) {
        gust__io_dirty(s);
    }
}

/* ---- The end ------------------------------------------------------------- */

void gust__out_drop(gust_iostream *s)
{
    struct gust__out *out = s->out;
    if (out == NULL) {
        return;
    }
    out->queued = 0;
    while (out->head != NULL) {
        struct gust__seg *seg = out->head;
        out->head = seg->next;
        seg->release(s->io, seg);
    }
    out->tail = NULL;
    check(s);
}

void gust__out_fail(gust_iostream *s, int status)
{
    struct gust__out *out = s->out;
    if (out == NULL) {
        return;
    }
    while (out->done_head != NULL) {
        struct gust__done *done = take_done(out);
        done->fn(s, done->at <= out->sent ? 0 : status, done->user);
        gust__free(done);
    }
    out->congested = false;
    if (!out->dirty) {
        s->out = NULL;
        gust__out_release(s->io, out);
    }
}

bool gust_iostream_is_congested(const gust_iostream *s)
{
    return s->out != NULL && s->out->congested;
}

size_t gust_iostream_write_queue_size(const gust_iostream *s)
{
    size_t corked = s->io->corked == s ? s->io->cork_len : 0;
    return corked + (s->out == NULL ? 0 : s->out->queued);
}

size_t gust_iostream_write_space(const gust_iostream *s)
{
    size_t max = gust__max_write(s), queued = gust_iostream_write_queue_size(s);
    return queued < max ? max - queued : 0;
}

bool gust_iostream_is_writing(const gust_iostream *s)
{
    return gust_iostream_write_queue_size(s) > 0;
}

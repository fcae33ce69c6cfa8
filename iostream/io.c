/* What a loop keeps for all its streams: the receive buffer, recycled memory,
 * and the lists of work that is done before the loop waits.
 *
 * A list's entries hold a reference, so a stream in one can't go away. The
 * lists can't fail to take an entry, except kicks, which is an array: a stream
 * that can't be kicked is closed with -ENOMEM, which can't fail.
 *
 * No stream is in a list of all: that would cost each 16 bytes. When the loop is
 * closed, sockets are found by its table of watchers. */
#include "ioloop/ioloop_internal.h"
#include "iostream/iostream_internal.h"
#include "util/alloc_internal.h"

/* Most recycled pieces kept; what is above goes back to malloc. */
#define KEEP_CHUNKS 64
#define KEEP_OUTS 256
#define KEEP_SEGS 256

static int io_init(gust_ioloop *loop, void *block)
{
    struct gust__io *io = block;
    gust_list_init(&io->pairs);
    io->loop = loop;
    io->sys = gust_ioloop_sys(loop);
    io->recv_buf = gust__malloc(GUST__RECV_SIZE + GUST_IOSTREAM_PADDING);
    io->cork = gust__malloc(GUST__CORK_SIZE);
    if (io->recv_buf == NULL || io->cork == NULL) {
        gust__free(io->recv_buf);
        gust__free(io->cork);
        return -ENOMEM;
    }
    /* scanners look at the padding, whatever it holds; it must hold something */
    memset(io->recv_buf + GUST__RECV_SIZE, 0, GUST_IOSTREAM_PADDING);
    return 0;
}

/* Close the streams that are left, then tell and free them. */
static void close_all(struct gust__io *io)
{
    gust__sockets_close(io->loop);
    gust__pairs_close(io);
    while (io->work.queued) {
        gust__deferred_run(io->loop);
    }
    GUST_ASSERT(io->closing == NULL && io->dirty == NULL && io->kick_count == 0);
    GUST_ASSERT(io->wakes == NULL && gust_list_is_empty(&io->pairs));
}

static void io_deinit(gust_ioloop *loop, void *block)
{
    (void)loop;
    struct gust__io *io = block;
    close_all(io);
    while (io->free_chunks != NULL) {
        struct gust__chunk *chunk = io->free_chunks;
        io->free_chunks = (struct gust__chunk *)(void *)chunk->seg.next;
        gust__free(chunk);
    }
    while (io->free_outs != NULL) {
        struct gust__out *out = io->free_outs;
        io->free_outs = (struct gust__out *)(void *)out->next;
        gust__free(out);
    }
    while (io->free_segs != NULL) {
        struct gust__seg *seg = io->free_segs;
        io->free_segs = seg->next;
        gust__free(seg);
    }
    gust__free(io->kicks);
    gust__free(io->cork);
    gust__free(io->recv_buf);
}

static const gust_local_key io_key = {sizeof(struct gust__io), io_init, io_deinit};

int gust__io_get(gust_ioloop *loop, struct gust__io **out_io)
{
    void *block = NULL;
    GUST_TRY(gust_ioloop_local(loop, &io_key, &block));
    *out_io = block;
    return 0;
}

struct gust__chunk *gust__io_chunk(struct gust__io *io)
{
    struct gust__chunk *chunk = io->free_chunks;
    if (chunk == NULL) {
        return gust__malloc(sizeof *chunk);
    }
    io->free_chunks = (struct gust__chunk *)(void *)chunk->seg.next;
    io->free_chunk_count--;
    return chunk;
}

void gust__io_chunk_free(struct gust__io *io, struct gust__chunk *chunk)
{
    if (io->free_chunk_count >= KEEP_CHUNKS) {
        gust__free(chunk);
        return;
    }
    chunk->seg.next = (struct gust__seg *)(void *)io->free_chunks;
    io->free_chunks = chunk;
    io->free_chunk_count++;
}

struct gust__out *gust__io_out(struct gust__io *io)
{
    struct gust__out *out = io->free_outs;
    if (GUST_LIKELY(out != NULL)) { /* as it was when it was empty: see gust__out_release() */
        io->free_outs = (struct gust__out *)(void *)out->next;
        io->free_out_count--;
        return out;
    }
    out = gust__malloc(sizeof *out);
    if (out != NULL) {
        *out = (struct gust__out){.deadline = GUST_NEVER};
    }
    return out;
}

void gust__out_release(struct gust__io *io, struct gust__out *out)
{
    GUST_ASSERT(out->head == NULL && out->done_head == NULL && !out->dirty);
    out->deadline = GUST_NEVER;
    out->queued = 0;
    out->tail = NULL;
    out->done_tail = NULL;
    out->congested = false;
    if (io->free_out_count >= KEEP_OUTS) {
        gust__free(out);
        return;
    }
    out->next = (gust_iostream *)(void *)io->free_outs;
    io->free_outs = out;
    io->free_out_count++;
}

struct gust__seg *gust__io_seg(struct gust__io *io)
{
    struct gust__seg *seg = io->free_segs;
    if (seg == NULL) {
        return gust__malloc(sizeof *seg);
    }
    io->free_segs = seg->next;
    io->free_seg_count--;
    return seg;
}

void gust__io_seg_free(struct gust__io *io, struct gust__seg *seg)
{
    if (io->free_seg_count >= KEEP_SEGS) {
        gust__free(seg);
        return;
    }
    seg->next = io->free_segs;
    io->free_segs = seg;
    io->free_seg_count++;
}

/* ---- The work before the loop waits ------------------------------------ */

static void flush_dirty(struct gust__io *io)
{
    gust_iostream *s = io->dirty;
    io->dirty = NULL;
    io->dirty_tail = NULL;
    while (s != NULL) {
        gust_iostream *next = s->out->next;
        s->out->dirty = false;
        gust__stream_settle(s);
        gust_iostream_unref(s);
        s = next;
    }
}

static void offer_kicked(struct gust__io *io)
{
    size_t count = io->kick_count;
    for (size_t i = 0; i < count; i++) {
        gust_iostream *s = io->kicks[i];
        gust__unset(s, GUST__S_KICKED);
        gust__set(s, GUST__S_DISPATCH);
        gust__stream_offer(s);
        gust__unset(s, GUST__S_DISPATCH);
        gust__stream_settle(s);
        gust_iostream_unref(s);
    }
    size_t rest = io->kick_count - count;
    memmove(io->kicks, io->kicks + count, rest * sizeof(io->kicks[0]));
    io->kick_count = rest;
}

static void tell_closing(struct gust__io *io)
{
    gust_iostream *s = io->closing;
    io->closing = NULL;
    io->closing_tail = NULL;
    while (s != NULL) {
        gust_iostream *next = s->u.next_closing;
        s->u.next_closing = NULL;
        gust__stream_finish_close(s);
        s = next;
    }
}

static void call_wakes(struct gust__io *io)
{
    struct gust__wake *wake = io->wakes;
    io->wakes = NULL;
    io->wakes_tail = NULL;
    while (wake != NULL) {
        struct gust__wake *next = wake->next;
        wake->queued = false;
        wake->fn(wake);
        wake = next;
    }
}

/* Whatever the callbacks add waits for the next round, after the poller was
 * asked, so that no chain of callbacks can starve the descriptors. */
static void work(gust_ioloop *loop, gust_deferred *deferred)
{
    (void)loop;
    struct gust__io *io = GUST_CONTAINER_OF(deferred, struct gust__io, work);
    if (io->kick_count > 0) {
        offer_kicked(io);
    }
    if (io->wakes != NULL) {
        call_wakes(io);
    }
    flush_dirty(io);
    tell_closing(io);
}

/* Without memory an open stream ends, and -ENOMEM is returned. */
int gust__io_kick(gust_iostream *s)
{
    struct gust__io *io = s->io;
    if (gust__is(s, GUST__S_KICKED)) {
        return 0;
    }
    if (gust__grow((void **)(void *)&io->kicks, &io->kick_cap, io->kick_count + 1,
                   sizeof(io->kicks[0])) != 0) {
        gust_iostream_close_with(s, -ENOMEM);
        return -ENOMEM;
    }
    gust__set(s, GUST__S_KICKED);
    io->kicks[io->kick_count++] = gust_iostream_ref(s);
    gust_ioloop_defer(io->loop, &io->work, work);
    return 0;
}

void gust__io_dirty(gust_iostream *s)
{
    struct gust__io *io = s->io;
    struct gust__out *out = s->out;
    if (out->dirty) {
        return;
    }
    out->dirty = true;
    out->next = NULL;
    gust_iostream_ref(s);
    if (io->dirty_tail == NULL) {
        io->dirty = s;
    } else {
        io->dirty_tail->out->next = s;
    }
    io->dirty_tail = s;
    gust_ioloop_defer(io->loop, &io->work, work);
}

bool gust__io_wake(struct gust__io *io, struct gust__wake *wake, void (*fn)(struct gust__wake *))
{
    if (wake->queued) {
        return false;
    }
    *wake = (struct gust__wake){.fn = fn, .queued = true};
    if (io->wakes_tail == NULL) {
        io->wakes = wake;
    } else {
        io->wakes_tail->next = wake;
    }
    io->wakes_tail = wake;
    gust_ioloop_defer(io->loop, &io->work, work);
    return true;
}

void gust__io_closing(gust_iostream *s)
{
    struct gust__io *io = s->io;
    s->u.next_closing = NULL;
    if (io->closing_tail == NULL) {
        io->closing = s;
    } else {
        io->closing_tail->u.next_closing = s;
    }
    io->closing_tail = s;
    gust_ioloop_defer(io->loop, &io->work, work);
}

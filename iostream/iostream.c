/* The life of a stream: made, woken by events, timed out, closed.
 *
 *            new ----> OPEN <----- connect done
 *             |          |  \
 *        connect()       |   close_after_flush(): CLOSING, then
 *             |          |    |
 *         CONNECTING ----+----+--> CLOSED: no descriptor, no timer, no output
 *                                     |
 *                      before the loop waits: pending operations fail,
 *                      on_close, and the stream's own reference goes
 *
 * A stream is freed when its last reference goes: its own, one for each list of
 * the loop that it stands in, one for each event that is being handled, and
 * those of gust_iostream_ref(). */
#include <gust/log.h>

#include "iostream/iostream_internal.h"
#include "util/alloc_internal.h"

static const gust_iostream_options default_options = {0};

static void check(const gust_iostream *s)
{
    bool closed = gust__is(s, GUST__S_CLOSED);
    GUST_ASSERT(s->refs > 0);
    GUST_ASSERT(!closed || (s->transport == NULL && !gust_timer_is_armed(&s->timer)));
    GUST_ASSERT(!closed || s->out == NULL || s->out->head == NULL);
    GUST_ASSERT(s->in == NULL || (s->in->off <= s->in->len && s->in->len <= s->in->cap));
    GUST_ASSERT(closed || !gust__is(s, GUST__S_EOF) || !gust__is(s, GUST__S_WANT_READ));
    GUST_ASSERT(gust__is(s, GUST__S_SHUT) || !gust__is(s, GUST__S_SHUT_SENT));
    GUST_ASSERT(gust__is(s, GUST__S_PAUSED) || !gust__is(s, GUST__S_CLOSING));
    GUST_ASSERT(closed || s->u.deadline == GUST_NEVER ||
                gust_ioloop_armed_for(s->io->loop, &s->timer) <= s->u.deadline);
    GUST_ASSERT(s->io->corked != s || (s->out == NULL && s->io->cork_len > 0));
    GUST_ASSERT(!gust__verb_is_pending(s) || s->verbs->fn != NULL);
    GUST_ASSERT(!gust__verb_is_pending(s) || closed || s->cb == NULL || s->cb->reader == NULL);
    (void)closed;
}

int gust__stream_new(struct gust__io *io, const gust_iostream_transport *ops, void *transport,
                     const gust_iostream_options *options, gust_iostream **out_s)
{
    gust_iostream *s = gust__malloc(sizeof *s);
    if (s == NULL) {
        return -ENOMEM;
    }
    *s = (gust_iostream){.watcher = {.fd = -1},
                         .io = io,
                         .ops = ops,
                         .transport = transport,
                         .options = options != NULL ? options : &default_options,
                         .u = {.deadline = GUST_NEVER},
                         .refs = 1};
    *out_s = s;
    return 0;
}

int gust_iostream_new_over(gust_ioloop *loop, const gust_iostream_transport *ops, void *transport,
                           const gust_iostream_options *options, gust_iostream **out_s)
{
    GUST_CHECK(loop != NULL && ops != NULL, -EINVAL);
    struct gust__io *io;
    GUST_TRY(gust__io_get(loop, &io));
    return gust__stream_new(io, ops, transport, options, out_s);
}

gust_iostream *gust_iostream_ref(gust_iostream *s)
{
    GUST_ASSERT(s->refs > 0 && s->refs < UINT16_MAX);
    s->refs++;
    return s;
}

static struct gust__stream_group *group_of(const gust_iostream *s)
{
    return (struct gust__stream_group *)(uintptr_t)s->options; /* its first member */
}

/* A place at the server is free. The stream may still be held for a while. */
static void leave_group(const gust_iostream *s)
{
    struct gust__stream_group *group = group_of(s);
    group->open--;
    if (group->server != NULL) {
        group->on_stream_gone(group->server);
    }
}

static void destroy(gust_iostream *s)
{
    if (s->out != NULL) {
        gust__out_drop(s);
        gust__out_release(s->io, s->out);
    }
    gust__free(s->in);
    gust__free(s->verbs);
    if (gust__is(s, GUST__S_GROUPED)) {
        struct gust__stream_group *group = group_of(s);
        group->streams--;
        if (group->server == NULL && group->streams == 0) {
            gust__free(group);
        }
    }
    gust__free(s);
}

void gust_iostream_unref(gust_iostream *s)
{
    if (s != NULL && --s->refs == 0) {
        GUST_ASSERT(gust__is(s, GUST__S_CLOSED));
        destroy(s);
    }
}

/* ---- Interest ------------------------------------------------------------ */

unsigned gust__stream_wanted(const gust_iostream *s)
{
    return (gust__is(s, GUST__S_WANT_READ) ? (unsigned)GUST_READ : 0u) |
           (gust__is(s, GUST__S_WANT_WRITE) ? (unsigned)GUST_WRITE : 0u);
}

int gust__stream_want(gust_iostream *s, unsigned events)
{
    if (events == gust__stream_wanted(s) && !gust__is(s, GUST__S_HELD)) {
        return 0;
    }
    GUST_TRY(s->ops->interest(s, s->transport, events));
    gust__unset(s, GUST__S_WANT_READ | GUST__S_WANT_WRITE | GUST__S_HELD);
    gust__set(s, ((events & GUST_READ) ? (unsigned)GUST__S_WANT_READ : 0u) |
                     ((events & GUST_WRITE) ? (unsigned)GUST__S_WANT_WRITE : 0u));
    return 0;
}

int gust_iostream_set_callbacks(gust_iostream *s, const gust_iostream_callbacks *callbacks,
                                void *user)
{
    GUST_CHECK(!gust__is(s, GUST__S_CLOSED), GUST_ECLOSED);
    GUST_CHECK(!gust__verb_is_pending(s), -EBUSY);
    s->cb = callbacks;
    s->user = user;
    gust__unset(s, GUST__S_EOF_TOLD);
    /* without a reader too: to notice the end */
    int code = callbacks != NULL ? gust__stream_start_reading(s) : 0;
    check(s);
    return code;
}

/* ---- Events -------------------------------------------------------------- */

static void connect_event(gust_iostream *s)
{
    int code = s->io->sys->socket_error(s->io->sys, s->watcher.fd);
    if (code == 0) {
        gust__unset(s, GUST__S_CONNECTING);
        code = gust__stream_want(s, GUST_READ);
    }
    if (code != 0) {
        gust__stream_fail(s, code);
        return;
    }
    gust__connect_done(s, 0);
    if (gust__verb_is_pending(s) && s->verbs->n == 0) {
        (void)gust__io_kick(s); /* it was not offered its nothing before */
    }
}

/* Nobody reads, so we must not be told of the same error again and again. */
static void hold(gust_iostream *s)
{
    (void)s->ops->interest(s, s->transport, GUST_NONE);
    gust_ioloop_unwatch(s->io->loop, &s->watcher);
    gust__unset(s, GUST__S_WANT_READ | GUST__S_WANT_WRITE);
    gust__set(s, GUST__S_HELD);
}

/* An error or hang-up is up, and reading did not end the stream. While somebody
 * reads, reading will come to it. */
static void error_event(gust_iostream *s)
{
    int code = s->watcher.fd >= 0 ? s->io->sys->socket_error(s->io->sys, s->watcher.fd) : 0;
    bool eof = gust__is(s, GUST__S_EOF);
    if (code != 0) {
        gust__stream_fail(s, code);
    } else if (eof && gust__in_size(s) == 0) {
        gust_iostream_close_with(s, gust__is(s, GUST__S_SHUT_SENT) ? GUST_EOF : -EPIPE);
    } else if (eof || !gust_iostream_is_reading(s)) {
        hold(s);
    }
}

static inline void handle_events(gust_iostream *s, unsigned events)
{
    if (GUST_UNLIKELY(gust__is(s, GUST__S_CONNECTING))) {
        connect_event(s);
        return;
    }
    if (events & (GUST_READ | GUST_ERROR)) {
        gust__stream_read(s);
    }
    if (events == GUST_READ || gust__is(s, GUST__S_CLOSED)) {
        return;
    }
    if (events & GUST_WRITE) {
        int code = gust__stream_want(s, gust__stream_wanted(s) & ~(unsigned)GUST_WRITE);
        if (code != 0) {
            gust_iostream_close_with(s, code);
        }
    }
    if ((events & GUST_ERROR) == GUST_ERROR && !gust__is(s, GUST__S_CLOSED)) {
        error_event(s);
    }
}

void gust_iostream_ready(gust_iostream *s, unsigned events)
{
    if (gust__is(s, GUST__S_CLOSED)) {
        return;
    }
    /* no reference is taken: the stream's own one goes before the loop waits, at
     * the earliest, and that is not from in here */
    check(s);
    gust__set(s, GUST__S_DISPATCH);
    handle_events(s, events);
    gust__unset(s, GUST__S_DISPATCH);
    if (s->io->corked == s || s->out != NULL || gust__is(s, GUST__S_SHUT | GUST__S_CLOSING)) {
        gust__stream_settle(s);
    }
    check(s);
}

/* ---- Time ---------------------------------------------------------------- */

static gust_time next_deadline(const gust_iostream *s)
{
    gust_time out = s->out != NULL ? s->out->deadline : GUST_NEVER;
    return out < s->u.deadline ? out : s->u.deadline;
}

/* The timer is armed for a time that was right once; deadlines have moved since. */
static void on_timer(gust_ioloop *loop, gust_timer *timer)
{
    gust_iostream *s = GUST_CONTAINER_OF(timer, gust_iostream, timer);
    gust_time now = gust_ioloop_now(loop);
    s->refs++;
    if (s->u.deadline <= now) {
        s->u.deadline = GUST_NEVER;
        if (s->cb != NULL && s->cb->on_timeout != NULL) {
            s->cb->on_timeout(s, s->user);
        } else {
            gust_iostream_close_with(s, GUST_ETIMEDOUT);
        }
    } else if (s->out != NULL && s->out->deadline <= now) {
        gust_iostream_close_with(s, GUST_ETIMEDOUT);
    }
    if (!gust__is(s, GUST__S_CLOSED) && next_deadline(s) != GUST_NEVER) {
        gust__stream_arm(s, next_deadline(s));
    }
    gust_iostream_unref(s);
}

/* See that the timer fires at `when` at the latest. Without memory for it the
 * stream ends rather than live without its deadline. */
void gust__stream_arm(gust_iostream *s, gust_time when)
{
    if (gust_ioloop_armed_for(s->io->loop, &s->timer) <= when) {
        return;
    }
    int code = gust_ioloop_arm(s->io->loop, &s->timer, when, on_timer);
    if (code != 0) {
        gust_iostream_close_with(s, code);
    }
}

int gust_iostream_set_deadline(gust_iostream *s, gust_time when)
{
    GUST_CHECK(!gust__is(s, GUST__S_CLOSED), GUST_ECLOSED);
    /* an armed timer fires at the old deadline at the latest: one that moves
     * later costs this store */
    gust_time before = s->u.deadline;
    bool later = when >= before && gust_timer_is_armed(&s->timer);
    s->u.deadline = when;
    if (later || when == GUST_NEVER) {
        return 0;
    }
    if (gust_ioloop_armed_for(s->io->loop, &s->timer) <= when) {
        return 0;
    }
    int code = gust_ioloop_arm(s->io->loop, &s->timer, when, on_timer);
    if (code != 0) {
        s->u.deadline = before;
    }
    check(s);
    return code;
}

/* ---- The end -------------------------------------------------------------- */

void gust_iostream_close_with(gust_iostream *s, int status)
{
    if (gust__is(s, GUST__S_CLOSED)) {
        return;
    }
    gust__set(s, GUST__S_CLOSED);
    s->error = status;
    gust_ioloop_disarm(s->io->loop, &s->timer);
    gust__cork_drop(s);
    gust__out_drop(s);
    gust_ioloop_unwatch(s->io->loop, &s->watcher);
    s->ops->close(s, s->transport);
    s->transport = NULL;
    gust__io_closing(s);
    check(s);
}

void gust_iostream_close(gust_iostream *s)
{
    gust_iostream_close_with(s, 0);
}

/* Peers that go away are no news; what is wrong with us or the network is. */
static void log_failure(const gust_iostream *s, int code)
{
    const char *name = s->cb != NULL && s->cb->name != NULL ? s->cb->name : s->ops->name;
    const char *text = gust_err_text(code);
    switch (code) {
    case -ECONNRESET:
    case -ECONNABORTED:
    case -EPIPE:
    case -ETIMEDOUT: break;
    case GUST_EUNSATISFIABLE:
        GUST_LOG(GUST_LOG_GENERAL, GUST_LOG_INFO, "%s stream closed: %s", name, text);
        break;
    case GUST_EBUFFERFULL:
        GUST_LOG(GUST_LOG_GENERAL, GUST_LOG_ERROR, "%s stream closed: %s", name, text);
        break;
    default:
        GUST_LOG(GUST_LOG_GENERAL, GUST_LOG_WARNING, "%s stream failed: %s", name, text);
        break;
    }
}

void gust__stream_fail(gust_iostream *s, int code)
{
    log_failure(s, code);
    gust_iostream_close_with(s, code);
}

/* What pending operations are told of the stream's end. */
static int operation_status(const gust_iostream *s)
{
    return s->error == 0 ? GUST_ECANCELED : s->error;
}

void gust__stream_finish_close(gust_iostream *s)
{
    int status = operation_status(s);
    check(s);
    gust__connect_done(s, status);
    gust__verb_finish(s, status);
    gust__out_fail(s, status);
    if (s->cb != NULL && s->cb->on_close != NULL) {
        s->cb->on_close(s, s->error, s->user);
    }
    s->cb = NULL;
    struct gust__verbs *v = s->verbs;
    if (v != NULL && v->close_fn != NULL) {
        gust_stream_close_fn *fn = v->close_fn;
        v->close_fn = NULL;
        fn(s, s->error, v->close_user);
    }
    if (gust__is(s, GUST__S_GROUPED)) {
        leave_group(s);
    }
    gust_iostream_unref(s);
}

/* ---- Questions ------------------------------------------------------------ */

bool gust_iostream_is_closed(const gust_iostream *s)
{
    return gust__is(s, GUST__S_CLOSED);
}

bool gust_iostream_is_eof(const gust_iostream *s)
{
    return gust__is(s, GUST__S_EOF);
}

int gust_iostream_error(const gust_iostream *s)
{
    return s->error;
}

const char *gust_iostream_error_text(const gust_iostream *s)
{
    if (!gust__is(s, GUST__S_CLOSED) && s->ops->error_text != NULL) {
        const char *text = s->ops->error_text(s, s->transport);
        if (text != NULL) {
            return text;
        }
    }
    return gust_err_text(s->error);
}

gust_ioloop *gust_iostream_loop(const gust_iostream *s)
{
    return s->io->loop;
}

int gust_iostream_fd(const gust_iostream *s)
{
    if (gust__is(s, GUST__S_CLOSED) || s->ops->fd == NULL) {
        return -1;
    }
    return s->ops->fd(s, s->transport);
}

void *gust_iostream_user(const gust_iostream *s)
{
    return s->user;
}

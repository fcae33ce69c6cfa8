/* The verbs: reads that complete once, and the single callbacks.
 *
 * A pending verb is a reader (see iostream.h) that takes nothing until it can
 * take all it wants. It is offered the kept bytes from its first one on each
 * time, so `scanned` may count from the front. */
#include "iostream/iostream_internal.h"
#include "util/alloc_internal.h"

int gust__verbs_get(gust_iostream *s, struct gust__verbs **out_verbs)
{
    if (s->verbs == NULL) {
        s->verbs = gust__calloc(1, sizeof *s->verbs);
        if (s->verbs == NULL) {
            return -ENOMEM;
        }
    }
    *out_verbs = s->verbs;
    return 0;
}

/* ---- Matching --------------------------------------------------------------- */

/* Not yet; and "this read can't be satisfied any more". */
#define NO_MATCH SIZE_MAX
#define UNSATISFIABLE (SIZE_MAX - 1)

static size_t match_until(struct gust__verbs *v, gust_str data)
{
    size_t from = v->scanned < data.len ? v->scanned : data.len;
    size_t at = gust_str_find(gust_str_skip(data, from), gust_str_make(v->delim, v->delim_len));
    if (at != SIZE_MAX) {
        size_t end = from + at + v->delim_len;
        return end <= v->n ? end : UNSATISFIABLE;
    }
    v->scanned = data.len >= v->delim_len ? data.len - (v->delim_len - 1) : 0;
    return data.len > v->n ? UNSATISFIABLE : NO_MATCH;
}

/* Bytes of `data` that satisfy the pending verb, or one of the two above. */
static size_t match(struct gust__verbs *v, gust_str data)
{
    switch (v->kind) {
    case GUST__VERB_UNTIL: return match_until(v, data);
    case GUST__VERB_BYTES: return data.len >= v->n ? v->n : NO_MATCH;
    case GUST__VERB_PARTIAL:
        if (v->n > 0 && data.len == 0) {
            return NO_MATCH;
        }
        return data.len < v->n ? data.len : v->n;
    case GUST__VERB_INTO: return v->filled + data.len >= v->n ? v->n - v->filled : NO_MATCH;
    case GUST__VERB_INTO_PARTIAL:
        if (v->n > 0 && v->filled + data.len == 0) {
            return NO_MATCH;
        }
        return data.len < v->n - v->filled ? data.len : v->n - v->filled;
    case GUST__VERB_UNTIL_CLOSE:
    case GUST__VERB_NONE: break;
    }
    return NO_MATCH;
}

static void complete(gust_iostream *s, int status, gust_str data)
{
    struct gust__verbs *v = s->verbs;
    gust_read_fn *fn = v->fn;
    v->kind = GUST__VERB_NONE;
    v->fn = NULL;
    fn(s, status, data, v->user);
}

/* Bytes for read_into that do not complete it are taken all the same: they
 * have reached their place. */
static size_t fill_into(struct gust__verbs *v, gust_str data)
{
    size_t room = v->n - v->filled;
    size_t n = data.len < room ? data.len : room;
    if (n > 0) {
        memcpy(v->into + v->filled, data.ptr, n);
        v->filled += n;
    }
    return n;
}

size_t gust__verb_reader(gust_iostream *s, gust_str data, void *user)
{
    (void)user; /* of the callbacks, not ours */
    struct gust__verbs *v = s->verbs;
    size_t n = match(v, data);
    if (v->into != NULL) {
        size_t taken = fill_into(v, data);
        if (n != NO_MATCH) {
            complete(s, 0, gust_str_make(v->into, v->filled));
        }
        return taken;
    }
    if (n == NO_MATCH) {
        return 0;
    }
    if (n == UNSATISFIABLE) {
        gust__stream_fail(s, GUST_EUNSATISFIABLE);
        return 0;
    }
    complete(s, 0, gust_str_make(data.ptr, n));
    return n;
}

/* What a read_into has so far; nothing for the others. */
static gust_str filled(const struct gust__verbs *v)
{
    return gust_str_make(v->into, v->into != NULL ? v->filled : 0);
}

/* ---- Starting ---------------------------------------------------------------- */

static gust_str kept(const gust_iostream *s)
{
    return s->in == NULL ? gust_str_make(NULL, 0)
                         : gust_str_make(s->in->data + s->in->off, gust__in_size(s));
}

static int check_start(gust_iostream *s, gust_read_fn *fn)
{
    GUST_CHECK(fn != NULL, -EINVAL);
    GUST_CHECK(s->cb == NULL || s->cb->reader == NULL, -EBUSY);
    GUST_CHECK(s->verbs == NULL || s->verbs->kind == GUST__VERB_NONE, -EBUSY);
    GUST_CHECK(s->verbs == NULL || s->verbs->canceled_fn == NULL, -EBUSY);
    struct gust__verbs *v;
    return gust__verbs_get(s, &v);
}

/* The verb is described in s->verbs but its kind: begin. */
static int start(gust_iostream *s, enum gust__verb kind, gust_read_fn *fn, void *user)
{
    struct gust__verbs *v = s->verbs;
    v->kind = kind;
    v->fn = fn;
    v->user = user;
    v->scanned = 0;
    v->filled = 0;
    if (gust__is(s, GUST__S_CLOSED)) {
        bool satisfied = kind == GUST__VERB_UNTIL_CLOSE || match(v, kept(s)) < UNSATISFIABLE;
        v->scanned = 0;
        int code = satisfied ? gust__io_kick(s) : GUST_ECLOSED;
        v->kind = code == 0 ? kind : GUST__VERB_NONE;
        return code;
    }
    int code = gust__stream_start_reading(s);
    if (code != 0) {
        v->kind = GUST__VERB_NONE;
        return code;
    }
    if (v->n == 0) {
        (void)gust__io_kick(s);
    }
    return 0;
}

int gust_iostream_read_until(gust_iostream *s, gust_str delim, size_t max_bytes, gust_read_fn *fn,
                             void *user)
{
    GUST_CHECK(delim.len > 0 && delim.len <= 16 && max_bytes > 0, -EINVAL);
    GUST_TRY(check_start(s, fn));
    struct gust__verbs *v = s->verbs;
    v->n = max_bytes;
    v->into = NULL;
    v->delim_len = delim.len;
    memcpy(v->delim, delim.ptr, delim.len);
    return start(s, GUST__VERB_UNTIL, fn, user);
}

static int read_some(gust_iostream *s, enum gust__verb kind, size_t n, gust_read_fn *fn, void *user)
{
    GUST_TRY(check_start(s, fn));
    s->verbs->n = n;
    s->verbs->into = NULL;
    return start(s, kind, fn, user);
}

int gust_iostream_read_bytes(gust_iostream *s, size_t n, gust_read_fn *fn, void *user)
{
    GUST_CHECK(n <= gust__max_buffer(s), -EINVAL);
    return read_some(s, GUST__VERB_BYTES, n, fn, user);
}

int gust_iostream_read_partial(gust_iostream *s, size_t n, gust_read_fn *fn, void *user)
{
    return read_some(s, GUST__VERB_PARTIAL, n, fn, user);
}

int gust_iostream_read_until_close(gust_iostream *s, gust_read_fn *fn, void *user)
{
    return read_some(s, GUST__VERB_UNTIL_CLOSE, 1, fn, user);
}

int gust_iostream_read_into(gust_iostream *s, void *buf, size_t n, bool partial, gust_read_fn *fn,
                            void *user)
{
    GUST_CHECK(buf != NULL, -EINVAL);
    GUST_TRY(check_start(s, fn));
    s->verbs->n = n;
    s->verbs->into = buf;
    return start(s, partial ? GUST__VERB_INTO_PARTIAL : GUST__VERB_INTO, fn, user);
}

/* ---- Ending ------------------------------------------------------------------ */

void gust_iostream_cancel_read(gust_iostream *s)
{
    if (!gust__verb_is_pending(s)) {
        return;
    }
    struct gust__verbs *v = s->verbs;
    v->kind = GUST__VERB_NONE;
    v->canceled_fn = v->fn;
    v->canceled_user = v->user;
    (void)gust__io_kick(s);
}

void gust__verb_tell_cancel(gust_iostream *s)
{
    struct gust__verbs *v = s->verbs;
    if (v != NULL && v->canceled_fn != NULL) {
        gust_read_fn *fn = v->canceled_fn;
        v->canceled_fn = NULL;
        fn(s, GUST_ECANCELED, filled(v), v->canceled_user);
    }
}

/* The stream has ended: what read_until_close was waiting for. */
static void finish_until_close(gust_iostream *s)
{
    int status = s->error == GUST_EOF ? 0 : s->error;
    gust_str data = kept(s);
    struct gust__in *in = s->in;
    s->in = NULL;
    complete(s, status, data);
    gust__free(in);
}

/* What is kept is all that the pending verb will ever see: serve it from that, or
 * tell it `status`. The bytes are off the buffer before fn is called, which may
 * start another read. */
void gust__verb_finish(gust_iostream *s, int status)
{
    gust__verb_tell_cancel(s);
    if (!gust__verb_is_pending(s)) {
        return;
    }
    struct gust__verbs *v = s->verbs;
    if (v->kind == GUST__VERB_UNTIL_CLOSE) {
        finish_until_close(s);
        return;
    }
    gust_str data = kept(s);
    size_t n = match(v, data);
    if (n >= UNSATISFIABLE) {
        complete(s, status, filled(v));
        return;
    }
    if (v->into != NULL) {
        n = fill_into(v, data);
        data = filled(v);
    } else {
        data.len = n;
    }
    if (n > 0) {
        s->in->off += n;
    }
    complete(s, 0, data);
}

void gust__connect_done(gust_iostream *s, int status)
{
    struct gust__verbs *v = s->verbs;
    if (v != NULL && v->connect_fn != NULL) {
        gust_connect_fn *fn = v->connect_fn;
        v->connect_fn = NULL;
        fn(s, status, v->connect_user);
    }
}

/* The close callback was set after the close: tell it by itself. */
static void late_close(gust_ioloop *loop, void *user)
{
    (void)loop;
    gust_iostream *s = user;
    struct gust__verbs *v = s->verbs;
    gust_stream_close_fn *fn = v->close_fn;
    v->close_fn = NULL;
    if (fn != NULL) {
        fn(s, s->error, v->close_user);
    }
    gust_iostream_unref(s);
}

int gust_iostream_set_close_callback(gust_iostream *s, gust_stream_close_fn *fn, void *user)
{
    struct gust__verbs *v;
    GUST_TRY(gust__verbs_get(s, &v));
    v->close_fn = fn;
    v->close_user = user;
    if (fn == NULL) {
        return 0;
    }
    int code;
    if (gust__is(s, GUST__S_CLOSED)) {
        code = gust_ioloop_add_callback(s->io->loop, late_close, s);
        s->refs = (uint16_t)(s->refs + (code == 0));
    } else {
        code = gust__stream_start_reading(s); /* to notice the end */
    }
    v->close_fn = code == 0 ? fn : NULL;
    return code;
}

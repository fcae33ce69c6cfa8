/* How streams end, over each bottom: what may be done inside every callback, who is
 * told what and in which order, resets, failures. Numbers in comments are the cases of
 * the behaviour reference, 2.10. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <gust/log.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/streams.h"

enum { MIB = 1048576 };

static void send_text(gust_iostream *s, const char *text)
{
    assert_int_equal(gust_iostream_write(s, gust_str_from(text), NULL, NULL), 0);
}

/* ---- In each callback, each deed ----------------------------------------------------- */

enum place {
    IN_READER,
    IN_EOF,
    IN_DRAIN,
    IN_TIMEOUT,
    IN_CLOSE,
    IN_READ,
    IN_WRITE,
    IN_CANCELLED,
    IN_CLOSE_FN,
    IN_FREE,
    PLACES
};

enum deed {
    CLOSE_SELF,
    CLOSE_PEER,
    CLOSE_BOTH,
    CLOSE_WITH,
    CLOSE_AFTER_FLUSH,
    SHUTDOWN,
    STOP_LOOP,
    WRITE_MUCH,
    WRITE_AND_CLOSE,
    OTHER_CALLBACKS,
    NO_CALLBACKS,
    PAUSE,
    RESUME,
    PAUSE_AND_RESUME,
    YIELD,
    FLUSH,
    READ,
    READ_NOTHING,
    READ_TO_THE_END,
    CANCEL,
    DEADLINE,
    CLOSE_CALLBACK,
    READY,
    DEEDS
};

struct matrix {
    struct streams t;
    gust_iostream *a; /* NULL once it may be gone */
    gust_iostream *b;
    enum place place;
    enum deed deed;
    int fired;
    int closes;
    bool deaf; /* nobody tells us of the close */
    struct heard reads;
    struct ears peer;
    char *much;
};

static size_t matrix_reader(gust_iostream *s, gust_str data, void *user);
static void matrix_on_eof(gust_iostream *s, void *user);
static void matrix_on_drain(gust_iostream *s, void *user);
static void matrix_on_timeout(gust_iostream *s, void *user);
static void matrix_on_close(gust_iostream *s, int status, void *user);

static const gust_iostream_callbacks matrix_callbacks = {.reader = matrix_reader,
                                                         .on_eof = matrix_on_eof,
                                                         .on_drain = matrix_on_drain,
                                                         .on_timeout = matrix_on_timeout,
                                                         .on_close = matrix_on_close};
static const gust_iostream_callbacks verb_callbacks = {
    .on_drain = matrix_on_drain, .on_timeout = matrix_on_timeout, .on_close = matrix_on_close};

static void write_much(struct matrix *m, gust_iostream *s)
{
    int code = gust_iostream_write(s, gust_str_make(m->much, MIB), heard_write, &m->reads);
    assert_true(code == 0 || code == GUST_ECLOSED || code == GUST_ESTATE);
}

static void close_peer(struct matrix *m)
{
    if (m->b != NULL) {
        gust_iostream_close(m->b);
    }
}

static void do_writing(struct matrix *m, gust_iostream *s)
{
    switch (m->deed) {
    case CLOSE_AFTER_FLUSH: gust_iostream_close_after_flush(s); break;
    case SHUTDOWN: (void)gust_iostream_shutdown_write(s); break;
    case WRITE_MUCH: write_much(m, s); break;
    case WRITE_AND_CLOSE:
        write_much(m, s);
        gust_iostream_close(s);
        break;
    default: gust_iostream_flush(s); break;
    }
}

static void do_reading(struct matrix *m, gust_iostream *s)
{
    switch (m->deed) {
    case READ: (void)gust_iostream_read_partial(s, 10, heard_read, &m->reads); break;
    case READ_NOTHING: (void)gust_iostream_read_bytes(s, 0, heard_read, &m->reads); break;
    case READ_TO_THE_END: (void)gust_iostream_read_until_close(s, heard_read, &m->reads); break;
    case PAUSE: gust_iostream_pause(s); break;
    case RESUME: gust_iostream_resume(s); break;
    case PAUSE_AND_RESUME:
        gust_iostream_pause(s);
        gust_iostream_resume(s);
        break;
    case YIELD: gust_iostream_yield(s); break;
    default: gust_iostream_cancel_read(s); break;
    }
}

static void do_deed(struct matrix *m, gust_iostream *s)
{
    m->fired++;
    if (m->fired > 1) {
        return;
    }
    switch (m->deed) {
    case CLOSE_SELF: gust_iostream_close(s); break;
    case CLOSE_PEER: close_peer(m); break;
    case CLOSE_BOTH:
        gust_iostream_close(s);
        close_peer(m);
        break;
    case CLOSE_WITH: gust_iostream_close_with(s, GUST_EPROTO); break;
    case STOP_LOOP: gust_ioloop_stop(m->t.loop); break;
    case OTHER_CALLBACKS: (void)gust_iostream_set_callbacks(s, &verb_callbacks, m); break;
    case NO_CALLBACKS: m->deaf = gust_iostream_set_callbacks(s, NULL, NULL) == 0; break;
    case DEADLINE:
        (void)gust_iostream_set_deadline(s, gust_ioloop_now(m->t.loop) + GUST_MILLIS(1));
        break;
    case CLOSE_CALLBACK: (void)gust_iostream_set_close_callback(s, heard_write, &m->reads); break;
    case READY: /* a spurious event, but never within one of its own */
        if (m->place != IN_READER && m->place != IN_EOF && m->place != IN_FREE) {
            gust_iostream_ready(s, GUST_READ | GUST_WRITE | GUST_ERROR);
        }
        break;
    case CLOSE_AFTER_FLUSH:
    case SHUTDOWN:
    case WRITE_MUCH:
    case WRITE_AND_CLOSE:
    case FLUSH: do_writing(m, s); break;
    default: do_reading(m, s); break;
    }
}

static void do_if(struct matrix *m, gust_iostream *s, enum place place)
{
    if (m->place == place) {
        do_deed(m, s);
    }
}

static size_t matrix_reader(gust_iostream *s, gust_str data, void *user)
{
    do_if(user, s, IN_READER);
    return data.len > 1 ? data.len - 1 : 1;
}

static void matrix_on_eof(gust_iostream *s, void *user)
{
    do_if(user, s, IN_EOF);
}

static void matrix_on_drain(gust_iostream *s, void *user)
{
    do_if(user, s, IN_DRAIN);
}

static void matrix_on_timeout(gust_iostream *s, void *user)
{
    do_if(user, s, IN_TIMEOUT);
}

static void matrix_on_close(gust_iostream *s, int status, void *user)
{
    struct matrix *m = user;
    (void)status;
    m->closes++;
    do_if(m, s, IN_CLOSE);
    m->a = NULL;
}

static void matrix_read(gust_iostream *s, int status, gust_str data, void *user)
{
    (void)status;
    (void)data;
    do_if(user, s, IN_READ);
    do_if(user, s, IN_CANCELLED);
}

static void matrix_write(gust_iostream *s, int status, void *user)
{
    (void)status;
    do_if(user, s, IN_WRITE);
}

static void matrix_close_fn(gust_iostream *s, int status, void *user)
{
    (void)status;
    do_if(user, s, IN_CLOSE_FN);
}

static void matrix_free(void *user)
{
    struct matrix *m = user;
    if (m->a != NULL) {
        do_if(m, m->a, IN_FREE);
    }
}

static void peer_on_close(gust_iostream *s, int status, void *user)
{
    struct matrix *m = user;
    (void)s;
    (void)status;
    m->b = NULL;
}

static size_t peer_reader(gust_iostream *s, gust_str data, void *user)
{
    (void)s;
    (void)user;
    return data.len;
}

static const gust_iostream_callbacks peer_callbacks = {.reader = peer_reader,
                                                       .on_close = peer_on_close};

/* Make the callback of the place come. */
static void provoke(struct matrix *m)
{
    gust_ioloop *loop = m->t.loop;
    gust_str much = gust_str_make(m->much, MIB);
    switch (m->place) {
    case IN_READER: send_text(m->b, "some bytes"); break;
    case IN_EOF: assert_int_equal(gust_iostream_shutdown_write(m->b), 0); break;
    case IN_DRAIN: assert_int_equal(gust_iostream_write(m->a, much, NULL, NULL), 0); break;
    case IN_TIMEOUT:
        assert_int_equal(gust_iostream_set_deadline(m->a, gust_ioloop_now(loop) + 1), 0);
        break;
    case IN_READ:
        assert_int_equal(gust_iostream_read_bytes(m->a, 3, matrix_read, m), 0);
        send_text(m->b, "some bytes");
        break;
    case IN_CANCELLED:
        assert_int_equal(gust_iostream_read_bytes(m->a, 3, matrix_read, m), 0);
        gust_iostream_cancel_read(m->a);
        break;
    case IN_WRITE:
        assert_int_equal(gust_iostream_write(m->a, much, matrix_write, m), 0);
        assert_int_equal(gust_iostream_write(m->a, much, matrix_write, m), 0);
        break;
    case IN_FREE:
        for (int i = 0; i < 3; i++) {
            assert_int_equal(
                gust_iostream_write_adopt(m->a, gust_str_make(m->much, 3), matrix_free, m), 0);
        }
        break;
    case IN_CLOSE_FN:
        assert_int_equal(gust_iostream_set_close_callback(m->a, matrix_close_fn, m), 0);
        gust_iostream_close(m->b);
        break;
    default: gust_iostream_close(m->a); break;
    }
}

static void run_matrix(struct matrix *m, bool held)
{
    static const gust_iostream_options options = {.write_high_water = 1000, .write_low_water = 500};
    bool verbs = m->place == IN_READ || m->place == IN_CANCELLED || m->place == IN_CLOSE_FN;
    streams_open(&m->t, &options);
    m->a = m->t.a;
    m->b = m->t.b;
    if (!held) { /* it is freed as soon as it has closed */
        gust_iostream_unref(m->t.a);
        m->t.a = NULL;
    }
    assert_int_equal(gust_iostream_set_callbacks(m->b, &peer_callbacks, m), 0);
    assert_int_equal(
        gust_iostream_set_callbacks(m->a, verbs ? &verb_callbacks : &matrix_callbacks, m), 0);
    gust_iostream *a = m->a;
    provoke(m);
    streams_until(&m->t, &m->fired, 1);
    streams_pass(&m->t, GUST_MILLIS(10));
    streams_turn(&m->t, 20);
    if (m->deaf) {
        gust_iostream_close(a);
    } else if (m->a != NULL) {
        gust_iostream_close(m->a);
    }
    streams_turn(&m->t, 10);
    assert_int_equal(m->closes, !m->deaf);
    streams_close(&m->t);
}

static void run_place(enum place place)
{
    char *much = streams_pattern(MIB);
    for (int deed = 0; deed < DEEDS; deed++) {
        for (int held = 0; held < 2; held++) {
            if (!held && deed == NO_CALLBACKS) {
                continue; /* nobody could tell us that it is gone */
            }
            struct matrix *m = calloc(1, sizeof(*m));
            m->place = place;
            m->deed = (enum deed)deed;
            m->much = much;
            run_matrix(m, held);
            free(m);
        }
    }
    free(much);
}

/* S19.1 */
static void test_matrix__reader(void **state)
{
    (void)state;
    run_place(IN_READER);
}

static void test_matrix__on_eof(void **state)
{
    (void)state;
    run_place(IN_EOF);
}

static void test_matrix__on_drain(void **state)
{
    (void)state;
    run_place(IN_DRAIN);
}

static void test_matrix__on_timeout(void **state)
{
    (void)state;
    run_place(IN_TIMEOUT);
}

static void test_matrix__on_close(void **state)
{
    (void)state;
    run_place(IN_CLOSE);
}

static void test_matrix__read_completion(void **state)
{
    (void)state;
    run_place(IN_READ);
}

static void test_matrix__cancelled_read(void **state)
{
    (void)state;
    run_place(IN_CANCELLED);
}

static void test_matrix__write_completion(void **state)
{
    (void)state;
    run_place(IN_WRITE);
}

static void test_matrix__free_function(void **state)
{
    (void)state;
    run_place(IN_FREE);
}

static void test_matrix__close_callback(void **state)
{
    (void)state;
    run_place(IN_CLOSE_FN);
}

/* ---- Who is told, and when ------------------------------------------------------------- */

/* 2.6: what is pending fails first, on_close and then the close callback come last; all
 * of it posted, and with the same reason. */
static int order_count;

static void order_on_close(gust_iostream *s, int status, void *user)
{
    struct heard *h = user;
    (void)s;
    h->calls++;
    h->status = status;
    h->at = ++order_count;
}

static void test_close_with__order_and_reason(void **state)
{
    static const gust_iostream_callbacks cb = {.on_close = order_on_close};
    struct streams t;
    struct heard read = {.order = &order_count}, write = {.order = &order_count};
    struct heard closed = {.order = &order_count}, on_close = {0};
    char *much = streams_pattern(8 * MIB);
    (void)state;
    order_count = 0;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_set_callbacks(t.a, &cb, &on_close), 0);
    assert_int_equal(gust_iostream_set_close_callback(t.a, heard_write, &closed), 0);
    assert_int_equal(gust_iostream_read_bytes(t.a, 10, heard_read, &read), 0);
    assert_int_equal(
        gust_iostream_write_borrowed(t.a, gust_str_make(much, 8 * MIB), heard_write, &write), 0);
    gust_iostream_close_with(t.a, GUST_EPROTO);
    gust_iostream_close_with(t.a, GUST_EOF); /* the first counts */
    assert_int_equal(gust_iostream_error(t.a), GUST_EPROTO);
    assert_string_equal(gust_iostream_error_text(t.a), gust_err_text(GUST_EPROTO));
    assert_int_equal(order_count, 0);
    streams_until(&t, &closed.calls, 1);
    assert_int_equal(read.at, 1);
    assert_int_equal(write.at, 2);
    assert_int_equal(on_close.at, 3);
    assert_int_equal(closed.at, 4);
    assert_int_equal(read.status, GUST_EPROTO);
    assert_int_equal(write.status, GUST_EPROTO);
    assert_int_equal(on_close.status, GUST_EPROTO);
    assert_int_equal(closed.status, GUST_EPROTO);
    free(much);
    streams_close(&t);
    assert_int_equal(order_count, 4);
}

static void test_close__descriptor_is_gone_before_it_returns(void **state)
{
    struct streams t;
    (void)state;
    streams_open(&t, NULL);
    int fd = gust_iostream_fd(t.a);
    assert_int_equal(fd >= 0, streams_bottom() != STREAMS_PAIR);
    assert_int_equal(gust_iostream_error(t.a), 0);
    gust_iostream_close(t.a);
    assert_true(gust_iostream_is_closed(t.a));
    assert_int_equal(gust_iostream_fd(t.a), -1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    streams_close(&t);
}

/* A held stream may be asked everything; its operations say that it is closed. */
static void test_closed__operations_refused(void **state)
{
    struct streams t;
    struct heard h = {0};
    struct ears e = {0};
    gust_shared *shared;
    char *room, buf[4];
    (void)state;
    streams_open(&t, NULL);
    gust_iostream_close(t.a);
    streams_turn(&t, 5);
    assert_int_equal(gust_iostream_write(t.a, GUST_STR("x"), heard_write, &h), GUST_ECLOSED);
    assert_int_equal(gust_iostream_write(t.a, GUST_STR(""), heard_write, &h), GUST_ECLOSED);
    assert_int_equal(gust_iostream_write_borrowed(t.a, GUST_STR("x"), heard_write, &h),
                     GUST_ECLOSED);
    assert_int_equal(gust_shared_new(GUST_STR("x"), &shared), 0);
    assert_int_equal(gust_iostream_write_shared(t.a, shared), GUST_ECLOSED);
    gust_shared_unref(shared);
    assert_int_equal(gust_iostream_reserve(t.a, 1, &room), GUST_ECLOSED);
    assert_int_equal(gust_iostream_shutdown_write(t.a), GUST_ECLOSED);
    assert_int_equal(gust_iostream_set_callbacks(t.a, &ears_callbacks, &e), GUST_ECLOSED);
    assert_int_equal(gust_iostream_set_deadline(t.a, 1), GUST_ECLOSED);
    assert_int_equal(gust_iostream_read_bytes(t.a, 1, heard_read, &h), GUST_ECLOSED);
    assert_int_equal(gust_iostream_read_into(t.a, buf, 4, true, heard_read, &h), GUST_ECLOSED);
    gust_iostream_close_after_flush(t.a);
    gust_iostream_flush(t.a);
    gust_iostream_pause(t.a);
    gust_iostream_resume(t.a);
    gust_iostream_yield(t.a);
    gust_iostream_cancel_read(t.a);
    gust_iostream_set_nodelay(t.a, true);
    assert_false(gust_iostream_is_reading(t.a));
    assert_false(gust_iostream_is_writing(t.a));
    assert_false(gust_iostream_is_congested(t.a));
    assert_int_equal(gust_iostream_write_queue_size(t.a), 0);
    assert_ptr_equal(gust_iostream_loop(t.a), t.loop);
    streams_turn(&t, 5);
    assert_int_equal(h.calls, 0);
    streams_close(&t);
}

/* 46 */
static void test_close_callback__set_after_the_close__posted_once(void **state)
{
    struct streams t;
    struct heard h = {0}, g = {0};
    (void)state;
    streams_open(&t, NULL);
    gust_iostream_close_with(t.a, GUST_EPROTO);
    streams_turn(&t, 5);
    assert_int_equal(gust_iostream_set_close_callback(t.a, heard_write, &h), 0);
    assert_int_equal(h.calls, 0);
    streams_until(&t, &h.calls, 1);
    assert_int_equal(h.status, GUST_EPROTO);
    gust_iostream_close(t.a);
    streams_turn(&t, 5);
    assert_int_equal(h.calls, 1);
    assert_int_equal(gust_iostream_set_close_callback(t.a, heard_write, &g), 0);
    assert_int_equal(gust_iostream_set_close_callback(t.a, NULL, NULL), 0); /* cleared again */
    streams_turn(&t, 5);
    assert_int_equal(g.calls, 0);
    streams_close(&t);
}

static void test_close_callback__set_between_close_and_its_telling__once(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    gust_iostream_close(t.a);
    assert_int_equal(gust_iostream_set_close_callback(t.a, heard_write, &h), 0);
    streams_turn(&t, 10);
    assert_int_equal(h.calls, 1);
    streams_close(&t);
}

static void test_close_callback__one_slot(void **state)
{
    struct streams t;
    struct heard h = {0}, g = {0};
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_set_close_callback(t.a, heard_write, &h), 0);
    assert_int_equal(gust_iostream_set_close_callback(t.a, heard_write, &g), 0);
    gust_iostream_close(t.a);
    streams_turn(&t, 10);
    assert_int_equal(h.calls, 0);
    assert_int_equal(g.calls, 1);
    streams_close(&t);
}

/* 14 */
static void test_close_callback__peer_closes_during_a_read(void **state)
{
    struct streams t;
    int order = 0;
    struct heard line = {0}, read = {.order = &order}, closed = {.order = &order};
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_set_close_callback(t.a, heard_write, &closed), 0);
    assert_int_equal(gust_iostream_read_until(t.a, GUST_STR("\n"), 100, heard_read, &line), 0);
    send_text(t.b, "line\n");
    streams_until(&t, &line.calls, 1);
    assert_int_equal(gust_iostream_read_until(t.a, GUST_STR("\n"), 100, heard_read, &read), 0);
    gust_iostream_close(t.b);
    streams_until(&t, &closed.calls, 1);
    assert_int_equal(read.calls, 1);
    assert_int_equal(read.status, GUST_EOF);
    assert_true(read.at < closed.at);
    assert_int_equal(closed.status, GUST_EOF);
    streams_close(&t);
}

/* Two streams have events in one batch; who comes first closes the other. */
struct duel {
    gust_iostream *other;
    int reads;
};

static size_t duel_reader(gust_iostream *s, gust_str data, void *user)
{
    struct duel *d = user;
    (void)s;
    d->reads++;
    gust_iostream_close(d->other);
    return data.len;
}

static void test_close__event_of_the_same_batch__is_not_delivered(void **state)
{
    static const gust_iostream_callbacks cb = {.reader = duel_reader};
    struct streams t;
    (void)state;
    streams_open(&t, NULL);
    struct duel a = {.other = t.b}, b = {.other = t.a};
    assert_int_equal(gust_iostream_set_callbacks(t.a, &cb, &a), 0);
    assert_int_equal(gust_iostream_set_callbacks(t.b, &cb, &b), 0);
    send_text(t.a, "x");
    send_text(t.b, "y");
    streams_turn(&t, 20);
    assert_int_equal(a.reads + b.reads, 1);
    streams_close(&t);
}

/* A loop that goes closes its streams. */
static void test_loop_freed__streams_are_closed_and_told(void **state)
{
    struct streams t;
    struct ears e = {0}, f = {0};
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_set_callbacks(t.a, &ears_callbacks, &e), 0);
    assert_int_equal(gust_iostream_set_callbacks(t.b, &ears_callbacks, &f), 0);
    assert_int_equal(gust_iostream_write(t.a, GUST_STR("unsent"), heard_write, &h), 0);
    gust_iostream_yield(t.a);
    gust_iostream_unref(t.a);
    gust_iostream_unref(t.b);
    gust_ioloop_free(t.loop);
    assert_int_equal(e.closes, 1);
    assert_int_equal(f.closes, 1);
    assert_int_equal(h.calls, 1);
}

/* ---- Resets and failures -------------------------------------------------------------------- */

static int log_lines;

static void count_line(const gust_log_record *record, void *user)
{
    (void)user;
    assert_true(record->level >= GUST_LOG_INFO);
    log_lines += gust_str_find(record->message, GUST_STR("more lines like this")) == SIZE_MAX;
}

static void log_begin(void)
{
    log_lines = 0;
    gust_log_set_sink(count_line, NULL);
}

static int log_end(void)
{
    gust_log_set_sink(NULL, NULL);
    return log_lines;
}

/* End b so that a gets a reset. */
static void reset_peer(struct streams *t)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    int fd = gust_iostream_fd(t->b);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    gust_iostream_close(t->b);
}

/* 43: idle, writing, paused, paused with kept bytes, without anybody, flushing out. */
static void test_reset__told_once_with_its_code__whatever_we_do(void **state)
{
    enum { IDLE, WRITING, PAUSED, KEPT, VERB, FLUSHING, STATES };
    char *much = streams_pattern(15 * MIB);
    (void)state;
    if (streams_bottom() != STREAMS_TCP) {
        free(much);
        return; /* only TCP resets */
    }
    for (int what = 0; what < STATES; what++) {
        struct streams t;
        struct ears e = {0};
        struct heard h = {0};
        static const gust_iostream_callbacks cb = {.on_close = ears_on_close};
        log_begin();
        streams_open(&t, NULL);
        assert_int_equal(gust_iostream_set_callbacks(t.a, what == VERB ? &cb : &ears_callbacks, &e),
                         0);
        if (what == WRITING || what == FLUSHING) {
            gust_str data = gust_str_make(much, 15 * MIB);
            assert_int_equal(gust_iostream_write_borrowed(t.a, data, heard_write, &h), 0);
        }
        if (what == PAUSED || what == KEPT) {
            gust_iostream_pause(t.a);
        }
        if (what == KEPT) {
            send_text(t.b, "kept");
        }
        if (what == VERB) {
            assert_int_equal(gust_iostream_read_bytes(t.a, 9, heard_read, &h), 0);
        }
        if (what == FLUSHING) {
            gust_iostream_close_after_flush(t.a);
        }
        streams_turn(&t, 30);
        assert_int_equal(e.closes, 0);
        reset_peer(&t);
        streams_until(&t, &e.closes, 1);
        assert_int_equal(e.status, -ECONNRESET);
        assert_int_equal(h.calls, what == WRITING || what == VERB || what == FLUSHING);
        assert_int_equal(h.status, h.calls ? -ECONNRESET : 0);
        assert_int_equal(gust_iostream_buffered(t.a), what == KEPT ? 4 : 0);
        streams_close(&t);
        assert_int_equal(e.closes, 1);
        assert_int_equal(log_end(), 0); /* nothing to write home about */
    }
    free(much);
}

/* 30, 31: an unexpected error of the kernel is logged once and ends the stream. */
static void test_read_fails__logged_once__closes_with_its_code(void **state)
{
    static const struct {
        int code;
        int lines;
    } rows[] = {{-EBADF, 1}, {-EIO, 1}, {-ECONNRESET, 0}, {-ETIMEDOUT, 0}, {-ENOMEM, 1}};
    static int lines;
    (void)state;
    if (streams_bottom() == STREAMS_PAIR) {
        return; /* has no kernel */
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct streams t;
        struct ears e = {0};
        log_begin();
        streams_open(&t, NULL);
        faults_fail(&t.faults, FAULTS_RECV, 1, rows[i].code, FAULTS_FROM_THEN_ON);
        assert_int_equal(gust_iostream_set_callbacks(t.a, &ears_callbacks, &e), 0);
        send_text(t.b, "x");
        streams_until(&t, &e.closes, 1);
        assert_int_equal(e.status, rows[i].code);
        assert_int_equal(e.reads, 0);
        streams_close(&t);
        assert_in_range(log_end(), 0, rows[i].lines); /* the logger has a limit of its own */
        lines += log_lines;
    }
    assert_true(lines >= 3);
}

/* Interrupted and empty-handed calls are made again. */
static void test_read__eintr_and_eagain__again(void **state)
{
    struct streams t;
    struct ears e = {0};
    (void)state;
    streams_open(&t, NULL);
    for (unsigned long nth = 1; nth <= 3; nth++) {
        faults_fail(&t.faults, FAULTS_RECV, nth, nth == 2 ? -EAGAIN : -EINTR, FAULTS_ONCE);
    }
    assert_int_equal(gust_iostream_set_callbacks(t.a, &ears_callbacks, &e), 0);
    send_text(t.b, "x");
    streams_until(&t, &e.reads, 1);
    assert_string_equal(e.text, "x");
    streams_close(&t);
}

/* 18: what the limit of a read ends is information, not an error. */
static void test_unsatisfiable_read__one_line(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    log_begin();
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_read_until(t.a, GUST_STR("z"), 3, heard_read, &h), 0);
    send_text(t.b, "12345");
    streams_until(&t, &h.calls, 1);
    streams_close(&t);
    assert_int_equal(log_end(), 1);
}

static int group(void)
{
    const struct CMUnitTest tests[] = {
        STREAMS_CASE(test_matrix__reader),
        STREAMS_CASE(test_matrix__on_eof),
        STREAMS_CASE(test_matrix__on_drain),
        STREAMS_CASE(test_matrix__on_timeout),
        STREAMS_CASE(test_matrix__on_close),
        STREAMS_CASE(test_matrix__read_completion),
        STREAMS_CASE(test_matrix__cancelled_read),
        STREAMS_CASE(test_matrix__write_completion),
        STREAMS_CASE(test_matrix__free_function),
        STREAMS_CASE(test_matrix__close_callback),
        STREAMS_CASE(test_close_with__order_and_reason),
        STREAMS_CASE(test_close__descriptor_is_gone_before_it_returns),
        STREAMS_CASE(test_closed__operations_refused),
        STREAMS_CASE(test_close_callback__set_after_the_close__posted_once),
        STREAMS_CASE(test_close_callback__set_between_close_and_its_telling__once),
        STREAMS_CASE(test_close_callback__one_slot),
        STREAMS_CASE(test_close_callback__peer_closes_during_a_read),
        STREAMS_CASE(test_close__event_of_the_same_batch__is_not_delivered),
        STREAMS_CASE(test_loop_freed__streams_are_closed_and_told),
        STREAMS_CASE(test_reset__told_once_with_its_code__whatever_we_do),
        STREAMS_CASE(test_read_fails__logged_once__closes_with_its_code),
        STREAMS_CASE(test_read__eintr_and_eagain__again),
        STREAMS_CASE(test_unsatisfiable_read__one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return streams_over_bottoms(group);
}

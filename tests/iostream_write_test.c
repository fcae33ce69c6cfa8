/* The write queue, over each bottom: order, completions, limits, water marks, and the
 * ownership of bytes. Numbers in comments are the cases of the behaviour reference, 2.10. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/streams.h"

enum { MIB = 1048576 };

static gust_str text(const char *cstr)
{
    return gust_str_from(cstr);
}

/* Takes the pattern, from where it stands. */
struct sink {
    size_t at;
    int closes;
    int status;
    int full; /* goal was reached */
    size_t goal;
};

static size_t sink_reader(gust_iostream *s, gust_str data, void *user)
{
    struct sink *k = user;
    (void)s;
    assert_true(streams_is_pattern(data, k->at));
    k->at += data.len;
    k->full = k->at >= k->goal;
    return data.len;
}

static void sink_on_close(gust_iostream *s, int status, void *user)
{
    struct sink *k = user;
    (void)s;
    k->closes++;
    k->status = status;
}

static const gust_iostream_callbacks sink_callbacks = {.reader = sink_reader,
                                                       .on_close = sink_on_close};

static void sink_at(gust_iostream *s, struct sink *k)
{
    assert_int_equal(gust_iostream_set_callbacks(s, &sink_callbacks, k), 0);
}

/* ---- Completions --------------------------------------------------------------- */

static void test_write__completes_once_and_later(void **state)
{
    struct streams t;
    struct heard h = {0};
    struct ears e = {0};
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_set_callbacks(t.b, &ears_callbacks, &e), 0);
    assert_int_equal(gust_iostream_write(t.a, text("hello"), heard_write, &h), 0);
    assert_int_equal(h.calls, 0);
    assert_true(gust_iostream_is_writing(t.a));
    assert_int_equal(gust_iostream_write_queue_size(t.a), 5);
    streams_until(&t, &h.calls, 1);
    assert_int_equal(h.status, 0);
    assert_false(gust_iostream_is_writing(t.a));
    streams_until(&t, &e.reads, 1);
    assert_string_equal(e.text, "hello");
    streams_turn(&t, 10);
    assert_int_equal(h.calls, 1);
    streams_close(&t);
}

/* 7, and the order of completions of writes of every kind. */
static void test_write__completions_in_order__empty_ones_too(void **state)
{
    enum { WRITES = 60, LARGE = 100000 };
    struct streams t;
    struct heard h[WRITES];
    struct ears e = {0};
    int order = 0;
    char *bytes = streams_pattern(LARGE);
    (void)state;
    memset(h, 0, sizeof(h));
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_set_callbacks(t.b, &ears_callbacks, &e), 0);
    for (int i = 0; i < WRITES; i++) {
        size_t n = i % 4 == 0 ? 0 : i % 4 == 1 ? 3 : LARGE;
        gust_str data = gust_str_make(bytes, n);
        h[i].order = &order;
        assert_int_equal(i % 4 == 3 ? gust_iostream_write_borrowed(t.a, data, heard_write, &h[i])
                                    : gust_iostream_write(t.a, data, heard_write, &h[i]),
                         0);
        assert_int_equal(h[i].calls, 0);
    }
    streams_until(&t, &h[WRITES - 1].calls, 1);
    for (int i = 0; i < WRITES; i++) {
        assert_int_equal(h[i].calls, 1);
        assert_int_equal(h[i].status, 0);
        assert_int_equal(h[i].at, i + 1);
    }
    free(bytes);
    streams_close(&t);
}

static void test_write__of_nothing__completes_and_touches_no_descriptor(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    streams_turn(&t, 5);
    unsigned long sends = t.faults.calls[FAULTS_SEND] + t.faults.calls[FAULTS_SENDV];
    assert_int_equal(gust_iostream_write(t.a, text(""), heard_write, &h), 0);
    assert_int_equal(gust_iostream_write_borrowed(t.a, text(""), heard_write, &h), 0);
    assert_int_equal(gust_iostream_write(t.a, text(""), NULL, NULL), 0);
    assert_int_equal(h.calls, 0);
    streams_until(&t, &h.calls, 2);
    assert_int_equal(h.status, 0);
    assert_int_equal(t.faults.calls[FAULTS_SEND] + t.faults.calls[FAULTS_SENDV], sends);
    streams_close(&t);
}

struct again {
    int calls;
    int limit;
    size_t size;
};

static void write_again(gust_iostream *s, int status, void *user)
{
    struct again *again = user;
    assert_int_equal(status, 0);
    if (++again->calls < again->limit) {
        assert_int_equal(
            gust_iostream_write(s, gust_str_make("xyz", again->size), write_again, again), 0);
    }
}

/* A writer that always writes again does not hold the loop up. */
static void test_write__from_a_completion__later(void **state)
{
    (void)state;
    for (size_t size = 0; size < 2; size++) {
        struct streams t;
        struct ears e = {0};
        struct again again = {.limit = 1000, .size = size};
        streams_open(&t, NULL);
        assert_int_equal(gust_iostream_set_callbacks(t.b, &ears_callbacks, &e), 0);
        assert_int_equal(gust_iostream_write(t.a, text(""), write_again, &again), 0);
        streams_until(&t, &again.calls, 1);
        assert_true(again.calls < 5);
        streams_until(&t, &again.calls, 1000);
        streams_turn(&t, 10);
        assert_int_equal(e.len, 999 * size);
        streams_close(&t);
    }
}

/* 32 */
static void test_write__10_writers_of_1000_pieces__all_complete(void **state)
{
    enum { WRITERS = 10, PIECES = 1000, PIECE = 5000 };
    struct streams t;
    struct sink k = {.goal = (size_t)WRITERS * PIECES * PIECE};
    struct heard h = {0};
    char *bytes = streams_pattern(k.goal);
    static const gust_iostream_options options = {.max_write_buffer_size = 100 * MIB};
    (void)state;
    streams_open(&t, &options);
    sink_at(t.b, &k);
    for (size_t i = 0; i < (size_t)WRITERS * PIECES; i++) {
        gust_str piece = gust_str_make(bytes + i * PIECE, PIECE);
        assert_int_equal(gust_iostream_write(t.a, piece, heard_write, &h), 0);
    }
    streams_until(&t, &h.calls, WRITERS * PIECES);
    streams_until(&t, &k.full, 1);
    assert_int_equal(k.at, k.goal);
    free(bytes);
    streams_close(&t);
}

/* ---- Segments --------------------------------------------------------------------- */

/* 39: what is queued arrives, whatever the sizes and the kinds of its pieces. */
static void free_count(void *user)
{
    ++*(int *)user;
}

static void test_segments__of_all_kinds_and_sizes__arrive_in_order(void **state)
{
    enum { SIZE = 2000000 };
    static const gust_iostream_options options = {.max_write_buffer_size = SIZE};
    struct streams t;
    struct sink k = {.goal = SIZE};
    char *bytes = streams_pattern(SIZE);
    int freed = 0, given = 0;
    uint32_t random = 3;
    (void)state;
    streams_open(&t, &options);
    sink_at(t.b, &k);
    for (size_t at = 0; at < SIZE;) {
        random = random * 1664525u + 1013904223u;
        size_t n = (random >> 8) % ((random >> 28) == 0 ? 50000 : 700);
        n = n < SIZE - at ? n : SIZE - at;
        gust_str piece = gust_str_make(bytes + at, n);
        gust_shared *shared;
        char *room;
        switch ((random >> 16) % 5) {
        case 0: assert_int_equal(gust_iostream_write(t.a, piece, NULL, NULL), 0); break;
        case 1: assert_int_equal(gust_iostream_write_borrowed(t.a, piece, NULL, NULL), 0); break;
        case 2:
            assert_int_equal(gust_iostream_write_adopt(t.a, piece, free_count, &freed), 0);
            given++;
            break;
        case 3:
            assert_int_equal(gust_shared_new(piece, &shared), 0);
            assert_int_equal(gust_iostream_write_shared(t.a, shared), 0);
            gust_shared_unref(shared);
            break;
        default:
            n = n < 2048 ? n : 2048;
            assert_int_equal(gust_iostream_reserve(t.a, n + (n == 0), &room), 0);
            memcpy(room, piece.ptr, n);
            gust_iostream_commit(t.a, n);
            break;
        }
        at += n;
        if ((random >> 20) % 50 == 0) {
            streams_turn(&t, 1);
        }
    }
    streams_until(&t, &k.full, 1);
    streams_turn(&t, 10);
    assert_int_equal(freed, given);
    assert_int_equal(gust_iostream_write_queue_size(t.a), 0);
    free(bytes);
    streams_close(&t);
}

/* 16: borrowed memory is the caller's again when the completion comes. */
static void scribble(gust_iostream *s, int status, void *user)
{
    (void)s;
    assert_int_equal(status, 0);
    memset(user, '#', 300000);
}

static void test_borrowed__memory_is_free_after_completion(void **state)
{
    struct streams t;
    struct sink k = {.goal = 300000};
    char *bytes = streams_pattern(300000);
    (void)state;
    streams_open(&t, NULL);
    sink_at(t.b, &k);
    assert_int_equal(
        gust_iostream_write_borrowed(t.a, gust_str_make(bytes, 300000), scribble, bytes), 0);
    streams_until(&t, &k.full, 1);
    streams_turn(&t, 10);
    assert_int_equal(bytes[0], '#');
    free(bytes);
    streams_close(&t);
}

/* A copied write may be overwritten at once. */
static void test_write__memory_is_free_after_the_call(void **state)
{
    struct streams t;
    struct sink k = {.goal = 300000};
    char *bytes = streams_pattern(300000);
    (void)state;
    streams_open(&t, NULL);
    sink_at(t.b, &k);
    assert_int_equal(gust_iostream_write(t.a, gust_str_make(bytes, 300000), NULL, NULL), 0);
    memset(bytes, '#', 300000);
    streams_until(&t, &k.full, 1);
    free(bytes);
    streams_close(&t);
}

/* The free function is called exactly once: sent, dropped, refused, failed. */
static void test_adopt__freed_once__on_every_path(void **state)
{
    enum { SENT, DROPPED, CLOSED, SHUT, FULL, EMPTY, PATHS };
    static const gust_iostream_options options = {.max_write_buffer_size = 1000};
    static const int codes[PATHS] = {0, 0, GUST_ECLOSED, GUST_ESTATE, GUST_EBUFFERFULL, 0};
    char bytes[1001];
    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    for (int path = 0; path < PATHS; path++) {
        struct streams t;
        int freed = 0;
        size_t n = path == FULL ? 1001 : path == EMPTY ? 0 : 10;
        streams_open(&t, &options);
        if (path == CLOSED) {
            gust_iostream_close(t.a);
        } else if (path == SHUT) {
            assert_int_equal(gust_iostream_shutdown_write(t.a), 0);
        }
        assert_int_equal(
            gust_iostream_write_adopt(t.a, gust_str_make(bytes, n), free_count, &freed),
            codes[path]);
        assert_int_equal(freed, codes[path] != 0 || path == EMPTY);
        if (path == DROPPED) {
            gust_iostream_close(t.a);
        }
        streams_turn(&t, 10);
        assert_int_equal(freed, 1);
        streams_close(&t);
        assert_int_equal(freed, 1);
    }
}

/* ... and without memory. */
static void test_adopt__freed_once__without_memory(void **state)
{
    (void)state;
    for (size_t nth = 1; nth <= 4; nth++) {
        struct streams t;
        int freed = 0;
        gust_shared *shared;
        struct heard h = {0};
        streams_open(&t, NULL);
        assert_int_equal(gust_shared_new(text("shared"), &shared), 0);
        alloc_count_fail_at(nth, true);
        int code = gust_iostream_write_adopt(t.a, text("given"), free_count, &freed);
        assert_true(code == 0 || code == -ENOMEM);
        assert_int_equal(freed, code != 0);
        code = gust_iostream_write_shared(t.a, shared);
        assert_true(code == 0 || code == -ENOMEM);
        code = gust_iostream_write(t.a, text("copied"), heard_write, &h);
        assert_true(code == 0 || code == -ENOMEM);
        alloc_count_fail_at(0, false);
        gust_shared_unref(shared);
        streams_turn(&t, 10);
        assert_int_equal(h.calls, code == 0);
        assert_int_equal(freed, 1);
        streams_close(&t);
    }
}

/* A message to many is one copy; it goes when the last has sent it. */
static void test_shared__one_copy_for_all(void **state)
{
    struct streams t;
    struct ears e = {0};
    gust_shared *shared;
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_set_callbacks(t.b, &ears_callbacks, &e), 0);
    assert_int_equal(gust_shared_new(text("news "), &shared), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(gust_iostream_write_shared(t.a, shared), 0);
    }
    gust_shared_unref(shared);
    streams_until(&t, &e.reads, 1);
    streams_turn(&t, 5);
    assert_string_equal(e.text, "news news news ");
    streams_close(&t);
}

/* The owner of sent bytes may do anything to the stream. */
struct owner {
    gust_iostream *s;
    gust_iostream *other;
    int what;
    int freed;
};

static void meddle(void *user)
{
    struct owner *o = user;
    o->freed++;
    switch (o->what) {
    case 0: gust_iostream_close(o->s); break;
    case 1: gust_iostream_flush(o->s); break;
    case 2: (void)gust_iostream_write(o->s, text("!"), NULL, NULL); break;
    case 3: gust_iostream_close_after_flush(o->s); break;
    case 4: (void)gust_iostream_shutdown_write(o->s); break;
    default: /* the queue may go, and serve somebody else at once */
        (void)gust_iostream_write(o->s, text(""), NULL, NULL);
        (void)gust_iostream_write(o->other, text("?"), NULL, NULL);
        break;
    }
}

static void test_adopt__owner_meddles_with_the_stream(void **state)
{
    (void)state;
    for (int what = 0; what < 6; what++) {
        for (int pieces = 1; pieces < 5; pieces++) {
            struct streams t;
            struct ears e = {0};
            streams_open(&t, NULL);
            struct owner o = {.s = t.a, .other = t.b, .what = what};
            assert_int_equal(gust_iostream_set_callbacks(t.b, &ears_callbacks, &e), 0);
            for (int i = 0; i < pieces; i++) {
                assert_int_equal(gust_iostream_write_adopt(t.a, text("given "), meddle, &o), 0);
                assert_int_equal(gust_iostream_write(t.a, text("copied "), NULL, NULL), 0);
            }
            streams_turn(&t, 20);
            assert_int_equal(o.freed, pieces);
            assert_true(e.len >= 6);
            assert_memory_equal(e.text, "given copied ", e.len < 13 ? e.len : 13);
            streams_close(&t);
            assert_int_equal(o.freed, pieces);
        }
    }
}

/* A close gives back what was not sent, and its owner still may do anything. */
static void test_close__owners_of_unsent_bytes_write_again(void **state)
{
    static const gust_iostream_options never_congested = {.write_high_water = 16 * MIB};
    char *bytes = streams_pattern(8 * MIB);
    (void)state;
    for (int what = 0; what < 6; what++) {
        struct streams t;
        streams_open(&t, &never_congested);
        struct owner o = {.s = t.a, .other = t.b, .what = what};
        gust_str much = gust_str_make(bytes, 8 * MIB);
        assert_int_equal(gust_iostream_write_borrowed(t.a, much, NULL, NULL), 0);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(gust_iostream_write_adopt(t.a, text("given "), meddle, &o), 0);
        }
        streams_turn(&t, 5); /* the kernel takes no more: it waits for that */
        assert_true(gust_iostream_is_writing(t.a));
        assert_int_equal(o.freed, 0);
        gust_iostream_close(t.a);
        assert_int_equal(o.freed, 4);
        streams_turn(&t, 5);
        streams_close(&t);
        assert_int_equal(o.freed, 4);
    }
    free(bytes);
}

/* ---- reserve and commit ----------------------------------------------------------------- */

static void test_reserve__all_sizes(void **state)
{
    struct streams t;
    struct ears e = {0};
    char *room;
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_set_callbacks(t.b, &ears_callbacks, &e), 0);
    assert_int_equal(gust_iostream_reserve(t.a, 0, &room), -EINVAL);
    assert_int_equal(gust_iostream_reserve(t.a, 2049, &room), -EINVAL);
    size_t sum = 0;
    for (size_t n = 1; n <= 2048; n += 89) {
        assert_int_equal(gust_iostream_reserve(t.a, n, &room), 0);
        memset(room, 'r', n);
        gust_iostream_commit(t.a, n - n / 3);
        sum += n - n / 3;
        assert_int_equal(gust_iostream_write_queue_size(t.a), sum);
    }
    assert_int_equal(gust_iostream_reserve(t.a, 10, &room), 0);
    gust_iostream_commit(t.a, 0);
    assert_int_equal(gust_iostream_reserve(t.a, 2048, &room), 0); /* and never commit */
    assert_int_equal(gust_iostream_write(t.a, text("."), NULL, NULL), 0);
    while (e.len < sum + 1) {
        streams_until(&t, &e.reads, e.reads + 1);
    }
    streams_turn(&t, 10);
    assert_int_equal(e.len, sum + 1);
    streams_close(&t);
}

static void test_reserve__never_used__leaves_nothing(void **state)
{
    struct streams t;
    char *room;
    (void)state;
    streams_open(&t, NULL);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(gust_iostream_reserve(t.a, 1000, &room), 0);
        memset(room, 'r', 1000);
        if (i % 2 == 0) {
            gust_iostream_commit(t.a, 0);
        }
        streams_turn(&t, 2);
        assert_false(gust_iostream_is_writing(t.a));
    }
    gust_iostream_close(t.a);
    assert_int_equal(gust_iostream_reserve(t.a, 1000, &room), GUST_ECLOSED);
    gust_iostream_commit(t.a, 10);
    streams_close(&t);
}

/* ---- In one system call ------------------------------------------------------------------ */

/* What is written in an event leaves when it ends, in one call. */
static size_t answer_three(gust_iostream *s, gust_str data, void *user)
{
    struct ears *e = user;
    char *room;
    e->reads++;
    assert_int_equal(gust_iostream_write(s, text("one "), NULL, NULL), 0);
    assert_int_equal(gust_iostream_reserve(s, 100, &room), 0);
    memcpy(room, "two ", 4);
    gust_iostream_commit(s, 4);
    assert_int_equal(gust_iostream_write_queue_size(s), 8);
    assert_true(gust_iostream_is_writing(s));
    assert_int_equal(gust_iostream_write_borrowed(s, text("three "), NULL, NULL), 0);
    return data.len;
}

static void test_event__all_that_is_written__leaves_in_one_call(void **state)
{
    static const gust_iostream_callbacks cb = {.reader = answer_three};
    struct streams t;
    struct ears e = {0}, f = {0};
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_set_callbacks(t.a, &cb, &e), 0);
    assert_int_equal(gust_iostream_set_callbacks(t.b, &ears_callbacks, &f), 0);
    assert_int_equal(gust_iostream_write(t.b, text("?"), NULL, NULL), 0);
    streams_until(&t, &f.reads, 1);
    assert_string_equal(f.text, "one two three ");
    assert_int_equal(f.reads, 1);
    if (streams_bottom() != STREAMS_PAIR) {
        assert_int_equal(t.faults.calls[FAULTS_SEND], 1); /* b's */
        assert_int_equal(t.faults.calls[FAULTS_SENDV], 1);
    }
    streams_close(&t);
}

static void test_flush__sends_at_once(void **state)
{
    struct streams t;
    struct heard h = {0};
    struct ears e = {0};
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_set_callbacks(t.b, &ears_callbacks, &e), 0);
    gust_iostream_flush(t.a); /* nothing to do */
    assert_int_equal(gust_iostream_write(t.a, text("now"), heard_write, &h), 0);
    gust_iostream_flush(t.a);
    assert_int_equal(gust_iostream_write_queue_size(t.a), 0);
    assert_int_equal(h.calls, 0); /* its completion still comes from the loop */
    streams_until(&t, &h.calls, 1);
    streams_until(&t, &e.reads, 1);
    streams_close(&t);
}

static size_t flushing_reader(gust_iostream *s, gust_str data, void *user)
{
    struct ears *e = user;
    e->reads++;
    assert_int_equal(gust_iostream_write(s, text("a"), NULL, NULL), 0);
    gust_iostream_flush(s);
    assert_int_equal(gust_iostream_write_queue_size(s), 0);
    assert_int_equal(gust_iostream_write(s, text("b"), NULL, NULL), 0);
    return data.len;
}

static void test_flush__inside_the_reader__sends_at_once(void **state)
{
    static const gust_iostream_callbacks cb = {.reader = flushing_reader};
    struct streams t;
    struct ears e = {0}, f = {0};
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_set_callbacks(t.a, &cb, &e), 0);
    assert_int_equal(gust_iostream_set_callbacks(t.b, &ears_callbacks, &f), 0);
    assert_int_equal(gust_iostream_write(t.b, text("?"), NULL, NULL), 0);
    while (f.len < 2) {
        streams_until(&t, &f.reads, f.reads + 1);
    }
    assert_string_equal(f.text, "ab");
    streams_close(&t);
}

/* ---- Limits ---------------------------------------------------------------------------------- */

static size_t greedy_reader(gust_iostream *s, gust_str data, void *user)
{
    int *codes = user;
    char *room;
    codes[0] = gust_iostream_write(s, text("123456"), NULL, NULL);
    codes[1] = gust_iostream_write(s, text("12345"), NULL, NULL);
    codes[2] = gust_iostream_reserve(s, 5, &room);
    codes[3] = gust_iostream_write_borrowed(s, text("12345"), NULL, NULL);
    codes[4] = gust_iostream_write(s, text("1234"), NULL, NULL);
    codes[5] = gust_iostream_write(s, text("1"), NULL, NULL);
    codes[6]++;
    return data.len;
}

static void test_limit__refused_whole__stream_stays(void **state)
{
    static const gust_iostream_options options = {.max_write_buffer_size = 10};
    static const gust_iostream_callbacks cb = {.reader = greedy_reader};
    static const int expected[] = {0, GUST_EBUFFERFULL, GUST_EBUFFERFULL, GUST_EBUFFERFULL,
                                   0, GUST_EBUFFERFULL};
    (void)state;
    for (int inside = 0; inside < 2; inside++) { /* an event of the stream, or outside of one */
        struct streams t;
        struct ears f = {0};
        int codes[7] = {0};
        streams_open(&t, &options);
        assert_int_equal(gust_iostream_set_callbacks(t.b, &ears_callbacks, &f), 0);
        if (inside) {
            assert_int_equal(gust_iostream_set_callbacks(t.a, &cb, codes), 0);
            assert_int_equal(gust_iostream_write(t.b, text("?"), NULL, NULL), 0);
            streams_until(&t, &codes[6], 1);
        } else {
            (void)greedy_reader(t.a, text(""), codes);
            assert_int_equal(gust_iostream_write_queue_size(t.a), 10);
        }
        assert_memory_equal(codes, expected, sizeof(expected));
        streams_until(&t, &f.reads, 1);
        streams_turn(&t, 5);
        assert_string_equal(f.text, "1234561234");
        assert_false(gust_iostream_is_closed(t.a));
        assert_int_equal(gust_iostream_write(t.a, text("1234567890"), NULL, NULL), 0);
        streams_until(&t, &f.reads, 2);
        streams_close(&t);
    }
}

/* ---- Water marks ------------------------------------------------------------------------------- */

static void test_water_marks__congested_then_drained_once(void **state)
{
    static const gust_iostream_options options = {.write_high_water = 8 * MIB,
                                                  .write_low_water = MIB};
    static const gust_iostream_callbacks cb = {.on_drain = ears_on_drain};
    struct streams t;
    struct ears e = {0};
    struct sink k = {.goal = 10 * MIB};
    char *bytes = streams_pattern(10 * MIB);
    (void)state;
    streams_open(&t, &options);
    assert_int_equal(gust_iostream_set_callbacks(t.a, &cb, &e), 0);
    for (size_t at = 0; at < 10 * MIB; at += MIB) {
        assert_int_equal(gust_iostream_is_congested(t.a), at > 8 * MIB);
        assert_int_equal(
            gust_iostream_write_borrowed(t.a, gust_str_make(bytes + at, MIB), NULL, NULL), 0);
    }
    streams_turn(&t, 50);
    assert_true(gust_iostream_is_congested(t.a)); /* also between the marks */
    assert_int_equal(e.drains, 0);
    sink_at(t.b, &k);
    streams_until(&t, &e.drains, 1);
    assert_false(gust_iostream_is_congested(t.a));
    assert_true(gust_iostream_write_queue_size(t.a) <= MIB);
    streams_until(&t, &k.full, 1);
    streams_turn(&t, 10);
    assert_int_equal(e.drains, 1);
    free(bytes);
    streams_close(&t);
}

static void test_water_marks__below_the_high_one__no_drain(void **state)
{
    static const gust_iostream_callbacks cb = {.on_drain = ears_on_drain};
    struct streams t;
    struct ears e = {0};
    struct sink k = {.goal = MIB};
    char *bytes = streams_pattern(MIB);
    (void)state;
    streams_open(&t, NULL);
    sink_at(t.b, &k);
    assert_int_equal(gust_iostream_set_callbacks(t.a, &cb, &e), 0);
    assert_int_equal(gust_iostream_write(t.a, gust_str_make(bytes, MIB), NULL, NULL), 0);
    assert_false(gust_iostream_is_congested(t.a)); /* above it, not at it */
    streams_until(&t, &k.full, 1);
    streams_turn(&t, 10);
    assert_int_equal(e.drains, 0);
    free(bytes);
    streams_close(&t);
}

/* A producer that writes in on_drain goes on and on, in bounded memory. */
struct producer {
    size_t left;
    const char *bytes;
    size_t size;
    size_t peak;
};

static void produce(gust_iostream *s, void *user)
{
    struct producer *p = user;
    while (p->left > 0 && !gust_iostream_is_congested(s)) {
        size_t n = p->left < 10000 ? p->left : 10000;
        assert_int_equal(
            gust_iostream_write(s, gust_str_make(p->bytes + p->size - p->left, n), NULL, NULL), 0);
        p->left -= n;
        size_t queued = gust_iostream_write_queue_size(s);
        p->peak = queued > p->peak ? queued : p->peak;
    }
    if (p->left == 0) {
        gust_iostream_close_after_flush(s);
    }
}

static void test_water_marks__producer_in_on_drain__bounded(void **state)
{
    static const gust_iostream_options options = {.write_high_water = 100000,
                                                  .write_low_water = 50000};
    static const gust_iostream_callbacks cb = {.on_drain = produce};
    struct streams t;
    struct sink k = {0};
    struct producer p = {.left = 20 * MIB, .size = 20 * MIB};
    (void)state;
    p.bytes = streams_pattern(p.size);
    streams_open(&t, &options);
    sink_at(t.b, &k);
    assert_int_equal(gust_iostream_set_callbacks(t.a, &cb, &p), 0);
    produce(t.a, &p);
    streams_until(&t, &k.closes, 1);
    assert_int_equal(k.at, p.size);
    assert_int_equal(k.status, GUST_EOF);
    assert_in_range(p.peak, 100001, 110000);
    free((void *)(uintptr_t)p.bytes);
    streams_close(&t);
}

/* ---- The end of writing ---------------------------------------------------------------------- */

static void test_close_after_flush__all_arrives_then_the_end(void **state)
{
    struct streams t;
    struct sink k = {0};
    struct heard h = {0};
    struct ears e = {0};
    static const gust_iostream_callbacks cb = {.on_close = ears_on_close};
    char *bytes = streams_pattern(14 * MIB);
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_set_callbacks(t.a, &cb, &e), 0);
    assert_int_equal(
        gust_iostream_write_borrowed(t.a, gust_str_make(bytes, 14 * MIB), heard_write, &h), 0);
    gust_iostream_close_after_flush(t.a);
    gust_iostream_close_after_flush(t.a);
    assert_false(gust_iostream_is_closed(t.a));
    assert_int_equal(gust_iostream_write(t.a, text("late"), NULL, NULL), GUST_ESTATE);
    streams_turn(&t, 20);
    assert_false(gust_iostream_is_closed(t.a));
    sink_at(t.b, &k);
    streams_until(&t, &k.closes, 1);
    assert_int_equal(k.at, 14 * MIB);
    assert_int_equal(k.status, GUST_EOF);
    assert_int_equal(h.calls, 1);
    assert_int_equal(h.status, 0);
    assert_int_equal(e.closes, 1);
    assert_int_equal(e.status, 0);
    free(bytes);
    streams_close(&t);
}

static void test_shutdown_write__all_arrives_then_the_end(void **state)
{
    struct streams t;
    struct sink k = {0};
    struct heard h = {0};
    char *bytes = streams_pattern(3 * MIB);
    (void)state;
    streams_open(&t, NULL);
    sink_at(t.b, &k);
    assert_int_equal(
        gust_iostream_write_borrowed(t.a, gust_str_make(bytes, 3 * MIB), heard_write, &h), 0);
    assert_int_equal(gust_iostream_shutdown_write(t.a), 0);
    assert_int_equal(gust_iostream_shutdown_write(t.a), 0);
    streams_until(&t, &k.closes, 1);
    assert_int_equal(k.at, 3 * MIB);
    assert_int_equal(h.calls, 1);
    assert_int_equal(h.status, 0);
    gust_iostream_close(t.a);
    assert_int_equal(gust_iostream_shutdown_write(t.a), GUST_ECLOSED);
    free(bytes);
    streams_close(&t);
}

/* 2.4: what was not sent is discarded; what was handed to the kernel, was. */
static void test_close__unsent_writes_are_cancelled__sent_ones_are_not(void **state)
{
    struct streams t;
    int order = 0;
    struct heard sent = {.order = &order}, unsent = {.order = &order}, closed = {.order = &order};
    char *bytes = streams_pattern(8 * MIB);
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_set_close_callback(t.a, heard_write, &closed), 0);
    assert_int_equal(gust_iostream_write(t.a, text("sent"), heard_write, &sent), 0);
    gust_iostream_flush(t.a);
    assert_int_equal(
        gust_iostream_write_borrowed(t.a, gust_str_make(bytes, 8 * MIB), heard_write, &unsent), 0);
    gust_iostream_close(t.a);
    free(bytes); /* it is not looked at any more */
    assert_int_equal(sent.calls + unsent.calls + closed.calls, 0);
    streams_until(&t, &closed.calls, 1);
    assert_int_equal(sent.status, 0);
    assert_int_equal(unsent.status, GUST_ECANCELED);
    assert_int_equal(sent.at, 1);
    assert_int_equal(unsent.at, 2);
    assert_int_equal(closed.at, 3);
    assert_int_equal(gust_iostream_write(t.a, text("x"), heard_write, &sent), GUST_ECLOSED);
    streams_close(&t);
}

/* Two streams on the loop of t say something: each is heard by the other alone. */
static void assert_queues_are_apart(struct streams *t)
{
    struct ears at_c = {0}, at_d = {0};
    gust_iostream *c, *d;
    assert_int_equal(gust_iostream_pair(t->loop, NULL, &c, &d), 0);
    assert_int_equal(gust_iostream_set_callbacks(c, &ears_callbacks, &at_c), 0);
    assert_int_equal(gust_iostream_set_callbacks(d, &ears_callbacks, &at_d), 0);
    assert_int_equal(gust_iostream_write(c, text("of c"), NULL, NULL), 0);
    assert_int_equal(gust_iostream_write(d, text("of d"), NULL, NULL), 0);
    streams_turn(t, 10);
    assert_string_equal(at_c.text, "of d");
    assert_string_equal(at_d.text, "of c");
    gust_iostream_close(c);
    gust_iostream_close(d);
    streams_turn(t, 5);
}

static void writes_again(gust_iostream *s, int status, void *user)
{
    heard_write(s, status, user);
    assert_int_equal(gust_iostream_write(s, text("again"), heard_write, user), GUST_ECLOSED);
}

static void test_close__cancelled_writers_write_again__refused(void **state)
{
    static const gust_iostream_options never_congested = {.write_high_water = 16 * MIB};
    struct streams t;
    struct heard h = {0};
    char *bytes = streams_pattern(8 * MIB);
    (void)state;
    streams_open(&t, &never_congested);
    gust_str much = gust_str_make(bytes, 8 * MIB);
    assert_int_equal(gust_iostream_write_borrowed(t.a, much, writes_again, &h), 0);
    streams_turn(&t, 5);
    assert_int_equal(h.calls, 0);
    gust_iostream_close(t.a);
    streams_until(&t, &h.calls, 1);
    assert_int_equal(h.status, GUST_ECANCELED);
    assert_queues_are_apart(&t);
    free(bytes);
    streams_close(&t);
}

/* The peer goes while much is queued: writes fail with the reason, once. */
static void test_peer_closes__queued_writes_fail(void **state)
{
    struct streams t;
    struct heard h = {0};
    struct ears e = {0};
    char *bytes = streams_pattern(8 * MIB);
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_set_callbacks(t.a, &ears_callbacks, &e), 0);
    assert_int_equal(
        gust_iostream_write_borrowed(t.a, gust_str_make(bytes, 8 * MIB), heard_write, &h), 0);
    streams_turn(&t, 20);
    assert_true(gust_iostream_is_writing(t.a));
    gust_iostream_close(t.b);
    streams_until(&t, &e.closes, 1);
    assert_int_equal(h.calls, 1);
    assert_true(h.status == GUST_EOF || h.status == -ECONNRESET || h.status == -EPIPE);
    assert_int_equal(e.status, h.status);
    free(bytes);
    streams_close(&t);
}

/* ---- Against the kernel ------------------------------------------------------------------------ */

/* All that is written arrives, whatever the kernel does short of an error. */
static void run_with_faults(struct streams *t, uint64_t seed, unsigned per_mille)
{
    enum { SIZE = 200000 };
    struct sink k = {0};
    struct heard h = {0};
    char *bytes = streams_pattern(SIZE);
    streams_open(t, NULL);
    faults_randomly(&t->faults, seed, per_mille);
    sink_at(t->b, &k);
    for (size_t at = 0; at < SIZE; at += SIZE / 20) {
        gust_str piece = gust_str_make(bytes + at, SIZE / 20);
        assert_int_equal(at % (SIZE / 10) == 0
                             ? gust_iostream_write(t->a, piece, heard_write, &h)
                             : gust_iostream_write_borrowed(t->a, piece, heard_write, &h),
                         0);
    }
    gust_iostream_close_after_flush(t->a);
    streams_until(t, &k.closes, 1);
    assert_int_equal(k.at, SIZE);
    assert_int_equal(k.status, GUST_EOF);
    assert_int_equal(h.calls, 20);
    free(bytes);
    streams_close(t);
}

static void test_kernel__storms_of_eagain_eintr_and_short_counts(void **state)
{
    struct streams t;
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        run_with_faults(&t, seed, 300);
    }
}

/* Every send takes one byte. */
static void test_kernel__takes_one_byte_at_a_time(void **state)
{
    struct streams t;
    struct sink k = {.goal = 5000};
    struct heard h = {0};
    char *bytes = streams_pattern(5000);
    (void)state;
    streams_open(&t, NULL);
    faults_fail(&t.faults, FAULTS_SEND, 1, FAULTS_SHORT, FAULTS_FROM_THEN_ON);
    faults_fail(&t.faults, FAULTS_SENDV, 1, FAULTS_SHORT, FAULTS_FROM_THEN_ON);
    sink_at(t.b, &k);
    for (size_t at = 0; at < 5000; at += 50) {
        gust_str piece = gust_str_make(bytes + at, 50);
        assert_int_equal(gust_iostream_write_borrowed(t.a, piece, heard_write, &h), 0);
    }
    streams_until(&t, &k.full, 1);
    streams_until(&t, &h.calls, 100);
    free(bytes);
    streams_close(&t);
}

/* Each error of send ends the stream with that code, told once to everybody. */
static void test_kernel__send_fails__closes_with_its_code(void **state)
{
    static const int codes[] = {-ECONNRESET, -EPIPE, -ENOBUFS, -ENOMEM, -EBADF, -EIO};
    (void)state;
    if (streams_bottom() == STREAMS_PAIR) {
        return; /* has no kernel */
    }
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct streams t;
        struct heard h = {0}, g = {0};
        struct ears e = {0};
        streams_open(&t, NULL);
        faults_fail(&t.faults, FAULTS_SEND, 2, codes[i], FAULTS_ONCE);
        assert_int_equal(gust_iostream_set_callbacks(t.a, &ears_callbacks, &e), 0);
        assert_int_equal(gust_iostream_write(t.a, text("one"), heard_write, &h), 0);
        streams_until(&t, &h.calls, 1);
        assert_int_equal(gust_iostream_write(t.a, text("two"), heard_write, &g), 0);
        streams_until(&t, &e.closes, 1);
        assert_int_equal(e.status, codes[i]);
        assert_int_equal(g.calls, 1);
        assert_int_equal(g.status, codes[i]);
        streams_close(&t);
        assert_int_equal(e.closes, 1);
    }
}

static int group(void)
{
    const struct CMUnitTest tests[] = {
        STREAMS_CASE(test_write__completes_once_and_later),
        STREAMS_CASE(test_write__completions_in_order__empty_ones_too),
        STREAMS_CASE(test_write__of_nothing__completes_and_touches_no_descriptor),
        STREAMS_CASE(test_write__from_a_completion__later),
        STREAMS_CASE(test_write__10_writers_of_1000_pieces__all_complete),
        STREAMS_CASE(test_segments__of_all_kinds_and_sizes__arrive_in_order),
        STREAMS_CASE(test_borrowed__memory_is_free_after_completion),
        STREAMS_CASE(test_write__memory_is_free_after_the_call),
        STREAMS_CASE(test_adopt__freed_once__on_every_path),
        STREAMS_CASE(test_adopt__freed_once__without_memory),
        STREAMS_CASE(test_shared__one_copy_for_all),
        STREAMS_CASE(test_adopt__owner_meddles_with_the_stream),
        STREAMS_CASE(test_close__owners_of_unsent_bytes_write_again),
        STREAMS_CASE(test_reserve__all_sizes),
        STREAMS_CASE(test_reserve__never_used__leaves_nothing),
        STREAMS_CASE(test_event__all_that_is_written__leaves_in_one_call),
        STREAMS_CASE(test_flush__sends_at_once),
        STREAMS_CASE(test_flush__inside_the_reader__sends_at_once),
        STREAMS_CASE(test_limit__refused_whole__stream_stays),
        STREAMS_CASE(test_water_marks__congested_then_drained_once),
        STREAMS_CASE(test_water_marks__below_the_high_one__no_drain),
        STREAMS_CASE(test_water_marks__producer_in_on_drain__bounded),
        STREAMS_CASE(test_close_after_flush__all_arrives_then_the_end),
        STREAMS_CASE(test_shutdown_write__all_arrives_then_the_end),
        STREAMS_CASE(test_close__unsent_writes_are_cancelled__sent_ones_are_not),
        STREAMS_CASE(test_close__cancelled_writers_write_again__refused),
        STREAMS_CASE(test_peer_closes__queued_writes_fail),
        STREAMS_CASE(test_kernel__storms_of_eagain_eintr_and_short_counts),
        STREAMS_CASE(test_kernel__takes_one_byte_at_a_time),
        STREAMS_CASE(test_kernel__send_fails__closes_with_its_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return streams_over_bottoms(group);
}

/* Readers: what they are offered, how they wait, how they are exchanged, and how they
 * learn of the end. Over each bottom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <gust/log.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/streams.h"

static void send_text(gust_iostream *s, const char *text)
{
    assert_int_equal(gust_iostream_write(s, gust_str_from(text), NULL, NULL), 0);
}

static void listen_with(struct streams *t, const gust_iostream_callbacks *cb, struct ears *e)
{
    assert_int_equal(gust_iostream_set_callbacks(t->a, cb, e), 0);
}

/* Write all of `n` bytes of the pattern to b, then close it. */
static char *send_pattern_and_close(struct streams *t, size_t n)
{
    char *bytes = streams_pattern(n);
    assert_int_equal(gust_iostream_write_borrowed(t->b, gust_str_make(bytes, n), NULL, NULL), 0);
    gust_iostream_close_after_flush(t->b);
    return bytes;
}

/* ---- What is taken -------------------------------------------------------------- */

static void test_reader__takes_all(void **state)
{
    struct streams t;
    struct ears e = {0};
    (void)state;
    streams_open(&t, NULL);
    listen_with(&t, &ears_callbacks, &e);
    assert_true(gust_iostream_is_reading(t.a));
    assert_ptr_equal(gust_iostream_user(t.a), &e);
    send_text(t.b, "hello");
    streams_until(&t, &e.reads, 1);
    assert_string_equal(e.text, "hello");
    assert_int_equal(gust_iostream_buffered(t.a), 0);
    streams_close(&t);
}

static void test_reader__byte_by_byte__is_offered_the_rest_at_once(void **state)
{
    struct streams t;
    struct ears e = {.take = 1};
    (void)state;
    streams_open(&t, NULL);
    listen_with(&t, &ears_callbacks, &e);
    send_text(t.b, "12345678");
    streams_until(&t, &e.reads, 8);
    assert_string_equal(e.text, "12345678");
    streams_turn(&t, 10);
    assert_int_equal(e.reads, 8);
    streams_close(&t);
}

static void test_reader__takes_none__is_offered_all_with_the_next_bytes(void **state)
{
    struct streams t;
    struct ears e = {.refuse = true};
    (void)state;
    streams_open(&t, NULL);
    listen_with(&t, &ears_callbacks, &e);
    for (int i = 1; i <= 5; i++) {
        send_text(t.b, "abc");
        streams_until(&t, &e.reads, i);
        streams_turn(&t, 5);
        assert_int_equal(e.reads, i); /* not again and again */
        assert_int_equal(e.offered, 3 * i);
    }
    assert_int_equal(gust_iostream_buffered(t.a), 15);
    e.refuse = false;
    e.take = 2;
    send_text(t.b, "d");
    streams_until(&t, &e.reads, 13);
    assert_string_equal(e.text, "abcabcabcabcabcd");
    assert_int_equal(gust_iostream_buffered(t.a), 0);
    streams_close(&t);
}

/* Takes what is there in whole frames of 100 bytes. */
static size_t frame_reader(gust_iostream *s, gust_str data, void *user)
{
    struct ears *e = user;
    (void)s;
    e->reads++;
    if (data.len < 100) {
        return 0;
    }
    assert_true(streams_is_pattern(gust_str_make(data.ptr, 100), e->len));
    e->len += 100;
    return 100;
}

static void test_reader__frames__over_many_reads(void **state)
{
    enum { SIZE = 1000000 };
    static const gust_iostream_callbacks cb = {.reader = frame_reader, .on_close = ears_on_close};
    struct streams t;
    struct ears e = {0};
    (void)state;
    streams_open(&t, NULL);
    listen_with(&t, &cb, &e);
    char *bytes = send_pattern_and_close(&t, SIZE);
    streams_until(&t, &e.closes, 1);
    assert_int_equal(e.len, SIZE);
    assert_int_equal(e.status, GUST_EOF);
    free(bytes);
    streams_close(&t);
}

/* The bytes may be changed, and behind them lie some that may be read. */
static size_t padding_reader(gust_iostream *s, gust_str data, void *user)
{
    struct ears *e = user;
    volatile unsigned sum = 0;
    for (size_t i = 0; i < data.len + GUST_IOSTREAM_PADDING; i++) {
        sum += (unsigned char)data.ptr[i];
    }
    (void)sum;
    ((char *)(uintptr_t)data.ptr)[0] = '!';
    return ears_reader(s, data, e);
}

static void test_reader__memory__is_padded_and_may_be_changed(void **state)
{
    static const gust_iostream_callbacks cb = {.reader = padding_reader};
    struct streams t;
    struct ears e = {.refuse = true};
    (void)state;
    streams_open(&t, NULL);
    listen_with(&t, &cb, &e);
    for (int i = 1; i <= 10; i++) {
        send_text(t.b, "x");
        streams_until(&t, &e.reads, i);
    }
    char *bytes = streams_pattern(200000);
    e.refuse = false;
    assert_int_equal(gust_iostream_write_borrowed(t.b, gust_str_make(bytes, 200000), NULL, NULL),
                     0);
    while (e.len < 200010) {
        streams_until(&t, &e.reads, e.reads + 1);
    }
    assert_int_equal(e.text[0], '!');
    free(bytes);
    streams_close(&t);
}

/* ---- Limits --------------------------------------------------------------------------- */

static void test_limit__read_chunk_size__bounds_an_offer(void **state)
{
    static const gust_iostream_options options = {.read_chunk_size = 100};
    struct streams t;
    struct ears e = {0};
    (void)state;
    streams_open(&t, &options);
    listen_with(&t, &ears_callbacks, &e);
    char *bytes = send_pattern_and_close(&t, 1000);
    streams_until(&t, &e.closes, 1);
    assert_int_equal(e.len, 1000);
    assert_true(e.reads >= 10);
    free(bytes);
    streams_close(&t);
}

static int log_lines;
static enum gust_log_level log_level;

static void log_sink(const gust_log_record *record, void *user)
{
    (void)user;
    log_lines += gust_str_find(record->message, GUST_STR("more lines like this")) == SIZE_MAX;
    log_level = record->level;
}

static void test_limit__reader_takes_none__buffer_full(void **state)
{
    static const gust_iostream_options options = {.max_buffer_size = 1000};
    (void)state;
    for (size_t n = 999; n <= 1001; n++) {
        struct streams t;
        struct ears e = {.refuse = true};
        log_lines = 0;
        log_level = 0;
        gust_log_set_sink(log_sink, NULL);
        streams_open(&t, &options);
        listen_with(&t, &ears_callbacks, &e);
        char *bytes = send_pattern_and_close(&t, n);
        streams_until(&t, &e.closes, 1);
        assert_int_equal(e.status, n <= 1000 ? GUST_EOF : GUST_EBUFFERFULL);
        assert_int_equal(log_lines, n <= 1000 ? 0 : 1);
        assert_int_equal(log_level, n <= 1000 ? 0 : GUST_LOG_ERROR);
        gust_log_set_sink(NULL, NULL);
        free(bytes);
        streams_close(&t);
    }
}

/* An idle stream holds no buffer. */
static void test_memory__idle_after_traffic__as_before(void **state)
{
    struct streams t;
    struct ears e = {0}, f = {0};
    (void)state;
    streams_open(&t, NULL);
    listen_with(&t, &ears_callbacks, &e);
    assert_int_equal(gust_iostream_set_callbacks(t.b, &ears_callbacks, &f), 0);
    send_text(t.a, "warm");
    send_text(t.b, "up");
    streams_until(&t, &e.reads, 1);
    streams_until(&t, &f.reads, 1);
    size_t blocks = alloc_count_live(), calls = alloc_count_calls();
    for (int i = 2; i < 100; i++) {
        send_text(t.a, "request");
        streams_until(&t, &f.reads, i);
        send_text(t.b, "answer");
        streams_until(&t, &e.reads, i);
    }
    assert_int_equal(alloc_count_live(), blocks);
    assert_int_equal(alloc_count_calls(), calls); /* and nothing was allocated */
    streams_close(&t);
}

/* ---- Waiting ---------------------------------------------------------------------------- */

/* Takes 2 bytes, then pauses. */
static size_t pausing_reader(gust_iostream *s, gust_str data, void *user)
{
    gust_iostream_pause(s);
    return ears_reader(s, gust_str_make(data.ptr, data.len < 2 ? data.len : 2), user);
}

static void test_pause__inside_the_reader__rest_waits_for_resume(void **state)
{
    static const gust_iostream_callbacks cb = {.reader = pausing_reader};
    struct streams t;
    struct ears e = {0};
    (void)state;
    streams_open(&t, NULL);
    listen_with(&t, &cb, &e);
    send_text(t.b, "123456");
    for (int i = 1; i <= 3; i++) {
        streams_until(&t, &e.reads, i);
        streams_turn(&t, 10);
        assert_int_equal(e.reads, i);
        assert_false(gust_iostream_is_reading(t.a));
        assert_int_equal(gust_iostream_buffered(t.a), 6 - 2 * i);
        gust_iostream_resume(t.a);
        assert_int_equal(e.reads, i); /* never inside the call */
    }
    assert_string_equal(e.text, "123456");
    send_text(t.b, "7");
    streams_until(&t, &e.reads, 4);
    assert_string_equal(e.text, "1234567");
    streams_close(&t);
}

static size_t flickering_reader(gust_iostream *s, gust_str data, void *user)
{
    gust_iostream_pause(s);
    gust_iostream_resume(s);
    return ears_reader(s, gust_str_make(data.ptr, 1), user);
}

static void test_pause_and_resume__inside_the_reader__goes_on_at_once(void **state)
{
    static const gust_iostream_callbacks cb = {.reader = flickering_reader};
    struct streams t;
    struct ears e = {0};
    (void)state;
    streams_open(&t, NULL);
    listen_with(&t, &cb, &e);
    send_text(t.b, "123");
    streams_until(&t, &e.reads, 1);
    assert_int_equal(e.reads, 3);
    assert_string_equal(e.text, "123");
    streams_close(&t);
}

/* What comes while nobody reads stays in the kernel but for one read, and the peer
 * is held back. */
static void test_pause__a_peer_that_goes_on__is_held_back(void **state)
{
    enum { SIZE = 8 * 1048576 };
    struct streams t;
    struct ears e = {0};
    struct heard written = {0};
    (void)state;
    char *bytes = streams_pattern(SIZE);
    streams_open(&t, NULL);
    listen_with(&t, &ears_callbacks, &e);
    gust_iostream_pause(t.a);
    assert_int_equal(
        gust_iostream_write_borrowed(t.b, gust_str_make(bytes, SIZE), heard_write, &written), 0);
    streams_turn(&t, 100);
    assert_int_equal(e.reads, 0);
    assert_true(gust_iostream_buffered(t.a) <= 65536);
    assert_int_equal(written.calls, 0);
    gust_iostream_resume(t.a);
    streams_until(&t, &written.calls, 1);
    gust_iostream_close_after_flush(t.b);
    streams_until(&t, &e.closes, 1);
    assert_int_equal(e.len, SIZE);
    free(bytes);
    streams_close(&t);
}

static void test_no_callbacks__bytes_wait(void **state)
{
    struct streams t;
    struct ears e = {0};
    (void)state;
    streams_open(&t, NULL);
    send_text(t.b, "early");
    streams_turn(&t, 20);
    assert_false(gust_iostream_is_reading(t.a));
    listen_with(&t, &ears_callbacks, &e);
    assert_int_equal(e.reads, 0);
    streams_until(&t, &e.reads, 1);
    assert_string_equal(e.text, "early");
    listen_with(&t, NULL, NULL);
    send_text(t.b, "late");
    streams_turn(&t, 20);
    assert_int_equal(e.reads, 1);
    listen_with(&t, &ears_callbacks, &e);
    streams_until(&t, &e.reads, 2);
    assert_string_equal(e.text, "earlylate");
    streams_close(&t);
}

/* Yields after each byte. */
static size_t yielding_reader(gust_iostream *s, gust_str data, void *user)
{
    gust_iostream_yield(s);
    return ears_reader(s, gust_str_make(data.ptr, 1), user);
}

static void count_turn(gust_ioloop *loop, void *user)
{
    ++*(int *)user;
    assert_int_equal(gust_ioloop_add_callback(loop, count_turn, user), 0);
}

static void test_yield__goes_on_in_the_next_turn(void **state)
{
    static const gust_iostream_callbacks cb = {.reader = yielding_reader};
    struct streams t;
    struct ears e = {0};
    int turns = 0;
    (void)state;
    streams_open(&t, NULL);
    listen_with(&t, &cb, &e);
    send_text(t.b, "0123456789");
    streams_until(&t, &e.reads, 1);
    assert_true(e.reads <= 2);
    assert_int_equal(gust_ioloop_add_callback(t.loop, count_turn, &turns), 0);
    streams_until(&t, &e.reads, 10);
    assert_true(turns >= 3); /* others had their turn in between */
    assert_string_equal(e.text, "0123456789");
    streams_close(&t);
}

/* The peer is gone, and on some bottoms that is an event that can't be turned off. */
static void test_yield__peer_has_closed__all_bytes_then_the_end(void **state)
{
    enum { SIZE = 2000 };
    static const gust_iostream_callbacks cb = {.reader = yielding_reader,
                                               .on_close = ears_on_close};
    static const gust_iostream_options options = {.read_chunk_size = 512};
    struct streams t;
    struct ears e = {0};
    (void)state;
    streams_open(&t, &options);
    listen_with(&t, &cb, &e);
    char *bytes = send_pattern_and_close(&t, SIZE);
    streams_until(&t, &e.closes, 1);
    assert_int_equal(e.len, SIZE);
    assert_int_equal(e.status, GUST_EOF);
    free(bytes);
    streams_close(&t);
}

/* More than one event's worth of bytes, and the hang-up with the first of them. */
static void test_read__peer_has_closed_behind_much__all_of_it_arrives(void **state)
{
    enum { SIZE = 900000 };
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_read_bytes(t.a, SIZE, heard_read, &h), 0);
    char *bytes = send_pattern_and_close(&t, SIZE);
    streams_until(&t, &h.calls, 1);
    assert_int_equal(h.status, 0);
    assert_int_equal(h.len, SIZE);
    free(bytes);
    streams_close(&t);
}

/* ---- Other callbacks -------------------------------------------------------------------- */

struct upgrade {
    struct ears first, second;
    const gust_iostream_callbacks *next;
};

static size_t upgrading_reader(gust_iostream *s, gust_str data, void *user)
{
    struct upgrade *u = user;
    assert_int_equal(gust_iostream_set_callbacks(s, u->next, &u->second), 0);
    return ears_reader(s, gust_str_make(data.ptr, 3), &u->first);
}

static void test_upgrade__inside_the_reader__rest_goes_to_the_new_one(void **state)
{
    static const gust_iostream_callbacks cb = {.reader = upgrading_reader};
    struct streams t;
    struct upgrade u = {.next = &ears_callbacks};
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_set_callbacks(t.a, &cb, &u), 0);
    send_text(t.b, "onetwo");
    streams_until(&t, &u.second.reads, 1);
    assert_int_equal(u.first.reads, 1);
    assert_string_equal(u.first.text, "one");
    assert_string_equal(u.second.text, "two");
    streams_close(&t);
}

/* Takes nothing, but leaves to another one. */
static size_t handing_reader(gust_iostream *s, gust_str data, void *user)
{
    struct upgrade *u = user;
    (void)data;
    u->first.reads++;
    assert_int_equal(gust_iostream_set_callbacks(s, u->next, &u->second), 0);
    return 0;
}

static void test_upgrade__reader_that_takes_none__new_one_is_offered_all(void **state)
{
    static const gust_iostream_callbacks cb = {.reader = handing_reader};
    struct streams t;
    struct upgrade u = {.next = &ears_callbacks};
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_set_callbacks(t.a, &cb, &u), 0);
    send_text(t.b, "onetwo");
    streams_until(&t, &u.second.reads, 1);
    assert_int_equal(u.first.reads, 1);
    assert_string_equal(u.second.text, "onetwo");
    streams_close(&t);
}

static void test_upgrade__to_none__rest_is_for_a_verb(void **state)
{
    static const gust_iostream_callbacks cb = {.reader = upgrading_reader};
    struct streams t;
    struct upgrade u = {.next = NULL};
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_set_callbacks(t.a, &cb, &u), 0);
    send_text(t.b, "onetwo");
    streams_until(&t, &u.first.reads, 1);
    streams_turn(&t, 10);
    assert_int_equal(gust_iostream_buffered(t.a), 3);
    assert_int_equal(gust_iostream_read_bytes(t.a, 3, heard_read, &h), 0);
    streams_until(&t, &h.calls, 1);
    assert_string_equal(h.text, "two");
    streams_close(&t);
}

static void upgrade_from_verb(gust_iostream *s, int status, gust_str data, void *user)
{
    assert_int_equal(status, 0);
    assert_int_equal(data.len, 4);
    assert_int_equal(gust_iostream_set_callbacks(s, &ears_callbacks, user), 0);
}

static void test_upgrade__from_a_verb__rest_goes_to_the_reader(void **state)
{
    struct streams t;
    struct ears e = {0};
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_read_until(t.a, GUST_STR("\n"), 100, upgrade_from_verb, &e), 0);
    send_text(t.b, "PRI\nrest");
    streams_until(&t, &e.reads, 1);
    assert_string_equal(e.text, "rest");
    streams_close(&t);
}

/* The end has been seen and told; who comes later is told as well. */
static const gust_iostream_callbacks half_open = {.reader = ears_reader,
                                                  .on_eof = ears_on_eof,
                                                  .on_drain = ears_on_drain,
                                                  .on_timeout = ears_on_timeout,
                                                  .on_close = ears_on_close};

static void test_upgrade__after_the_end__new_callbacks_are_told(void **state)
{
    struct streams t;
    struct ears e = {0}, f = {0};
    (void)state;
    streams_open(&t, NULL);
    listen_with(&t, &half_open, &e);
    assert_int_equal(gust_iostream_shutdown_write(t.b), 0);
    streams_until(&t, &e.eofs, 1);
    listen_with(&t, &half_open, &f);
    streams_until(&t, &f.eofs, 1);
    streams_turn(&t, 10);
    assert_int_equal(e.eofs, 1);
    assert_int_equal(f.eofs, 1);
    listen_with(&t, &ears_callbacks, &f); /* with the default: it ends */
    streams_until(&t, &f.closes, 1);
    assert_int_equal(f.status, GUST_EOF);
    streams_close(&t);
}

/* ---- The end ---------------------------------------------------------------------------- */

static void test_eof__without_on_eof__closes(void **state)
{
    struct streams t;
    struct ears e = {0};
    (void)state;
    streams_open(&t, NULL);
    listen_with(&t, &ears_callbacks, &e);
    send_text(t.b, "last");
    gust_iostream_close_after_flush(t.b);
    streams_until(&t, &e.closes, 1);
    assert_string_equal(e.text, "last");
    assert_int_equal(e.status, GUST_EOF);
    assert_true(gust_iostream_is_eof(t.a));
    streams_close(&t);
}

static void test_eof__reader_refuses_the_rest__closes(void **state)
{
    struct streams t;
    struct ears e = {.refuse = true};
    (void)state;
    streams_open(&t, NULL);
    listen_with(&t, &ears_callbacks, &e);
    send_text(t.b, "half a frame");
    gust_iostream_close_after_flush(t.b);
    streams_until(&t, &e.closes, 1);
    assert_int_equal(e.status, GUST_EOF);
    streams_close(&t);
}

/* One sided ends in both orders: what follows a peer's end still reaches it. */
static void test_half_close__answer_after_the_end_of_the_question(void **state)
{
    struct streams t;
    struct ears e = {0}, f = {0};
    (void)state;
    streams_open(&t, NULL);
    listen_with(&t, &half_open, &e);
    assert_int_equal(gust_iostream_set_callbacks(t.b, &half_open, &f), 0);
    send_text(t.b, "question");
    assert_int_equal(gust_iostream_shutdown_write(t.b), 0);
    assert_int_equal(gust_iostream_write(t.b, GUST_STR("more"), NULL, NULL), GUST_ESTATE);
    streams_until(&t, &e.eofs, 1);
    assert_string_equal(e.text, "question");
    assert_false(gust_iostream_is_closed(t.a));
    streams_pass(&t, GUST_SECONDS(1));
    send_text(t.a, "answer");
    streams_until(&t, &f.reads, 1);
    assert_string_equal(f.text, "answer");
    assert_int_equal(gust_iostream_shutdown_write(t.a), 0);
    streams_until(&t, &e.closes, 1);
    streams_until(&t, &f.closes, 1);
    assert_int_equal(e.status, GUST_EOF); /* both sides have ended: it is over */
    assert_int_equal(f.status, GUST_EOF);
    assert_int_equal(e.eofs, 1);
    assert_int_equal(f.eofs, 1);
    streams_close(&t);
}

static void test_half_close__nothing_is_told_over_and_over(void **state)
{
    struct streams t;
    struct ears e = {0};
    (void)state;
    streams_open(&t, NULL);
    listen_with(&t, &half_open, &e);
    assert_int_equal(gust_iostream_shutdown_write(t.b), 0);
    streams_until(&t, &e.eofs, 1);
    unsigned long waits = t.clock.waits;
    streams_pass(&t, GUST_SECONDS(100));
    assert_true(t.clock.waits - waits < 20); /* the loop slept */
    assert_int_equal(e.eofs, 1);
    streams_close(&t);
}

/* Paused with nothing kept: the end is told at once, and again after the pause. */
static void test_eof__while_paused__told_at_once_and_after_resume(void **state)
{
    struct streams t;
    struct ears e = {0};
    (void)state;
    streams_open(&t, NULL);
    listen_with(&t, &half_open, &e);
    gust_iostream_pause(t.a);
    assert_int_equal(gust_iostream_shutdown_write(t.b), 0);
    streams_until(&t, &e.eofs, 1);
    streams_turn(&t, 20);
    assert_int_equal(e.eofs, 1);
    gust_iostream_resume(t.a);
    assert_int_equal(e.eofs, 1);
    streams_until(&t, &e.eofs, 2);
    gust_iostream_resume(t.a); /* was not paused */
    streams_turn(&t, 20);
    assert_int_equal(e.eofs, 2);
    assert_int_equal(e.closes, 0);
    streams_close(&t);
}

/* 47: bytes are kept and nobody reads: the end waits behind them. */
static void test_eof__while_paused_with_kept_bytes__comes_after_them(void **state)
{
    struct streams t;
    struct ears e = {0};
    (void)state;
    streams_open(&t, NULL);
    listen_with(&t, &ears_callbacks, &e);
    gust_iostream_pause(t.a);
    send_text(t.b, "kept");
    streams_turn(&t, 20);
    assert_int_equal(gust_iostream_buffered(t.a), 4);
    gust_iostream_close_after_flush(t.b);
    streams_pass(&t, GUST_SECONDS(1));
    assert_int_equal(e.closes, 0);
    unsigned long waits = t.clock.waits;
    streams_pass(&t, GUST_SECONDS(100));
    assert_true(t.clock.waits - waits < 20); /* and the loop sleeps meanwhile */
    gust_iostream_resume(t.a);
    streams_until(&t, &e.closes, 1);
    assert_string_equal(e.text, "kept");
    assert_int_equal(e.status, GUST_EOF);
    streams_close(&t);
}

static void test_eof__pending_verb_with_on_eof__the_verb_ends_first(void **state)
{
    static const gust_iostream_callbacks cb = {.on_eof = ears_on_eof, .on_close = ears_on_close};
    struct streams t;
    struct ears e = {0};
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    listen_with(&t, &cb, &e);
    assert_int_equal(gust_iostream_read_bytes(t.a, 10, heard_read, &h), 0);
    send_text(t.b, "123");
    assert_int_equal(gust_iostream_shutdown_write(t.b), 0);
    streams_until(&t, &h.calls, 1);
    assert_int_equal(h.status, GUST_EOF);
    assert_int_equal(e.eofs, 1);
    assert_false(gust_iostream_is_closed(t.a));
    assert_int_equal(gust_iostream_read_bytes(t.a, 3, heard_read, &h), 0);
    streams_until(&t, &h.calls, 2);
    assert_int_equal(h.status, 0);
    assert_string_equal(h.text, "123");
    assert_int_equal(gust_iostream_read_bytes(t.a, 1, heard_read, &h), 0);
    streams_until(&t, &h.calls, 3);
    assert_int_equal(h.status, GUST_EOF);
    assert_int_equal(e.eofs, 1);
    streams_close(&t);
}

/* 15, and callbacks that want nothing but the end. */
static void test_close__nobody_reads__is_noticed(void **state)
{
    static const gust_iostream_callbacks cb = {.on_close = ears_on_close};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct streams t;
        struct ears e = {0};
        struct heard h = {0};
        streams_open(&t, NULL);
        if (i == 0) {
            listen_with(&t, &cb, &e);
        } else {
            assert_int_equal(gust_iostream_set_close_callback(t.a, heard_write, &h), 0);
        }
        streams_turn(&t, 5);
        gust_iostream_close(t.b);
        streams_until(&t, i == 0 ? &e.closes : &h.calls, 1);
        assert_int_equal(gust_iostream_error(t.a), GUST_EOF);
        streams_close(&t);
    }
}

/* ---- What does not happen ---------------------------------------------------------------- */

static void test_spurious_events__change_nothing(void **state)
{
    struct streams t;
    struct ears e = {0};
    (void)state;
    streams_open(&t, NULL);
    listen_with(&t, &half_open, &e);
    for (unsigned events = 0; events < 0x20; events++) {
        gust_iostream_ready(t.a, events & (GUST_READ | GUST_WRITE | GUST_ERROR));
        streams_turn(&t, 2);
    }
    assert_int_equal(e.reads + e.eofs + e.closes + e.drains, 0);
    send_text(t.b, "x");
    streams_until(&t, &e.reads, 1);
    gust_iostream_pause(t.a);
    gust_iostream_ready(t.a, GUST_ERROR);
    gust_iostream_resume(t.a);
    send_text(t.b, "y");
    streams_until(&t, &e.reads, 2);
    assert_string_equal(e.text, "xy");
    gust_iostream_close(t.a);
    gust_iostream_ready(t.a, GUST_READ | GUST_WRITE | GUST_ERROR);
    streams_close(&t);
}

/* A reader that closes its stream is not called again, whatever else it has asked for. */
static size_t leaving_reader(gust_iostream *s, gust_str data, void *user)
{
    gust_iostream_yield(s);
    gust_iostream_close(s);
    return ears_reader(s, gust_str_make(data.ptr, 1), user);
}

static void test_reader__closes_the_stream__is_not_called_again(void **state)
{
    static const gust_iostream_callbacks cb = {.reader = leaving_reader, .on_close = ears_on_close};
    struct streams t;
    struct ears e = {0};
    (void)state;
    streams_open(&t, NULL);
    listen_with(&t, &cb, &e);
    send_text(t.b, "123");
    streams_until(&t, &e.closes, 1);
    streams_turn(&t, 10);
    assert_int_equal(e.reads, 1);
    assert_int_equal(e.status, 0);
    streams_close(&t);
}

static int group(void)
{
    const struct CMUnitTest tests[] = {
        STREAMS_CASE(test_reader__takes_all),
        STREAMS_CASE(test_reader__byte_by_byte__is_offered_the_rest_at_once),
        STREAMS_CASE(test_reader__takes_none__is_offered_all_with_the_next_bytes),
        STREAMS_CASE(test_reader__frames__over_many_reads),
        STREAMS_CASE(test_reader__memory__is_padded_and_may_be_changed),
        STREAMS_CASE(test_limit__read_chunk_size__bounds_an_offer),
        STREAMS_CASE(test_limit__reader_takes_none__buffer_full),
        STREAMS_CASE(test_memory__idle_after_traffic__as_before),
        STREAMS_CASE(test_pause__inside_the_reader__rest_waits_for_resume),
        STREAMS_CASE(test_pause_and_resume__inside_the_reader__goes_on_at_once),
        STREAMS_CASE(test_pause__a_peer_that_goes_on__is_held_back),
        STREAMS_CASE(test_no_callbacks__bytes_wait),
        STREAMS_CASE(test_yield__goes_on_in_the_next_turn),
        STREAMS_CASE(test_yield__peer_has_closed__all_bytes_then_the_end),
        STREAMS_CASE(test_read__peer_has_closed_behind_much__all_of_it_arrives),
        STREAMS_CASE(test_upgrade__inside_the_reader__rest_goes_to_the_new_one),
        STREAMS_CASE(test_upgrade__reader_that_takes_none__new_one_is_offered_all),
        STREAMS_CASE(test_upgrade__to_none__rest_is_for_a_verb),
        STREAMS_CASE(test_upgrade__from_a_verb__rest_goes_to_the_reader),
        STREAMS_CASE(test_upgrade__after_the_end__new_callbacks_are_told),
        STREAMS_CASE(test_eof__without_on_eof__closes),
        STREAMS_CASE(test_eof__reader_refuses_the_rest__closes),
        STREAMS_CASE(test_half_close__answer_after_the_end_of_the_question),
        STREAMS_CASE(test_half_close__nothing_is_told_over_and_over),
        STREAMS_CASE(test_eof__while_paused__told_at_once_and_after_resume),
        STREAMS_CASE(test_eof__while_paused_with_kept_bytes__comes_after_them),
        STREAMS_CASE(test_eof__pending_verb_with_on_eof__the_verb_ends_first),
        STREAMS_CASE(test_close__nobody_reads__is_noticed),
        STREAMS_CASE(test_spurious_events__change_nothing),
        STREAMS_CASE(test_reader__closes_the_stream__is_not_called_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return streams_over_bottoms(group);
}

/* The verbs of a stream, over each bottom. Numbers in comments are the cases of the
 * behaviour reference, 2.10. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/streams.h"

static void send_text(gust_iostream *s, const char *text)
{
    assert_int_equal(gust_iostream_write(s, gust_str_from(text), NULL, NULL), 0);
}

static int read_until(gust_iostream *s, const char *delim, size_t max, struct heard *h)
{
    return gust_iostream_read_until(s, gust_str_from(delim), max, heard_read, h);
}

/* Wait for one more call of h. */
static void wait_for(struct streams *t, struct heard *h)
{
    streams_until(t, &h->calls, h->calls + 1);
}

/* Read n bytes and wait for them. */
static void read_now(struct streams *t, size_t n, struct heard *h)
{
    *h = (struct heard){0};
    assert_int_equal(gust_iostream_read_bytes(t->a, n, heard_read, h), 0);
    assert_int_equal(h->calls, 0); /* never inside the call */
    wait_for(t, h);
}

/* ---- read_until ------------------------------------------------------------- */

static void test_read_until__delimiter_in_one_piece__rest_stays(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(read_until(t.a, "\r\n", 100, &h), 0);
    assert_true(gust_iostream_is_reading(t.a));
    send_text(t.b, "one\r\ntwo");
    wait_for(&t, &h);
    assert_int_equal(h.status, 0);
    assert_string_equal(h.text, "one\r\n");
    assert_int_equal(gust_iostream_buffered(t.a), 3);
    assert_false(gust_iostream_is_reading(t.a));
    streams_close(&t);
}

static void test_read_until__delimiter_split_at_each_byte__found(void **state)
{
    struct streams t;
    const char *text = "abc\r\n\r\nd";
    (void)state;
    streams_open(&t, NULL);
    for (int round = 0; round < 3; round++) {
        struct heard h = {0};
        assert_int_equal(read_until(t.a, "\r\n\r\n", 100, &h), 0);
        for (const char *at = text; *at != 'd'; at++) {
            assert_int_equal(h.calls, 0);
            assert_int_equal(gust_iostream_write(t.b, gust_str_make(at, 1), NULL, NULL), 0);
            streams_turn(&t, 4);
        }
        streams_until(&t, &h.calls, 1);
        assert_string_equal(h.text, "abc\r\n\r\n");
    }
    streams_close(&t);
}

static void test_read_until__what_is_kept_satisfies_it__still_posted(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    send_text(t.b, "a,b,c,");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(read_until(t.a, ",", 10, &h), 0);
        assert_int_equal(h.calls, i);
        wait_for(&t, &h);
    }
    assert_string_equal(h.text, "a,b,c,");
    assert_int_equal(gust_iostream_buffered(t.a), 0);
    streams_close(&t);
}

/* Exactly max_bytes fit; one more does not, even where the delimiter is in the same
 * packet (18, 20). */
static void test_read_until__limit__to_the_byte(void **state)
{
    static const struct {
        const char *text;
        const char *delim;
        size_t max;
        int status;
    } rows[] = {
        {"abcdef", "def", 50, 0},
        {"abcdef", "def", 6, 0},
        {"abcdefgh", "def", 6, 0}, /* what follows may lie beyond the limit */
        {"abcdef", "def", 5, GUST_EUNSATISFIABLE},
        {"123456", "def", 5, GUST_EUNSATISFIABLE},
        {"1234567", "z", 1, GUST_EUNSATISFIABLE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct streams t;
        struct heard h = {0}, closed = {0};
        streams_open(&t, NULL);
        assert_int_equal(gust_iostream_set_close_callback(t.a, heard_write, &closed), 0);
        assert_int_equal(read_until(t.a, rows[i].delim, rows[i].max, &h), 0);
        send_text(t.b, rows[i].text);
        wait_for(&t, &h);
        assert_int_equal(h.status, rows[i].status);
        assert_int_equal(gust_iostream_is_closed(t.a), rows[i].status != 0);
        assert_int_equal(gust_iostream_error(t.a), rows[i].status);
        if (rows[i].status != 0) {
            assert_int_equal(h.len, 0);
            streams_until(&t, &closed.calls, 1);
            assert_int_equal(closed.status, rows[i].status);
        }
        streams_close(&t);
    }
}

/* As long as the limit is not passed the read waits. */
static void test_read_until__limit_just_reached__waits(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(read_until(t.a, "z", 5, &h), 0);
    send_text(t.b, "12345");
    streams_turn(&t, 20);
    assert_int_equal(h.calls, 0);
    assert_false(gust_iostream_is_closed(t.a));
    send_text(t.b, "z");
    wait_for(&t, &h);
    assert_int_equal(h.status, GUST_EUNSATISFIABLE);
    streams_close(&t);
}

/* 19: the bytes are there before the read; and what can't be satisfied leaves them
 * to a smaller read. */
static void test_read_until__limit_passed_by_kept_bytes__they_stay_readable(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    send_text(t.b, "x123456");
    read_now(&t, 1, &h);
    assert_int_equal(gust_iostream_buffered(t.a), 6);
    assert_int_equal(read_until(t.a, "z", 5, &h), 0);
    assert_int_equal(h.calls, 1);
    wait_for(&t, &h);
    assert_int_equal(h.status, GUST_EUNSATISFIABLE);
    read_now(&t, 6, &h);
    assert_int_equal(h.status, 0);
    assert_string_equal(h.text, "123456");
    assert_int_equal(gust_iostream_read_bytes(t.a, 1, heard_read, &h), GUST_ECLOSED);
    streams_close(&t);
}

static void test_read_until__limit_passed_in_one_packet__bytes_stay_readable(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(read_until(t.a, "z", 5, &h), 0);
    send_text(t.b, "123456");
    wait_for(&t, &h);
    assert_int_equal(h.status, GUST_EUNSATISFIABLE);
    read_now(&t, 6, &h);
    assert_string_equal(h.text, "123456");
    streams_close(&t);
}

/* 11: linear in the bytes, whatever the lines are. */
static void next_line(gust_iostream *s, int status, gust_str data, void *user)
{
    struct heard *h = user;
    heard_read(s, status, data, h);
    if (status == 0 && data.len > 2) {
        assert_int_equal(gust_iostream_read_until(s, GUST_STR("\r\n"), 65536, next_line, h), 0);
    }
}

static void test_read_until__4096_lines__all_arrive(void **state)
{
    struct streams t;
    struct heard h = {0};
    char line[1026];
    (void)state;
    memset(line, 'x', sizeof(line));
    memcpy(line + 1024, "\r\n", 2);
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_read_until(t.a, GUST_STR("\r\n"), 65536, next_line, &h), 0);
    for (int i = 0; i < 4096; i++) {
        assert_int_equal(gust_iostream_write(t.b, gust_str_make(line, sizeof(line)), NULL, NULL),
                         0);
    }
    send_text(t.b, "\r\n");
    streams_until(&t, &h.calls, 4097);
    assert_int_equal(h.len, 4096 * sizeof(line) + 2);
    streams_close(&t);
}

/* 12 and 13: the last bytes come together with the end. */
static void test_read_until__last_bytes_and_end_together(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct streams t;
        struct heard h = {0};
        char fill[2048];
        memset(fill, 'x', sizeof(fill));
        streams_open(&t, NULL);
        assert_int_equal(read_until(t.a, i == 0 ? "done" : "foo", 65536, &h), 0);
        assert_int_equal(gust_iostream_write(t.b, gust_str_make(fill, sizeof(fill)), NULL, NULL),
                         0);
        streams_turn(&t, 4);
        send_text(t.b, "done");
        gust_iostream_close_after_flush(t.b);
        wait_for(&t, &h);
        assert_int_equal(h.status, i == 0 ? 0 : GUST_EOF);
        assert_int_equal(h.len, i == 0 ? 2052 : 0);
        streams_close(&t);
    }
}

/* 22, second half: lines within a buffer that is smaller than all of them. */
static void test_read_until__100_lines_through_10_kib(void **state)
{
    static const gust_iostream_options options = {.max_buffer_size = 10240};
    struct streams t;
    struct heard h = {0};
    char line[1024];
    (void)state;
    memset(line, 'x', sizeof(line));
    line[1023] = '\n';
    streams_open(&t, &options);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(gust_iostream_write(t.b, gust_str_make(line, sizeof(line)), NULL, NULL),
                         0);
    }
    for (int i = 0; i < 100; i++) {
        h = (struct heard){0};
        assert_int_equal(read_until(t.a, "\n", 4096, &h), 0);
        wait_for(&t, &h);
        assert_int_equal(h.status, 0);
        assert_int_equal(h.len, 1024);
        assert_true(gust_iostream_buffered(t.a) <= 10240);
    }
    streams_close(&t);
}

/* ---- read_bytes, read_partial ------------------------------------------------- */

/* 3, 17 */
static void test_read_bytes__n_zero_m(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    send_text(t.b, "123456789abc");
    read_now(&t, 9, &h);
    assert_string_equal(h.text, "123456789");
    read_now(&t, 0, &h);
    assert_int_equal(h.status, 0);
    assert_int_equal(h.len, 0);
    read_now(&t, 3, &h);
    assert_string_equal(h.text, "abc");
    read_now(&t, 0, &h);
    assert_int_equal(h.status, 0);
    assert_int_equal(h.calls, 1);
    streams_close(&t);
}

static void test_read_bytes__0_while_paused_with_kept_bytes(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    send_text(t.b, "12");
    read_now(&t, 1, &h);
    gust_iostream_pause(t.a);
    read_now(&t, 0, &h);
    assert_int_equal(h.status, 0);
    assert_int_equal(h.len, 0);
    assert_int_equal(gust_iostream_buffered(t.a), 1);
    streams_close(&t);
}

static void test_read_bytes__while_paused__waits_for_resume(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    gust_iostream_pause(t.a);
    assert_int_equal(gust_iostream_read_bytes(t.a, 3, heard_read, &h), 0);
    assert_false(gust_iostream_is_reading(t.a));
    send_text(t.b, "123");
    streams_turn(&t, 20);
    assert_int_equal(h.calls, 0);
    gust_iostream_resume(t.a);
    assert_int_equal(h.calls, 0);
    wait_for(&t, &h);
    assert_string_equal(h.text, "123");
    streams_close(&t);
}

/* 5 */
static void test_read_bytes__peer_closes_early__eof_and_the_bytes_stay(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_read_bytes(t.a, 1048576, heard_read, &h), 0);
    send_text(t.b, "only this");
    gust_iostream_close_after_flush(t.b);
    wait_for(&t, &h);
    assert_int_equal(h.status, GUST_EOF);
    assert_int_equal(h.len, 0);
    assert_int_equal(gust_iostream_error(t.a), GUST_EOF);
    read_now(&t, 9, &h);
    assert_string_equal(h.text, "only this");
    streams_close(&t);
}

/* 6: everything was read and the peer has closed: at once, or as soon as it is seen. */
static void test_read_bytes__after_the_end__fails(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    send_text(t.b, "x");
    read_now(&t, 1, &h);
    gust_iostream_close_after_flush(t.b);
    streams_turn(&t, 20);
    int code = gust_iostream_read_bytes(t.a, 1, heard_read, &h);
    if (code == 0) {
        wait_for(&t, &h);
        code = h.status;
        assert_int_equal(code, GUST_EOF);
    } else {
        assert_int_equal(code, GUST_ECLOSED);
    }
    streams_close(&t);
}

/* 8 */
static void test_read_bytes__one_by_one_after_the_peer_closed(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    send_text(t.b, "12");
    gust_iostream_close_after_flush(t.b);
    streams_turn(&t, 20);
    read_now(&t, 1, &h);
    assert_string_equal(h.text, "1");
    streams_turn(&t, 20);
    read_now(&t, 1, &h);
    assert_string_equal(h.text, "2");
    streams_turn(&t, 20);
    assert_int_equal(gust_iostream_error(t.a), GUST_EOF); /* 47: with the rest comes the end */
    streams_close(&t);
}

/* 9 */
static void test_read_bytes__small_read_chunks(void **state)
{
    static const gust_iostream_options options = {.read_chunk_size = 256};
    struct streams t;
    struct heard h = {0};
    char *bytes = streams_pattern(512);
    (void)state;
    streams_open(&t, &options);
    assert_int_equal(gust_iostream_write(t.b, gust_str_make(bytes, 512), NULL, NULL), 0);
    gust_iostream_close_after_flush(t.b);
    read_now(&t, 256, &h);
    assert_int_equal(h.len, 256);
    assert_memory_equal(h.text, bytes, 255);
    streams_pass(&t, GUST_MILLIS(10));
    read_now(&t, 256, &h);
    assert_int_equal(h.len, 256);
    assert_memory_equal(h.text, bytes + 256, 255);
    free(bytes);
    streams_close(&t);
}

/* 22, 45 */
static void test_read_bytes__buffer_of_10_kib__100_kib_in_pieces(void **state)
{
    static const gust_iostream_options options = {.max_buffer_size = 10240};
    struct streams t;
    struct heard h = {0};
    char *bytes = streams_pattern(102400);
    (void)state;
    streams_open(&t, &options);
    assert_int_equal(gust_iostream_write(t.b, gust_str_make(bytes, 102400), NULL, NULL), 0);
    for (size_t i = 0; i < 100; i++) {
        read_now(&t, 1024, &h);
        assert_int_equal(h.status, 0);
        assert_memory_equal(h.text, bytes + 1024 * i, 255);
        assert_true(gust_iostream_buffered(t.a) <= 10240);
    }
    assert_int_equal(gust_iostream_read_bytes(t.a, 10241, heard_read, &h), -EINVAL);
    assert_int_equal(gust_iostream_read_bytes(t.a, 10240, heard_read, &h), 0);
    free(bytes);
    streams_close(&t);
}

/* 23: what nobody reads stays with the peer. */
static void test_read_bytes__slow_reader__memory_is_bounded(void **state)
{
    enum { MIB = 1048576 };
    static const gust_iostream_options options = {.max_buffer_size = 5 * MIB};
    struct streams t;
    struct heard h = {0}, written = {0};
    char *bytes = streams_pattern(10 * MIB);
    (void)state;
    streams_open(&t, &options);
    assert_int_equal(
        gust_iostream_write_borrowed(t.b, gust_str_make(bytes, 10 * MIB), heard_write, &written),
        0);
    for (size_t i = 0; i < 10; i++) {
        read_now(&t, MIB, &h);
        assert_int_equal(h.status, 0);
        assert_int_equal(h.len, MIB);
        assert_memory_equal(h.text, bytes + MIB * i, 255);
        streams_pass(&t, GUST_MILLIS(100));
        assert_true(gust_iostream_buffered(t.a) <= 65536);
    }
    assert_int_equal(written.calls, 1);
    free(bytes);
    streams_close(&t);
}

/* 17 */
static void test_read_partial__what_there_is(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    send_text(t.b, "hello");
    assert_int_equal(gust_iostream_read_partial(t.a, 50, heard_read, &h), 0);
    wait_for(&t, &h);
    assert_string_equal(h.text, "hello");
    send_text(t.b, "world");
    h = (struct heard){0};
    assert_int_equal(gust_iostream_read_partial(t.a, 3, heard_read, &h), 0);
    wait_for(&t, &h);
    assert_string_equal(h.text, "wor");
    assert_int_equal(gust_iostream_read_partial(t.a, 0, heard_read, &h), 0);
    wait_for(&t, &h);
    assert_int_equal(h.status, 0);
    assert_int_equal(h.last, 0);
    streams_close(&t);
}

/* ---- read_into ----------------------------------------------------------------- */

/* 24 */
static void test_read_into__across_packets_and_from_the_buffer(void **state)
{
    struct streams t;
    struct heard h = {0};
    char buf[10];
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_read_into(t.a, buf, 10, false, heard_read, &h), 0);
    send_text(t.b, "hello");
    streams_turn(&t, 10);
    assert_int_equal(h.calls, 0);
    assert_true(gust_iostream_is_reading(t.a));
    send_text(t.b, "world!!");
    wait_for(&t, &h);
    assert_string_equal(h.text, "helloworld");
    h = (struct heard){0};
    assert_int_equal(gust_iostream_read_into(t.a, buf, 10, false, heard_read, &h), 0);
    streams_turn(&t, 10);
    send_text(t.b, "12345678abcdefghijk");
    wait_for(&t, &h);
    assert_string_equal(h.text, "!!12345678");
    h = (struct heard){0};
    assert_int_equal(gust_iostream_read_into(t.a, buf, 4, false, heard_read, &h), 0);
    wait_for(&t, &h);
    assert_string_equal(h.text, "abcd");
    read_now(&t, 7, &h);
    assert_string_equal(h.text, "efghijk");
    streams_close(&t);
}

/* 25 */
static void test_read_into__partial(void **state)
{
    struct streams t;
    struct heard h = {0};
    char buf[10];
    (void)state;
    memset(buf, '-', sizeof(buf));
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_read_into(t.a, buf, 10, true, heard_read, &h), 0);
    send_text(t.b, "hello");
    wait_for(&t, &h);
    assert_int_equal(h.len, 5);
    assert_memory_equal(buf, "hello-----", 10);
    send_text(t.b, "1234567890123456");
    assert_int_equal(gust_iostream_read_into(t.a, buf, 10, true, heard_read, &h), 0);
    wait_for(&t, &h);
    assert_memory_equal(buf, "1234567890", 10);
    assert_int_equal(gust_iostream_read_into(t.a, buf, 10, true, heard_read, &h), 0);
    wait_for(&t, &h);
    assert_int_equal(h.last, 6);
    assert_memory_equal(buf, "1234567890", 6);
    streams_close(&t);
}

/* 26 */
static void test_read_into__size_0__at_once(void **state)
{
    struct streams t;
    struct heard h = {0};
    char buf[1];
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_read_into(t.a, buf, 0, false, heard_read, &h), 0);
    wait_for(&t, &h);
    assert_int_equal(h.status, 0);
    assert_int_equal(gust_iostream_read_into(t.a, buf, 0, true, heard_read, &h), 0);
    send_text(t.b, "x");
    wait_for(&t, &h);
    assert_int_equal(h.status, 0);
    assert_int_equal(h.len, 0);
    streams_turn(&t, 10);
    assert_false(gust_iostream_is_closed(t.a));
    streams_close(&t);
}

/* 45: the memory is the caller's, so the limit of ours does not count. */
static void test_read_into__larger_than_the_buffers_limit(void **state)
{
    enum { SIZE = 300000 };
    static const gust_iostream_options options = {.max_buffer_size = 1000};
    struct streams t;
    struct heard h = {0};
    char *bytes = streams_pattern(SIZE), *into = calloc(1, SIZE);
    (void)state;
    streams_open(&t, &options);
    assert_int_equal(gust_iostream_read_into(t.a, into, SIZE, false, heard_read, &h), 0);
    assert_int_equal(gust_iostream_write_borrowed(t.b, gust_str_make(bytes, SIZE), NULL, NULL), 0);
    wait_for(&t, &h);
    assert_int_equal(h.status, 0);
    assert_int_equal(h.len, SIZE);
    assert_true(streams_is_pattern(gust_str_make(into, SIZE), 0));
    free(bytes);
    free(into);
    streams_close(&t);
}

static void test_read_into__stream_ends__tells_what_was_filled(void **state)
{
    struct streams t;
    struct heard h = {0};
    char buf[10];
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_read_into(t.a, buf, 10, false, heard_read, &h), 0);
    send_text(t.b, "1234");
    gust_iostream_close_after_flush(t.b);
    wait_for(&t, &h);
    assert_int_equal(h.status, GUST_EOF);
    assert_string_equal(h.text, "1234");
    streams_close(&t);
}

/* 27 */
struct mix {
    struct streams *t;
    size_t at;
    uint32_t random;
    char into[1000];
    int done;
};

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

enum { MIX_SIZE = 1000000 };

static void mix_next(struct mix *m);

static void mix_read(gust_iostream *s, int status, gust_str data, void *user)
{
    struct mix *m = user;
    (void)s;
    assert_int_equal(status, 0);
    assert_true(streams_is_pattern(data, m->at));
    m->at += data.len;
    if (m->at < MIX_SIZE) {
        mix_next(m);
    } else {
        m->done = 1;
    }
}

static void mix_next(struct mix *m)
{
    size_t n = 1 + next_random(&m->random) % 1000;
    n = n < MIX_SIZE - m->at ? n : MIX_SIZE - m->at;
    int code = 0;
    switch (next_random(&m->random) % 4) {
    case 0: code = gust_iostream_read_bytes(m->t->a, n, mix_read, m); break;
    case 1: code = gust_iostream_read_into(m->t->a, m->into, n, false, mix_read, m); break;
    case 2: code = gust_iostream_read_into(m->t->a, m->into, n, true, mix_read, m); break;
    default: code = gust_iostream_read_partial(m->t->a, n, mix_read, m); break;
    }
    assert_int_equal(code, 0);
}

static void test_mix__of_reads_over_random_writes(void **state)
{
    struct streams t;
    (void)state;
    char *bytes = streams_pattern(MIX_SIZE);
    streams_open(&t, NULL);
    struct mix m = {.t = &t, .random = 7};
    mix_next(&m);
    uint32_t random = 11;
    for (size_t at = 0; at < MIX_SIZE;) {
        size_t n = 1 + next_random(&random) % 5000;
        n = n < MIX_SIZE - at ? n : MIX_SIZE - at;
        assert_int_equal(gust_iostream_write(t.b, gust_str_make(bytes + at, n), NULL, NULL), 0);
        at += n;
        streams_turn(&t, (int)(next_random(&random) % 3));
    }
    streams_until(&t, &m.done, 1);
    free(bytes);
    streams_close(&t);
}

/* ---- read_until_close ------------------------------------------------------------ */

/* 1, 2 */
static void test_read_until_close__all_bytes_then_the_end(void **state)
{
    enum { SIZE = 500000 };
    struct streams t;
    int order = 0;
    struct heard h = {.order = &order}, closed = {.order = &order};
    char *bytes = streams_pattern(SIZE);
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_set_close_callback(t.a, heard_write, &closed), 0);
    assert_int_equal(gust_iostream_read_until_close(t.a, heard_read, &h), 0);
    assert_int_equal(gust_iostream_write_borrowed(t.b, gust_str_make(bytes, SIZE), NULL, NULL), 0);
    gust_iostream_close_after_flush(t.b);
    wait_for(&t, &h);
    assert_int_equal(h.status, 0);
    assert_int_equal(h.len, SIZE);
    assert_memory_equal(h.text, bytes, 255);
    streams_until(&t, &closed.calls, 1);
    assert_true(h.at < closed.at);
    assert_int_equal(closed.status, GUST_EOF);
    h = (struct heard){0};
    assert_int_equal(gust_iostream_read_until_close(t.a, heard_read, &h), 0); /* again: nothing */
    wait_for(&t, &h);
    assert_int_equal(h.status, 0);
    assert_int_equal(h.len, 0);
    free(bytes);
    streams_close(&t);
}

/* 10 */
static void test_read_until_close__rest_after_a_read(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    send_text(t.b, "1234");
    read_now(&t, 1, &h);
    gust_iostream_close_after_flush(t.b);
    streams_turn(&t, 20);
    h = (struct heard){0};
    assert_int_equal(gust_iostream_read_until_close(t.a, heard_read, &h), 0);
    wait_for(&t, &h);
    assert_int_equal(h.status, 0);
    assert_string_equal(h.text, "234");
    streams_close(&t);
}

/* The limit is what is kept; exactly so many and the end is fine. */
static void test_read_until_close__limit__to_the_byte(void **state)
{
    static const gust_iostream_options options = {.max_buffer_size = 1000};
    (void)state;
    for (size_t n = 999; n <= 1001; n++) {
        struct streams t;
        struct heard h = {0};
        char *bytes = streams_pattern(n);
        streams_open(&t, &options);
        assert_int_equal(gust_iostream_read_until_close(t.a, heard_read, &h), 0);
        assert_int_equal(gust_iostream_write(t.b, gust_str_make(bytes, n), NULL, NULL), 0);
        gust_iostream_close_after_flush(t.b);
        wait_for(&t, &h);
        assert_int_equal(h.status, n <= 1000 ? 0 : GUST_EBUFFERFULL);
        assert_int_equal(gust_iostream_error(t.a), n <= 1000 ? GUST_EOF : GUST_EBUFFERFULL);
        assert_int_equal(h.len, n <= 1000 ? n : 1000);
        free(bytes);
        streams_close(&t);
    }
}

static void test_read_until_close__own_close__what_had_come(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    send_text(t.b, "123");
    assert_int_equal(gust_iostream_read_until_close(t.a, heard_read, &h), 0);
    streams_turn(&t, 10);
    gust_iostream_close(t.a);
    assert_int_equal(h.calls, 0);
    wait_for(&t, &h);
    assert_int_equal(h.status, 0);
    assert_string_equal(h.text, "123");
    streams_close(&t);
}

/* ---- One at a time, and what is refused --------------------------------------------- */

static void test_second_read__busy(void **state)
{
    struct streams t;
    struct heard h = {0};
    char buf[1];
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_read_bytes(t.a, 1, heard_read, &h), 0);
    assert_int_equal(gust_iostream_read_bytes(t.a, 1, heard_read, &h), -EBUSY);
    assert_int_equal(gust_iostream_read_partial(t.a, 1, heard_read, &h), -EBUSY);
    assert_int_equal(read_until(t.a, "x", 1, &h), -EBUSY);
    assert_int_equal(gust_iostream_read_into(t.a, buf, 1, false, heard_read, &h), -EBUSY);
    assert_int_equal(gust_iostream_read_until_close(t.a, heard_read, &h), -EBUSY);
    struct ears e = {0};
    assert_int_equal(gust_iostream_set_callbacks(t.a, &ears_callbacks, &e), -EBUSY);
    send_text(t.b, "x");
    wait_for(&t, &h);
    assert_string_equal(h.text, "x");
    assert_int_equal(gust_iostream_set_callbacks(t.a, &ears_callbacks, &e), 0);
    assert_int_equal(gust_iostream_read_bytes(t.a, 1, heard_read, &h), -EBUSY); /* has a reader */
    streams_close(&t);
}

static void test_arguments__refused(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(read_until(t.a, "", 10, &h), -EINVAL);
    assert_int_equal(read_until(t.a, "12345678901234567", 10, &h), -EINVAL);
    assert_int_equal(read_until(t.a, "x", 0, &h), -EINVAL);
    assert_int_equal(gust_iostream_read_bytes(t.a, 1, NULL, NULL), -EINVAL);
    assert_int_equal(gust_iostream_read_into(t.a, NULL, 1, false, heard_read, &h), -EINVAL);
    assert_int_equal(read_until(t.a, "1234567890123456", 16, &h), 0);
    send_text(t.b, "1234567890123456");
    wait_for(&t, &h);
    assert_int_equal(h.status, 0);
    streams_close(&t);
}

/* ---- cancel_read ---------------------------------------------------------------------- */

/* 40 */
static void test_cancel_read__told_once__no_byte_is_lost(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    gust_iostream_cancel_read(t.a); /* harmless */
    assert_int_equal(read_until(t.a, "\n", 100, &h), 0);
    send_text(t.b, "half of");
    streams_turn(&t, 10);
    gust_iostream_cancel_read(t.a);
    gust_iostream_cancel_read(t.a);
    assert_int_equal(h.calls, 0);
    assert_int_equal(gust_iostream_read_bytes(t.a, 1, heard_read, &h), -EBUSY); /* not yet told */
    wait_for(&t, &h);
    assert_int_equal(h.status, GUST_ECANCELED);
    assert_int_equal(h.len, 0);
    send_text(t.b, " a line\n");
    streams_turn(&t, 10);
    assert_int_equal(h.calls, 1);
    h = (struct heard){0};
    assert_int_equal(read_until(t.a, "\n", 100, &h), 0);
    wait_for(&t, &h);
    assert_string_equal(h.text, "half of a line\n");
    streams_close(&t);
}

static void read_again(gust_iostream *s, int status, gust_str data, void *user)
{
    (void)data;
    assert_int_equal(status, GUST_ECANCELED);
    assert_int_equal(gust_iostream_read_bytes(s, 4, heard_read, user), 0);
}

static void test_cancel_read__new_read_from_its_callback(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_read_bytes(t.a, 10, read_again, &h), 0);
    send_text(t.b, "1234");
    streams_turn(&t, 10);
    gust_iostream_cancel_read(t.a);
    wait_for(&t, &h);
    assert_string_equal(h.text, "1234");
    streams_close(&t);
}

static void test_cancel_read__read_into__tells_what_was_filled(void **state)
{
    struct streams t;
    struct heard h = {0};
    char buf[10];
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_read_into(t.a, buf, 10, false, heard_read, &h), 0);
    send_text(t.b, "1234");
    streams_turn(&t, 10);
    gust_iostream_cancel_read(t.a);
    wait_for(&t, &h);
    assert_int_equal(h.status, GUST_ECANCELED);
    assert_string_equal(h.text, "1234");
    streams_close(&t);
}

static void test_cancel_read__then_close__told_once(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(gust_iostream_read_bytes(t.a, 10, heard_read, &h), 0);
    gust_iostream_cancel_read(t.a);
    gust_iostream_close(t.a);
    streams_turn(&t, 10);
    assert_int_equal(h.calls, 1);
    assert_int_equal(h.status, GUST_ECANCELED);
    streams_close(&t);
}

/* ---- After the end ------------------------------------------------------------------------ */

static void test_closed__kept_bytes_are_served__also_if_it_was_paused(void **state)
{
    (void)state;
    for (int paused = 0; paused < 2; paused++) {
        struct streams t;
        struct heard h = {0};
        char buf[2];
        streams_open(&t, NULL);
        send_text(t.b, "123,4567");
        read_now(&t, 1, &h);
        if (paused) {
            gust_iostream_pause(t.a);
        }
        gust_iostream_close(t.a);
        streams_turn(&t, 10);
        h = (struct heard){0};
        assert_int_equal(gust_iostream_read_bytes(t.a, 8, heard_read, &h), GUST_ECLOSED);
        assert_int_equal(read_until(t.a, ",", 2, &h), GUST_ECLOSED);
        assert_int_equal(read_until(t.a, ",", 10, &h), 0);
        wait_for(&t, &h);
        assert_int_equal(h.status, 0);
        assert_string_equal(h.text, "23,");
        assert_int_equal(gust_iostream_read_into(t.a, buf, 2, false, heard_read, &h), 0);
        wait_for(&t, &h);
        assert_memory_equal(buf, "45", 2);
        read_now(&t, 0, &h);
        assert_int_equal(h.status, 0);
        h = (struct heard){0};
        assert_int_equal(gust_iostream_read_partial(t.a, 5, heard_read, &h), 0);
        wait_for(&t, &h);
        assert_string_equal(h.text, "67");
        assert_int_equal(gust_iostream_read_partial(t.a, 5, heard_read, &h), GUST_ECLOSED);
        streams_close(&t);
    }
}

static void test_close__pending_read_that_kept_bytes_satisfy__is_served(void **state)
{
    struct streams t;
    struct heard h = {0}, g = {0};
    (void)state;
    streams_open(&t, NULL);
    send_text(t.b, "123");
    read_now(&t, 1, &h);
    assert_int_equal(gust_iostream_read_bytes(t.a, 2, heard_read, &g), 0);
    gust_iostream_close(t.a);
    wait_for(&t, &g);
    assert_int_equal(g.status, 0);
    assert_string_equal(g.text, "23");
    streams_close(&t);
}

static void test_close__pending_read__cancelled(void **state)
{
    struct streams t;
    struct heard h = {0};
    (void)state;
    streams_open(&t, NULL);
    assert_int_equal(read_until(t.a, "x", 10, &h), 0);
    gust_iostream_close(t.a);
    gust_iostream_close(t.a);
    assert_int_equal(h.calls, 0);
    streams_turn(&t, 10);
    assert_int_equal(h.calls, 1);
    assert_int_equal(h.status, GUST_ECANCELED);
    assert_int_equal(read_until(t.a, "x", 10, &h), GUST_ECLOSED);
    streams_close(&t);
}

static int group(void)
{
    const struct CMUnitTest tests[] = {
        STREAMS_CASE(test_read_until__delimiter_in_one_piece__rest_stays),
        STREAMS_CASE(test_read_until__delimiter_split_at_each_byte__found),
        STREAMS_CASE(test_read_until__what_is_kept_satisfies_it__still_posted),
        STREAMS_CASE(test_read_until__limit__to_the_byte),
        STREAMS_CASE(test_read_until__limit_just_reached__waits),
        STREAMS_CASE(test_read_until__limit_passed_by_kept_bytes__they_stay_readable),
        STREAMS_CASE(test_read_until__limit_passed_in_one_packet__bytes_stay_readable),
        STREAMS_CASE(test_read_until__4096_lines__all_arrive),
        STREAMS_CASE(test_read_until__last_bytes_and_end_together),
        STREAMS_CASE(test_read_until__100_lines_through_10_kib),
        STREAMS_CASE(test_read_bytes__n_zero_m),
        STREAMS_CASE(test_read_bytes__0_while_paused_with_kept_bytes),
        STREAMS_CASE(test_read_bytes__while_paused__waits_for_resume),
        STREAMS_CASE(test_read_bytes__peer_closes_early__eof_and_the_bytes_stay),
        STREAMS_CASE(test_read_bytes__after_the_end__fails),
        STREAMS_CASE(test_read_bytes__one_by_one_after_the_peer_closed),
        STREAMS_CASE(test_read_bytes__small_read_chunks),
        STREAMS_CASE(test_read_bytes__buffer_of_10_kib__100_kib_in_pieces),
        STREAMS_CASE(test_read_bytes__slow_reader__memory_is_bounded),
        STREAMS_CASE(test_read_partial__what_there_is),
        STREAMS_CASE(test_read_into__across_packets_and_from_the_buffer),
        STREAMS_CASE(test_read_into__partial),
        STREAMS_CASE(test_read_into__size_0__at_once),
        STREAMS_CASE(test_read_into__larger_than_the_buffers_limit),
        STREAMS_CASE(test_read_into__stream_ends__tells_what_was_filled),
        STREAMS_CASE(test_mix__of_reads_over_random_writes),
        STREAMS_CASE(test_read_until_close__all_bytes_then_the_end),
        STREAMS_CASE(test_read_until_close__rest_after_a_read),
        STREAMS_CASE(test_read_until_close__limit__to_the_byte),
        STREAMS_CASE(test_read_until_close__own_close__what_had_come),
        STREAMS_CASE(test_second_read__busy),
        STREAMS_CASE(test_arguments__refused),
        STREAMS_CASE(test_cancel_read__told_once__no_byte_is_lost),
        STREAMS_CASE(test_cancel_read__new_read_from_its_callback),
        STREAMS_CASE(test_cancel_read__read_into__tells_what_was_filled),
        STREAMS_CASE(test_cancel_read__then_close__told_once),
        STREAMS_CASE(test_closed__kept_bytes_are_served__also_if_it_was_paused),
        STREAMS_CASE(test_close__pending_read_that_kept_bytes_satisfy__is_served),
        STREAMS_CASE(test_close__pending_read__cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return streams_over_bottoms(group);
}

/* The frame parser on the rows of ws_rows.h: whole, byte by byte, chopped, and
 * split once at each offset, as a server and as a client. What an echo peer
 * answers must be what the row says, and what happened must not depend on the
 * cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <gust/errors.h>

#include "tests/support/ws_peer_internal.h"

/* --- rows --- */

struct script {
    const char *name;
    struct ws_bytes in;   /* what is sent */
    struct ws_bytes want; /* what comes back */
    size_t last_frame_at; /* in `in` */
};

static void script_deinit(struct script *s)
{
    free(s->in.ptr);
    free(s->want.ptr);
}

static void script_from_row(struct script *s, const struct ws_row *row, enum gust__ws_role role)
{
    const struct ws_frame *ending = ws_row_ending(row);
    bool to_server = role == GUST__WS_SERVER;

    *s = (struct script){.name = row->name};
    for (size_t i = 0; i < ws_frame_count(row->send); i++) {
        s->last_frame_at = s->in.len;
        ws_bytes_add_frame(&s->in, &row->send[i], to_server);
    }
    for (size_t i = 0; i < ws_frame_count(row->expect); i++) {
        ws_bytes_add_frame(&s->want, &row->expect[i], !to_server);
    }
    if (ending != NULL) {
        ws_bytes_add_frame(&s->in, ending, to_server);
    }
    ws_bytes_add_close(&s->want, row->close == WS_STILL_OPEN ? 1000 : row->close, !to_server);
}

struct outcome {
    struct ws_bytes log;
    size_t failed_at;
};

/* Run a script in one cut and check the answer. The caller frees the log. */
static struct outcome run(const struct script *s, enum gust__ws_role role,
                          const struct gust__ws_limits *limits, size_t first, size_t step)
{
    struct outcome outcome;
    struct ws_peer p;

    ws_peer_init(&p, role, limits);
    ws_peer_feed_cut(&p, &s->in, first, step);
    if (!ws_bytes_eq(&p.out, &s->want)) {
        fail_msg("%s, role %d, cut %zu %zu: other answer", s->name, (int)role, first, step);
    }
    outcome = (struct outcome){.log = p.log, .failed_at = p.failed_at};
    p.log = (struct ws_bytes){0};
    ws_peer_deinit(&p);
    return outcome;
}

static void run_like(const struct script *s, enum gust__ws_role role,
                     const struct gust__ws_limits *limits, size_t first, size_t step,
                     const struct outcome *whole)
{
    struct outcome cut = run(s, role, limits, first, step);

    if (!ws_bytes_eq(&cut.log, &whole->log)) {
        fail_msg("%s, role %d, cut %zu %zu: other events", s->name, (int)role, first, step);
    }
    free(cut.log.ptr);
}

/* Whole, bytewise, in three odd sizes, and split at each offset (of a long
 * input: at both ends and here and there). Returns where bytewise failed. */
static size_t run_all_cuts(const struct script *s, enum gust__ws_role role,
                           const struct gust__ws_limits *limits)
{
    static const size_t steps[] = {2, 13, 997};
    struct outcome whole = run(s, role, limits, s->in.len, s->in.len);
    struct outcome bytewise = run(s, role, limits, 1, 1);

    assert_true(ws_bytes_eq(&whole.log, &bytewise.log));
    for (size_t i = 0; i < WS_COUNT(steps); i++) {
        run_like(s, role, limits, steps[i], steps[i], &whole);
    }
    for (size_t at = 1; at < s->in.len; at++) {
        bool is_end = at < 300 || s->in.len - at < 300;
        if (is_end || at % 9973 == 0) {
            run_like(s, role, limits, at, s->in.len, &whole);
        }
    }
    free(whole.log.ptr);
    free(bytewise.log.ptr);
    return bytewise.failed_at;
}

static void check_row(const struct ws_row *row, enum gust__ws_role role)
{
    struct gust__ws_limits limits = gust__ws_default_limits;
    struct script s;
    size_t failed_at;

    if (row->max_message != 0) {
        limits.max_message_size = row->max_message;
    }
    script_from_row(&s, row, role);
    failed_at = run_all_cuts(&s, role, &limits);
    if (row->fail_at != 0 && failed_at != s.last_frame_at + row->fail_at) {
        fail_msg("%s, role %d: failed after %zu bytes, not %zu", row->name, (int)role, failed_at,
                 s.last_frame_at + row->fail_at);
    }
    script_deinit(&s);
}

static void test_rows_to_server__answered_as_listed(void **state)
{
    (void)state;
    for (size_t i = 0; i < WS_COUNT(ws_rows); i++) {
        check_row(&ws_rows[i], GUST__WS_SERVER);
    }
}

static void test_rows_to_client__answered_as_listed(void **state)
{
    (void)state;
    for (size_t i = 0; i < WS_COUNT(ws_rows); i++) {
        check_row(&ws_rows[i], GUST__WS_CLIENT);
    }
}

/* --- text --- */

static void script_end(struct script *s, int bad_at, struct ws_frame echo)
{
    static const struct ws_frame ending = WS_CLOSE("\x03\xe8");

    if (bad_at == WS_VALID) {
        ws_bytes_add_frame(&s->want, &echo, false);
        ws_bytes_add_frame(&s->in, &ending, true);
    }
    ws_bytes_add_close(&s->want, bad_at == WS_VALID ? 1000 : 1007, false);
}

/* The text in fragments of `size` bytes, the first one of `first`. */
static struct script script_of_text(const struct ws_text_row *row, size_t first, size_t size)
{
    struct script s = {.name = row->name};
    size_t at = 0, n = first;

    do {
        struct ws_frame f = {0, row->bytes + at, 0, 0, 0, WS_PLAIN};
        f.text_len = n > row->len - at ? row->len - at : n;
        f.first = (s.in.len == 0 ? 0x01u : 0x00u) | (at + f.text_len == row->len ? 0x80u : 0);
        ws_bytes_add_frame(&s.in, &f, true);
        at += f.text_len;
        n = size;
    } while (at < row->len);
    script_end(&s, row->bad_at, (struct ws_frame){0x81, row->bytes, row->len, 0, 0, WS_PLAIN});
    return s;
}

/* In one frame that comes byte by byte, the bad byte must be the last one that
 * was looked at. */
static void check_text_in_one_frame(const struct ws_text_row *row)
{
    struct script s = script_of_text(row, row->len, row->len);
    size_t header = row->len > 125 ? 8 : 6, failed_at;

    failed_at = run_all_cuts(&s, GUST__WS_SERVER, &gust__ws_default_limits);
    if (row->bad_at != WS_VALID) {
        size_t bytes = (size_t)row->bad_at == row->len ? row->len : (size_t)row->bad_at + 1;
        assert_int_equal(failed_at, header + bytes);
    }
    script_deinit(&s);
}

static void test_text__fails_at_first_impossible_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < WS_COUNT(ws_text_rows); i++) {
        check_text_in_one_frame(&ws_text_rows[i]);
    }
}

static void test_text_in_fragments__judged_across_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < WS_COUNT(ws_text_rows); i++) {
        const struct ws_text_row *row = &ws_text_rows[i];
        for (size_t first = 0; first <= row->len; first++) {
            struct script s = script_of_text(row, first, first == 1 ? 1 : row->len);
            (void)run_all_cuts(&s, GUST__WS_SERVER, &gust__ws_default_limits);
            script_deinit(&s);
        }
    }
}

static size_t encode_utf8(uint32_t c, char *out)
{
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

static void check_code_point(uint32_t c)
{
    char bytes[4];
    struct ws_text_row row = {"a code point", bytes, encode_utf8(c, bytes), WS_VALID};
    struct script s = script_of_text(&row, row.len, row.len);

    (void)run_all_cuts(&s, GUST__WS_SERVER, &gust__ws_default_limits);
    script_deinit(&s);
}

/* Autobahn 6.22 and 6.23. */
static void test_text_of_noncharacters__valid(void **state)
{
    (void)state;
    for (uint32_t plane = 0; plane <= 0x10; plane++) {
        check_code_point(plane << 16 | 0xfffe);
        check_code_point(plane << 16 | 0xffff);
    }
    for (uint32_t c = 0xfff9; c <= 0xffff; c++) {
        check_code_point(c);
    }
}

/* --- Close --- */

static void test_close_rows__reply_and_report(void **state)
{
    (void)state;
    for (size_t i = 0; i < WS_COUNT(ws_close_rows); i++) {
        const struct ws_close_row *row = &ws_close_rows[i];
        struct ws_frame f = {0x88, row->payload, row->len, 0, 0, WS_PLAIN};
        struct script s = {.name = "close"};
        struct ws_peer p;

        ws_bytes_add_frame(&s.in, &f, true);
        ws_bytes_add_close(&s.want, row->reply, false);
        (void)run_all_cuts(&s, GUST__WS_SERVER, &gust__ws_default_limits);
        ws_peer_init(&p, GUST__WS_SERVER, &gust__ws_default_limits);
        ws_peer_feed_cut(&p, &s.in, s.in.len, 1);
        assert_int_equal(p.reported, row->reported);
        assert_string_equal(p.reason, row->reason);
        assert_int_equal(p.failed_with, row->reason[0] == '\0' && row->reply == 1002 ? 1002
                                        : row->reply == 1007                         ? 1007
                                                                                     : 0);
        ws_peer_deinit(&p);
        script_deinit(&s);
    }
}

static void test_close_codes__the_same_set_both_ways(void **state)
{
    (void)state;
    for (int code = 0; code <= 0xffff; code++) {
        bool allowed = (code >= 1000 && code < 1004) || (code > 1006 && code < 1015) ||
                       (code >= 3000 && code < 5000);
        char bytes[2] = {(char)(code >> 8), (char)(code & 0xff)}, out[GUST__WS_CONTROL_MAX];
        uint16_t got = 1;
        gust_str reason;
        size_t len = 77;

        assert_int_equal(gust_websocket_close_code_is_sendable(code), allowed);
        assert_int_equal(gust__ws_close_parse(gust_str_make(bytes, 2), &got, &reason),
                         allowed ? 0 : 1002);
        assert_int_equal(got, allowed ? code : 1);
        if (code != WS_EMPTY) {
            assert_int_equal(gust__ws_close_payload(out, code, GUST_STR(""), &len),
                             allowed ? 0 : -EINVAL);
            assert_int_equal(len, allowed ? 2 : 77);
        }
    }
    assert_false(gust_websocket_close_code_is_sendable(-1));
    assert_false(gust_websocket_close_code_is_sendable(0x10000 + 1000));
}

static void test_close_payload__limits_of_the_reason(void **state)
{
    char reason[124], out[GUST__WS_CONTROL_MAX];
    size_t len = 77;

    (void)state;
    memset(reason, 'r', sizeof(reason));
    assert_int_equal(gust__ws_close_payload(out, 1001, gust_str_make(reason, 123), &len), 0);
    assert_int_equal(len, 125);
    assert_memory_equal(out, "\x03\xe9rrr", 5);
    assert_int_equal(gust__ws_close_payload(out, 1001, gust_str_make(reason, 124), &len), -EINVAL);
    assert_int_equal(gust__ws_close_payload(out, 1001, GUST_STR("\xff"), &len), GUST_EUTF8);
    assert_int_equal(gust__ws_close_payload(out, 1001, GUST_STR("\xc3"), &len), GUST_EUTF8);
    assert_int_equal(gust__ws_close_payload(out, WS_EMPTY, GUST_STR("why"), &len), -EINVAL);
    assert_int_equal(len, 125);
    assert_int_equal(gust__ws_close_payload(out, WS_EMPTY, GUST_STR(""), &len), 0);
    assert_int_equal(len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_to_server__answered_as_listed),
        cmocka_unit_test(test_rows_to_client__answered_as_listed),
        cmocka_unit_test(test_text__fails_at_first_impossible_byte),
        cmocka_unit_test(test_text_in_fragments__judged_across_them),
        cmocka_unit_test(test_text_of_noncharacters__valid),
        cmocka_unit_test(test_close_rows__reply_and_report),
        cmocka_unit_test(test_close_codes__the_same_set_both_ways),
        cmocka_unit_test(test_close_payload__limits_of_the_reason),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}

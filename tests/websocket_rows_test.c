/* The rows of ws_rows.h over live connections to an echo server: whole, byte by
 * byte, and split at each offset; what comes back, what on_close is told, and
 * that TCP ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/ws_live.h"
#include "tests/ws_rows.h"

static struct ws_live live;

/* Bytes that grow. */
struct bytes {
    unsigned char *ptr;
    size_t len;
};

static void bytes_frame(struct bytes *b, const struct ws_frame *f, bool to_server)
{
    b->ptr = realloc(b->ptr, b->len + ws_frame_size(f));
    assert_non_null(b->ptr);
    b->len += ws_encode(f, to_server, b->ptr + b->len);
}

static void bytes_close(struct bytes *b, unsigned code)
{
    char text[2] = {(char)(code >> 8), (char)(code & 0xff)};
    struct ws_frame f = {0x88, text, code == WS_EMPTY ? 0 : 2, 0, 0, WS_PLAIN};
    bytes_frame(b, &f, false);
}

/* What is sent, and what has to come back. Of our own Close for a fault only the
 * code is compared, the words are free. */
struct script {
    const char *name, *target;
    struct bytes in, want;
    unsigned close;
    bool has_failed; /* the server's own Close */
    size_t fail_at;  /* bytes of `in` at which it has to be there; 0: no matter */
};

static void script_deinit(struct script *s)
{
    free(s->in.ptr);
    free(s->want.ptr);
}

static int closed_with;
static int closes;

static void on_close(gust_websocket *ws)
{
    closed_with = gust_websocket_close_code(ws);
    closes++;
}

static const gust_websocket_class echo = {.on_message = ws_live_echo, .on_close = on_close};
static const gust_websocket_class echo_1024 = {
    .on_message = ws_live_echo, .on_close = on_close, .max_message_size = 1024};
static const gust_route routes[] = {
    GUST_WEBSOCKET_ROUTE("/ws", &echo), GUST_WEBSOCKET_ROUTE("/small", &echo_1024), {0}};

static int start(void **state)
{
    (void)state;
    ws_live_start(&live, routes);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    ws_live_stop(&live);
    return 0;
}

/* ---- one run ---------------------------------------------------------------------------- */

static bool answered(const struct script *s)
{
    return live.client->len - live.client->at > s->want.len;
}

static void send_cut(const struct script *s, size_t first, size_t step, size_t *out_failed_at)
{
    *out_failed_at = 0;
    for (size_t at = 0, n = first; at < s->in.len; n = step) {
        n = n < s->in.len - at ? n : s->in.len - at;
        ws_live_send(&live, s->in.ptr + at, n);
        ws_live_turn(&live, 4);
        at += n;
        if (*out_failed_at == 0 && answered(s)) {
            *out_failed_at = at;
        }
        if (live.client->s == NULL) {
            break;
        }
    }
}

static void expect_answer(const struct script *s, size_t first, size_t step)
{
    const unsigned char *came = live.client->in + live.client->at;
    for (int i = 0; i < 200 && live.client->len - live.client->at < s->want.len + 2; i++) {
        ws_live_turn(&live, 1);
        came = live.client->in + live.client->at;
    }
    if (live.client->len - live.client->at < s->want.len ||
        (s->want.len > 0 && memcmp(came, s->want.ptr, s->want.len) != 0)) {
        fail_msg("%s, cut %zu %zu: another answer", s->name, first, step);
    }
    live.client->at += s->want.len;
}

static void run(const struct script *s, size_t first, size_t step)
{
    size_t failed_at;
    ws_live_open(&live, s->target);
    closes = closed_with = 0;
    send_cut(s, first, step, &failed_at);
    expect_answer(s, first, step);
    ws_live_expect_close(&live, (int)s->close);
    ws_live_expect_end(&live);
    if (step == 1 && s->fail_at != 0 && failed_at != s->fail_at) {
        fail_msg("%s: failed at %zu, not %zu", s->name, failed_at, s->fail_at);
    }
    ws_live_vanish(&live);
    if (closes != 1 || closed_with != (int)s->close) {
        fail_msg("%s, cut %zu %zu: on_close %d times with %d", s->name, first, step, closes,
                 closed_with);
    }
}

static void run_all_cuts(const struct script *s)
{
    run(s, s->in.len, s->in.len);
    if (s->in.len < 2000) {
        run(s, 1, 1);
    }
    run(s, 997, 997);
    for (size_t at = 1; at < s->in.len; at++) {
        bool is_end = at < 40 || s->in.len - at < 20;
        if (s->in.len < 300 || is_end || at % 9973 == 0) {
            run(s, at, s->in.len);
        }
    }
}

/* ---- the rows ------------------------------------------------------------------------------ */

static void test_frame_rows__answered_as_listed(void **state)
{
    (void)state;
    for (size_t i = 0; i < WS_COUNT(ws_rows); i++) {
        const struct ws_row *row = &ws_rows[i];
        const struct ws_frame *ending = ws_row_ending(row);
        struct script s = {.name = row->name, .target = row->max_message != 0 ? "/small" : "/ws"};
        size_t last = 0;
        for (size_t k = 0; k < ws_frame_count(row->send); k++) {
            last = s.in.len;
            bytes_frame(&s.in, &row->send[k], true);
        }
        for (size_t k = 0; k < ws_frame_count(row->expect); k++) {
            bytes_frame(&s.want, &row->expect[k], false);
        }
        if (ending != NULL) {
            bytes_frame(&s.in, ending, true);
        }
        s.close = ending != NULL ? 1000 : row->close;
        s.fail_at = row->fail_at != 0 ? last + row->fail_at : 0;
        run_all_cuts(&s);
        script_deinit(&s);
    }
}

/* In one frame; and in one fragment a byte. */
static void run_text(const struct ws_text_row *row, size_t size)
{
    static const struct ws_frame ending = WS_CLOSE("\x03\xe8");
    struct script s = {.name = row->name, .target = "/ws", .close = 1007};
    for (size_t at = 0; at < row->len; at += size) {
        struct ws_frame f = {0x00, row->bytes + at, size, 0, 0, WS_PLAIN};
        f.first = (at == 0 ? 0x01u : 0x00u) | (at + size >= row->len ? 0x80u : 0x00u);
        bytes_frame(&s.in, &f, true);
    }
    if (row->bad_at == WS_VALID) {
        struct ws_frame back = {0x81, row->bytes, row->len, 0, 0, WS_PLAIN};
        bytes_frame(&s.want, &back, false);
        bytes_frame(&s.in, &ending, true);
        s.close = 1000;
    } else if (size == row->len) {
        size_t bytes = (size_t)row->bad_at == row->len ? row->len : (size_t)row->bad_at + 1;
        s.fail_at = (row->len > 125 ? 8 : 6) + bytes;
    }
    run_all_cuts(&s);
    script_deinit(&s);
}

static void test_text_rows__fail_at_the_first_bad_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < WS_COUNT(ws_text_rows); i++) {
        run_text(&ws_text_rows[i], ws_text_rows[i].len);
        run_text(&ws_text_rows[i], 1);
    }
}

static void test_close_rows__reply_code_and_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < WS_COUNT(ws_close_rows); i++) {
        const struct ws_close_row *row = &ws_close_rows[i];
        struct ws_frame f = {0x88, row->payload, row->len, 0, 0, WS_PLAIN};
        struct script s = {.name = "close row", .target = "/ws", .close = row->reply};
        bytes_frame(&s.in, &f, true);
        run_all_cuts(&s);
        assert_int_equal(closed_with, row->reported);
        script_deinit(&s);
    }
}

/* The reply to the peer's Close is its code and nothing else. */
static void test_close_rows__reply_to_the_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < WS_COUNT(ws_close_rows); i++) {
        const struct ws_close_row *row = &ws_close_rows[i];
        struct bytes want = {NULL, 0};
        if (row->reported != row->reply && row->reply != WS_EMPTY) {
            continue;
        }
        if (row->reported == 1002 || row->reported == 1007) {
            continue; /* our own */
        }
        bytes_close(&want, row->reply);
        ws_live_open(&live, "/ws");
        ws_live_send_frame(&live, 0x88, row->payload, row->len);
        ws_live_turn(&live, 4);
        assert_int_equal(live.client->len - live.client->at, want.len);
        assert_memory_equal(live.client->in + live.client->at, want.ptr, want.len);
        ws_live_vanish(&live);
        free(want.ptr);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_frame_rows__answered_as_listed, start, stop),
        cmocka_unit_test_setup_teardown(test_text_rows__fail_at_the_first_bad_byte, start, stop),
        cmocka_unit_test_setup_teardown(test_close_rows__reply_code_and_reason, start, stop),
        cmocka_unit_test_setup_teardown(test_close_rows__reply_to_the_byte, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

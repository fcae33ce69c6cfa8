/* The chunked decoder on the rows of http_rows.h: whole, byte by byte, and split
 * at each offset; and on random bodies from a seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/http_rows.h"
#include "tests/support/http_feed_internal.h"
#include "tests/support/http_input.h"

/* What is left behind HTTP_CHUNKED_HEAD. */
enum { FIELDS_LEFT = 98, BYTES_LEFT = 65536 - (sizeof HTTP_CHUNKED_HEAD - 1) };

static void feed(const char *data, size_t len, size_t first, size_t step, struct http_body *out)
{
    http_feed_body(data, len, first, step, HTTP_CHUNKED_MAX_BODY, FIELDS_LEFT, BYTES_LEFT, out);
}

/* --- rows --- */

static void check_refused(const struct http_chunked_row *row, const struct http_body *body)
{
    if (body->event != -row->status) {
        fail_msg("%s: event %d, not %d", row->id, body->event, -row->status);
    }
    if (strstr(body->error, row->want) == NULL) {
        fail_msg("%s: refused for \"%s\", not for \"%s\"", row->id, body->error, row->want);
    }
}

/* memcmp(3) may not have the NULL of an empty payload. */
static bool same(const char *text, const char *data, size_t len)
{
    return strlen(text) == len && (len == 0 || memcmp(text, data, len) == 0);
}

static void check_row(const struct http_chunked_row *row, const struct http_body *body, size_t len)
{
    if (body->event < 0 || row->status != 0) {
        check_refused(row, body);
        return;
    }
    if (body->event != GUST__CHUNKED_END || body->taken != len) {
        fail_msg("%s: event %d, %zu bytes taken of %zu", row->id, body->event, body->taken, len);
    }
    if (row->want != NULL && !same(row->want, body->payload, body->payload_len)) {
        fail_msg("%s: payload %.*s", row->id, (int)body->payload_len, body->payload);
    }
    if (row->fields != NULL && strcmp(row->fields, body->trailer) != 0) {
        fail_msg("%s: trailer %s, not %s", row->id, body->trailer, row->fields);
    }
}

static void check_cut(const struct http_chunked_row *row, const char *data, size_t len,
                      size_t first, size_t step, const struct http_body *whole)
{
    struct http_body body;
    feed(data, len, first, step, &body);
    if (!http_body_same(&body, whole) || body.fed != len) {
        fail_msg("%s, cut %zu %zu: event %d at %zu of %zu, whole %d", row->id, first, step,
                 body.event, body.fed, len, whole->event);
    }
    http_body_deinit(&body);
}

static void test_rows__verdict_in_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < HTTP_CHUNKED_ROWS; i++) {
        const struct http_chunked_row *row = &http_chunked_rows[i];
        struct http_body whole;
        size_t len;
        char *data = http_input_make(&row->in, &len);
        feed(data, len, len, 0, &whole);
        check_row(row, &whole, len);
        check_cut(row, data, len, 1, 1, &whole);
        check_cut(row, data, len, len > 1 ? len - 1 : 1, 0, &whole);
        size_t stride = len < 1000 ? 1 : len / 17;
        for (size_t first = 1; first < len; first += stride) {
            check_cut(row, data, len, first, 0, &whole);
        }
        http_body_deinit(&whole);
        free(data);
    }
}

/* --- random bodies --- */

static size_t add_chunk(struct http_random *random, char *to, char *payload, size_t size)
{
    static const char *const extensions[] = {"", ";a", ";a=b;c", ";a=\"b;\\\"c\""};
    char line[64];
    int width = 1 + (int)http_random(random, 6);
    const char *extension = extensions[http_random(random, 4)];
    size_t n = (size_t)snprintf(line, sizeof line, "%0*zx%s\r\n", width, size, extension);
    memcpy(to, line, n);
    for (size_t i = 0; i < size; i++) {
        payload[i] = (char)http_random(random, 256);
    }
    memcpy(to + n, payload, size);
    memcpy(to + n + size, "\r\n", 2);
    return n + size + 2;
}

static void check_random_body(struct http_random *random)
{
    static char data[20000], payload[10000];
    size_t len = 0, payload_len = 0;
    struct http_body body;
    for (uint32_t n = http_random(random, 10); n > 0; n--) {
        size_t size = 1 + http_random(random, 300);
        len += add_chunk(random, data + len, payload + payload_len, size);
        payload_len += size;
    }
    memcpy(data + len, "0\r\n\r\nGET", 8);
    feed(data, len + 8, 1 + http_random(random, 100), 1 + http_random(random, 50), &body);
    assert_int_equal(body.event, GUST__CHUNKED_END);
    assert_int_equal(body.taken, len + 5);
    assert_int_equal(body.payload_len, payload_len);
    if (payload_len > 0) {
        assert_memory_equal(body.payload, payload, payload_len);
    }
    http_body_deinit(&body);
}

static void test_random_bodies__decoded(void **state)
{
    (void)state;
    struct http_random random = {11};
    for (int i = 0; i < 3000; i++) {
        check_random_body(&random);
    }
}

static void check_mutant(struct http_random *random, const struct http_input *in)
{
    size_t len;
    char *data = http_input_make(in, &len);
    size_t mutant_len;
    char *mutant = http_mutate(random, data, len, &mutant_len);
    struct http_body whole, cut;
    if (mutant_len > 0) {
        feed(mutant, mutant_len, mutant_len, 0, &whole);
        feed(mutant, mutant_len, 1 + http_random(random, (uint32_t)mutant_len),
             1 + http_random(random, 9), &cut);
        if (!http_body_same(&whole, &cut)) {
            fail_msg("whole %d, cut %d: %.*s", whole.event, cut.event, (int)mutant_len, mutant);
        }
        http_body_deinit(&whole);
        http_body_deinit(&cut);
    }
    free(mutant);
    free(data);
}

static void test_mutated_rows__same_in_every_cut(void **state)
{
    (void)state;
    struct http_random random = {12};
    for (int i = 0; i < 100000; i++) {
        const struct http_input *in =
            &http_chunked_rows[http_random(&random, HTTP_CHUNKED_ROWS)].in;
        if (in->fills == 0) {
            check_mutant(&random, in);
        }
    }
}

/* --- single rules --- */

static void test_limit__counts_what_is_declared(void **state)
{
    (void)state;
    struct http_body body;
    http_feed_body("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 20, 20, 0, 5, 0, 2, &body);
    assert_int_equal(body.event, GUST__CHUNKED_END);
    http_body_deinit(&body);
    http_feed_body("3\r\nabc\r\n2\r\n", 11, 11, 0, 4, 0, 2, &body);
    assert_int_equal(body.event, -413);
    assert_int_equal(body.payload_len, 3);
    http_body_deinit(&body);
    http_feed_body("7fffffffffffffff\r\nabc", 21, 21, 0, INT64_MAX, 0, 2, &body);
    assert_int_equal(body.event, GUST__CHUNKED_MORE);
    assert_int_equal(body.payload_len, 3);
    http_body_deinit(&body);
    http_feed_body("1\r\na\r\n7fffffffffffffff\r\n", 24, 24, 0, INT64_MAX, 0, 2, &body);
    assert_int_equal(body.event, -413);
    http_body_deinit(&body);
}

static void test_no_room_for_trailers__plain_end_passes(void **state)
{
    (void)state;
    struct http_body body;
    http_feed_body("0\r\n\r\n", 5, 1, 1, 5, 0, 0, &body);
    assert_int_equal(body.event, GUST__CHUNKED_END);
    http_body_deinit(&body);
    http_feed_body("0\r\nA: b\r\n\r\n", 11, 1, 1, 5, 0, 100, &body);
    assert_int_equal(body.event, -431);
    http_body_deinit(&body);
    http_feed_body("0\r\nA: b\r\n\r\n", 11, 1, 1, 5, 1, 0, &body);
    assert_int_equal(body.event, -431);
    http_body_deinit(&body);
}

static void test_verdict__stays(void **state)
{
    (void)state;
    struct gust__chunked c;
    struct gust__http_field fields[1];
    char data[64] = "0\r\n\r\n";
    size_t taken;
    gust_str payload;
    gust__chunked_init(&c, 9, fields, 1, 100);
    assert_int_equal(gust__chunked_feed(&c, data, 0, &taken, &payload), GUST__CHUNKED_MORE);
    assert_int_equal(gust__chunked_feed(&c, data, 5, &taken, &payload), GUST__CHUNKED_END);
    assert_int_equal(taken, 5);
    assert_int_equal(gust__chunked_feed(&c, data, 5, &taken, &payload), GUST__CHUNKED_END);
    assert_int_equal(taken, 0);
    gust__chunked_init(&c, 9, fields, 1, 100);
    data[0] = 'x';
    assert_int_equal(gust__chunked_feed(&c, data, 5, &taken, &payload), -400);
    data[0] = '0';
    assert_int_equal(gust__chunked_feed(&c, data, 5, &taken, &payload), -400);
    assert_int_equal(taken, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows__verdict_in_every_cut),
        cmocka_unit_test(test_random_bodies__decoded),
        cmocka_unit_test(test_mutated_rows__same_in_every_cut),
        cmocka_unit_test(test_limit__counts_what_is_declared),
        cmocka_unit_test(test_no_room_for_trailers__plain_end_passes),
        cmocka_unit_test(test_verdict__stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

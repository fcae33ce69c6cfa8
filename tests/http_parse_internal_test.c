/* The request parser on the rows of http_rows.h: whole, byte by byte and split at
 * each offset, with vectors and without; and on bytes and limits by the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "httpserver/http_scan_internal.h"
#include "tests/http_rows.h"
#include "tests/support/http_feed_internal.h"
#include "tests/support/http_input.h"

/* --- rows --- */

static void check_fields(const struct http_row *row, const struct http_head *h, const char *data)
{
    char *text = http_fields_text(data, h->fields, h->p.host_field == 0, h->p.count);
    const char *want = row->fields;
    /* A row may name the first Host as well. */
    if (strncmp(want, "Host=", 5) == 0) {
        free(text);
        text = http_fields_text(data, h->fields, 0, h->p.count);
    }
    if (strcmp(text, want) != 0) {
        fail_msg("%s: fields are %s, not %s", row->id, text, want);
    }
    free(text);
}

static void check_row(const struct http_row *row, const struct http_head *h, const char *data,
                      size_t len)
{
    if (h->verdict < 0 || row->status != 0) {
        if (h->verdict != -row->status) {
            fail_msg("%s: verdict %td (%s), not %d", row->id, h->verdict,
                     h->verdict < 0 ? h->p.error : "accepted", -row->status);
        }
        if (strstr(h->p.error, row->want) == NULL) {
            fail_msg("%s: refused for \"%s\", not for \"%s\"", row->id, h->p.error, row->want);
        }
        return;
    }
    if (h->verdict != (ptrdiff_t)len) {
        fail_msg("%s: length %td, not %zu", row->id, h->verdict, len);
    }
    char *text = http_head_text(h, data);
    *strchr(text, '\n') = '\0';
    if (row->want != NULL && strcmp(text, row->want) != 0) {
        fail_msg("%s: outcome %s, not %s", row->id, text, row->want);
    }
    free(text);
    if (row->fields != NULL) {
        check_fields(row, h, data);
    }
}

/* The same in another cut; and neither accepted nor refused before the last byte. */
static void check_cut(const struct http_row *row, const struct http_machine *m, const char *data,
                      size_t len, size_t first, size_t step, const struct http_head *whole)
{
    struct http_head h;
    http_feed_head(m, data, len, first, step, &h);
    if (!http_head_same(&h, whole) || h.fed != len) {
        fail_msg("%s, cut %zu %zu: verdict %td (%s) at %zu of %zu, whole %td", row->id, first, step,
                 h.verdict, h.verdict < 0 ? h.p.error : "-", h.fed, len, whole->verdict);
    }
}

static void check_cuts(const struct http_row *row, const struct http_machine *m)
{
    size_t len;
    char *data = http_input_make(&row->in, &len);
    struct http_head whole;
    http_feed_head(m, data, len, len, 0, &whole);
    check_row(row, &whole, data, len);
    check_cut(row, m, data, len, 1, 1, &whole);
    check_cut(row, m, data, len, len > 1 ? len - 1 : 1, 0, &whole);
    /* Every split, but for the few giants. */
    size_t stride = len < 1000 ? 1 : len / 97;
    for (size_t first = 1; first < len; first += stride) {
        check_cut(row, m, data, len, first, 0, &whole);
    }
    free(data);
}

static void test_rows__verdict_in_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < HTTP_ROWS; i++) {
        check_cuts(&http_rows[i], &http_machine);
    }
}

static void test_rows_without_vectors__same(void **state)
{
    (void)state;
    for (size_t i = 0; i < HTTP_ROWS; i++) {
        check_cuts(&http_rows[i], &http_machine_without_vectors);
    }
}

static void test_rows_with_a_host_remembered__same(void **state)
{
    (void)state;
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < HTTP_ROWS; i++) {
            check_cuts(&http_rows[i], &http_machine_with_memory);
        }
    }
}

/* Bytes of the next request do not matter. */
static void test_rows__what_follows_is_left(void **state)
{
    (void)state;
    for (size_t i = 0; i < HTTP_ROWS; i++) {
        size_t len;
        char *data = http_input_make(&http_rows[i].in, &len);
        struct http_head whole, more;
        http_feed_head(&http_machine, data, len, len, 0, &whole);
        data = realloc(data, len + 9);
        assert_non_null(data);
        memcpy(data + len, "\r\nGET x: ", 9);
        http_feed_head(&http_machine, data, len + 9, len + 9, 0, &more);
        if (!http_head_same(&whole, &more)) {
            fail_msg("%s: other verdict with bytes behind", http_rows[i].id);
        }
        free(data);
    }
}

/* --- every byte in every place --- */

#define BYTE "\1" /* stands for the byte in question */

static bool is_tchar(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_target_byte(int c)
{
    return c > 0x20 && c != 0x7f && c != '#';
}

static bool is_value_byte(int c)
{
    return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static bool is_host_byte(int c)
{
    return (is_tchar(c) && strchr("#%^`|", c) == NULL) || (c != 0 && strchr("();=:", c) != NULL);
}

struct place {
    const char *text;
    bool (*belongs)(int c);
};

/* Near and far from where a block of a vector ends. */
static const struct place places[] = {
    {"A" BYTE " / HTTP/1.1\r\nHost: a\r\n\r\n", is_tchar},
    {"ABCDEFGHIJKLMNOPQRS" BYTE " / HTTP/1.1\r\nHost: a\r\n\r\n", is_tchar},
    {"GET /" BYTE " HTTP/1.1\r\nHost: a\r\n\r\n", is_target_byte},
    {"GET /abcdefghijklmno" BYTE "abcdefghij HTTP/1.1\r\nHost: a\r\n\r\n", is_target_byte},
    {"GET /a?b" BYTE " HTTP/1.1\r\nHost: a\r\n\r\n", is_target_byte},
    {"GET /a?abcdefghijklmnop" BYTE "c HTTP/1.1\r\nHost: a\r\n\r\n", is_target_byte},
    {"GET / HTTP/1.1\r\nHost: a\r\nA" BYTE "B: c\r\n\r\n", is_tchar},
    {"GET / HTTP/1.1\r\nHost: a\r\nAbcdefghijklmnopqrstu" BYTE ": c\r\n\r\n", is_tchar},
    {"GET / HTTP/1.1\r\nHost: a\r\nA: b" BYTE "c\r\n\r\n", is_value_byte},
    {"GET / HTTP/1.1\r\nHost: a\r\nA:" BYTE "c\r\n\r\n", is_value_byte},
    {"GET / HTTP/1.1\r\nHost: a\r\nA: abcdefghijklmno" BYTE "abcdefghijklmnopq\r\n\r\n",
     is_value_byte},
    {"GET / HTTP/1.1\r\nHost: 0" BYTE "1\r\n\r\n", is_host_byte},
    {"GET / HTTP/1.1\r\nHost: a.b.c.d.e.f.g.h.i.j" BYTE "1\r\n\r\n", is_host_byte},
};

static bool is_accepted(const struct http_machine *m, const struct place *place, int byte,
                        size_t step)
{
    char data[128];
    struct http_head h;
    size_t len = strlen(place->text);
    memcpy(data, place->text, len);
    *(char *)memchr(data, BYTE[0], len) = (char)byte;
    http_feed_head(m, data, len, step, step, &h);
    return h.verdict > 0;
}

static void check_place(const struct place *place, int byte)
{
    const struct http_machine *machines[] = {&http_machine, &http_machine_without_vectors};
    for (size_t m = 0; m < 2; m++) {
        for (size_t step = 1; step <= 128; step *= 128) {
            /* A colon ends a name, a '?' in a path begins the query. */
            bool want = place->belongs(byte) || (place->belongs == is_tchar && byte == ':' &&
                                                 strchr(place->text, ':') < strchr(place->text, 1));
            if (is_accepted(machines[m], place, byte, step) != want) {
                fail_msg("byte 0x%02x in \"%s\", step %zu: %s", (unsigned)byte, place->text, step,
                         want ? "refused" : "accepted");
            }
        }
    }
}

static void test_each_byte_in_each_place__as_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        for (int byte = 0; byte < 256; byte++) {
            check_place(&places[i], byte);
        }
    }
}

/* --- scans --- */

typedef const char *scan_fn(const char *at, const char *end);

static void check_scan(scan_fn *scan, const char *data, const char *end, int class, char extra)
{
    const char *plain = data;
    while (plain < end && gust__char_is(*plain, class) && *plain != extra) {
        plain++;
    }
    const char *at = data;
    do {
        at = scan(at, end);
        assert_true(at <= (plain < end ? plain : end + 15));
        /* A hint that is none: on behind it. */
    } while (at < plain && at++ != NULL && at < end);
    assert_true(plain == end ? at >= end : at == plain);
}

static void test_scans__stop_where_the_table_says(void **state)
{
    (void)state;
    struct http_random random = {7};
    char data[64 + GUST__HTTP_PADDING];
    for (int round = 0; round < 50000; round++) {
        size_t len = 1 + http_random(&random, 63);
        for (size_t i = 0; i < sizeof data; i++) {
            uint32_t odd = http_random(&random, 24);
            data[i] = (char)(odd == 0 ? http_random(&random, 256) : 'a' + odd);
        }
        check_scan(gust__scan_plain, data, data + len, GUST__CHAR_PLAIN, '\0');
        check_scan(gust__scan_target, data, data + len, GUST__CHAR_TARGET, '?');
        check_scan(gust__scan_value, data, data + len, GUST__CHAR_VALUE, '\0');
    }
}

/* --- limits --- */

struct limits {
    uint16_t fields;
    size_t head;
    size_t line;
};

static ptrdiff_t parse_limited(const char *text, struct limits limits, size_t step)
{
    static struct gust__http_field fields[HTTP_FEED_FIELDS];
    struct gust__http_parser p;
    char data[200] = {0};
    ptrdiff_t verdict = 0;
    size_t len = strlen(text);
    memcpy(data, text, len);
    gust__http_parser_init(&p, fields, limits.fields, limits.head, limits.line);
    for (size_t n = step < len ? step : len; verdict == 0; n += step) {
        verdict = gust__http_parse_request(&p, data, n < len ? n : len);
        if (n >= len) {
            break;
        }
    }
    return verdict;
}

static void check_limited(const char *text, struct limits limits, ptrdiff_t want)
{
    for (size_t step = 1; step <= strlen(text); step++) {
        assert_int_equal(parse_limited(text, limits, step), want);
    }
}

static void test_limits__met_to_the_byte(void **state)
{
    (void)state;
    const char *text = "GET /a HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n"; /* line 15, head 34 */
    check_limited(text, (struct limits){2, 34, 15}, 34);
    check_limited(text, (struct limits){2, 34, 14}, -414);
    check_limited(text, (struct limits){2, 33, 15}, -431);
    check_limited(text, (struct limits){2, 17, 14}, -414);
    check_limited(text, (struct limits){1, 34, 15}, -431);
    check_limited(text, (struct limits){0, 34, 15}, -431);
    check_limited(text, (struct limits){2, 16, 8192}, -431);
    check_limited(text, (struct limits){2, 17, 15}, -431);
}

static void test_limits_that_are_silly__no_harm(void **state)
{
    (void)state;
    const char *text = "\r\nGET / HTTP/1.0\r\n\r\n";
    for (size_t head = 0; head < 20; head++) {
        check_limited(text, (struct limits){0, head, 8192}, -431);
    }
    check_limited(text, (struct limits){0, 20, 0}, -414);
    check_limited(text, (struct limits){0, SIZE_MAX, SIZE_MAX}, 20);
}

static void test_name_of_65536_bytes__431(void **state)
{
    (void)state;
    static struct gust__http_field fields[2];
    const char *line = "GET / HTTP/1.0\r\n";
    struct gust__http_parser p;
    size_t len = 16 + 65535;
    char *data = malloc(len + 100);
    assert_non_null(data);
    memset(data, 'a', len + 100);
    memcpy(data, line, 16);
    memcpy(data + len, ":\r\n\r\n", 5);
    gust__http_parser_init(&p, fields, 2, 1 << 20, 8192);
    assert_int_equal(gust__http_parse_request(&p, data, len + 5), len + 5);
    assert_int_equal(fields[0].name_len, 65535);
    memcpy(data + len, "a:\r\n\r\n", 6);
    for (size_t first = 1; first < len + 6; first += 65530) {
        gust__http_parser_init(&p, fields, 2, 1 << 20, 8192);
        assert_int_equal(gust__http_parse_request(&p, data, first), 0);
        assert_int_equal(gust__http_parse_request(&p, data, len + 6), -431);
    }
    free(data);
}

/* --- calling again --- */

static void test_verdict__stays(void **state)
{
    (void)state;
    static struct gust__http_field fields[2];
    char data[100] = "GET / HTTP/1.0\r\n\r\nGET /";
    struct gust__http_parser p;
    gust__http_parser_init(&p, fields, 2, 65536, 8192);
    assert_false(gust__http_parser_has_begun(&p));
    assert_int_equal(gust__http_parse_request(&p, data, 5), 0);
    assert_true(gust__http_parser_has_begun(&p));
    assert_int_equal(gust__http_parse_request(&p, data, 23), 18);
    assert_int_equal(gust__http_parse_request(&p, data, 23), 18);
    gust__http_parser_init(&p, fields, 2, 65536, 8192);
    assert_int_equal(gust__http_parse_request(&p, "@                                 ", 1), -400);
    const char *error = p.error;
    assert_int_equal(gust__http_parse_request(&p, data, 23), -400);
    assert_ptr_equal(p.error, error);
}

#ifdef GUST_DEBUG
static void test_byte_by_byte__linear_work(void **state)
{
    (void)state;
    for (size_t i = 0; i < HTTP_ROWS; i++) {
        size_t len;
        char *data = http_input_make(&http_rows[i].in, &len);
        struct http_head h;
        http_feed_head(&http_machine, data, len, 1, 1, &h);
        if (h.p.steps > 4 * len + 64) {
            fail_msg("%s: %llu steps for %zu bytes", http_rows[i].id, (unsigned long long)h.p.steps,
                     len);
        }
        free(data);
    }
}
#endif

/* --- answers --- */

static void test_error_responses__exact_bytes(void **state)
{
    (void)state;
    static const int statuses[] = {400, 408, 413, 414, 417, 431, 500, 503, 505};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        char want[128];
        snprintf(want, sizeof want,
                 "HTTP/1.1 %d %.*s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", statuses[i],
                 GUST_FMT(gust_http_reason(statuses[i])));
        gust_str got = gust__http_error_response(statuses[i]);
        assert_int_equal(got.len, strlen(want));
        assert_memory_equal(got.ptr, want, got.len);
    }
    assert_string_equal(gust__http_error_response(400).ptr,
                        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
                        "Content-Length: 0\r\n\r\n");
    assert_string_equal(gust__http_error_response(299).ptr, gust__http_error_response(400).ptr);
}

static void test_reasons__words_of_the_rfc(void **state)
{
    (void)state;
    assert_string_equal(gust_http_reason(200).ptr, "OK");
    assert_string_equal(gust_http_reason(404).ptr, "Not Found");
    assert_string_equal(gust_http_reason(413).ptr, "Content Too Large");
    assert_string_equal(gust_http_reason(418).ptr, "Unknown");
    assert_string_equal(gust_http_reason(-1).ptr, "Unknown");
    for (int status = 0; status < 1000; status++) {
        assert_int_equal(gust_http_reason(status).len, strlen(gust_http_reason(status).ptr));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows__verdict_in_every_cut),
        cmocka_unit_test(test_rows_without_vectors__same),
        cmocka_unit_test(test_rows_with_a_host_remembered__same),
        cmocka_unit_test(test_rows__what_follows_is_left),
        cmocka_unit_test(test_each_byte_in_each_place__as_the_table),
        cmocka_unit_test(test_scans__stop_where_the_table_says),
        cmocka_unit_test(test_limits__met_to_the_byte),
        cmocka_unit_test(test_limits_that_are_silly__no_harm),
        cmocka_unit_test(test_name_of_65536_bytes__431),
        cmocka_unit_test(test_verdict__stays),
#ifdef GUST_DEBUG
        cmocka_unit_test(test_byte_by_byte__linear_work),
#endif
        cmocka_unit_test(test_error_responses__exact_bytes),
        cmocka_unit_test(test_reasons__words_of_the_rfc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

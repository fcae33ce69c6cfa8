/* What the frame parser bounds: lengths, counts, what comes after the end; and
 * the serialiser's headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/ws_peer_internal.h"

/* --- headers --- */

static void test_frame_header__shortest_form(void **state)
{
    static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 65537};
    static const unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};
    unsigned char *want = malloc(14 + 65537);
    uint32_t mask;

    (void)state;
    assert_non_null(want);
    memcpy(&mask, key, 4);
    for (size_t i = 0; i < WS_COUNT(sizes); i++) {
        struct ws_frame f = WS_FILL(0xc2, 'x', 0);
        char got[GUST__WS_HEADER_MAX];
        size_t n;

        f.fills = sizes[i];
        n = gust__ws_frame_header(got, GUST_WEBSOCKET_BINARY, true, true, sizes[i], NULL);
        assert_int_equal(ws_encode(&f, false, want), n + sizes[i]);
        assert_memory_equal(got, want, n);
        n = gust__ws_frame_header(got, GUST_WEBSOCKET_BINARY, true, true, sizes[i], &mask);
        assert_int_equal(ws_encode(&f, true, want), n + sizes[i]);
        assert_memory_equal(got, want, n);
    }
    free(want);
}

static void test_frame_header__opcodes_and_huge_length(void **state)
{
    char out[GUST__WS_HEADER_MAX];

    (void)state;
    assert_int_equal(gust__ws_frame_header(out, GUST_WEBSOCKET_CONTINUATION, false, false, 3, NULL),
                     2);
    assert_memory_equal(out, "\x00\x03", 2);
    assert_int_equal(gust__ws_frame_header(out, GUST_WEBSOCKET_PONG, true, false, 0, NULL), 2);
    assert_memory_equal(out, "\x8a\x00", 2);
    assert_int_equal(
        gust__ws_frame_header(out, GUST_WEBSOCKET_TEXT, false, false, 0x0123456789abcdef, NULL),
        10);
    assert_memory_equal(out, "\x01\x7f\x01\x23\x45\x67\x89\xab\xcd\xef", 10);
}

/* --- lengths against limits --- */

/* What the rules say of a length in a form, written as they are. */
static unsigned verdict(uint64_t len, size_t extra, uint64_t limit)
{
    if (extra == 8 && len >= UINT64_C(1) << 63) {
        return 1002;
    }
    if ((extra == 8 && len < 65536) || (extra == 2 && len < 126)) {
        return 1002;
    }
    return len > limit ? 1009 : 0;
}

static size_t put_header(unsigned char *out, size_t extra, uint64_t len)
{
    out[0] = 0x82;
    out[1] = (unsigned char)(extra == 8 ? 127 : extra == 2 ? 126 : len);
    for (size_t i = 0; i < extra; i++) {
        out[2 + i] = (unsigned char)(len >> (8 * (extra - 1 - i)) & 0xff);
    }
    return 2 + extra;
}

static void check_length(uint64_t len, size_t extra, uint64_t limit)
{
    struct gust__ws_limits limits = gust__ws_default_limits;
    unsigned char header[GUST__WS_HEADER_MAX];
    size_t size = put_header(header, extra, len);

    limits.max_message_size = limit;
    for (size_t step = 1; step <= size; step++) {
        struct ws_bytes in = {header, size, size};
        struct ws_peer p;
        ws_peer_init(&p, GUST__WS_CLIENT, &limits);
        ws_peer_feed_cut(&p, &in, step, step);
        assert_int_equal(p.failed_with, verdict(len, extra, limit));
        assert_null(p.assembler); /* nothing is allocated for what is only announced */
        ws_peer_deinit(&p);
    }
}

static void test_lengths__against_limits(void **state)
{
    static const uint64_t lens[] = {0,
                                    1,
                                    125,
                                    126,
                                    127,
                                    128,
                                    65535,
                                    65536,
                                    0x7fffffff,
                                    0x80000000,
                                    0x80000001,
                                    0xffffffff,
                                    0x100000000,
                                    0x100000001,
                                    0x7fffffffffffffff,
                                    0x8000000000000000,
                                    0xffffffffffffffff};

    (void)state;
    for (size_t i = 0; i < WS_COUNT(lens); i++) {
        uint64_t len = lens[i];
        uint64_t limits[] = {0, 1, len - 1, len, len + 1, UINT64_MAX};
        for (size_t j = 0; j < WS_COUNT(limits); j++) {
            if (len < 126) {
                check_length(len, 0, limits[j]);
            }
            if (len <= 0xffff) {
                check_length(len, 2, limits[j]);
            }
            check_length(len, 8, limits[j]);
        }
    }
}

/* Two announced lengths whose sum wraps around. */
static void test_lengths__sum_beyond_64_bits(void **state)
{
    struct gust__ws_limits limits = gust__ws_default_limits;
    struct gust__ws_parser parser;
    struct gust__ws_event ev;
    char bytes[] = "\x02\x01x\x80\x7f\x7f\xff\xff\xff\xff\xff\xff\xff";
    size_t n;

    (void)state;
    limits.max_message_size = UINT64_C(0x7fffffffffffffff);
    gust__ws_parser_init(&parser, GUST__WS_CLIENT);
    n = gust__ws_parse(&parser, &limits, bytes, 13, &ev);
    assert_int_equal(n, 3);
    assert_int_equal(ev.kind, GUST__WS_DATA);
    assert_int_equal(gust__ws_parse(&parser, &limits, bytes + 3, 10, &ev), 10);
    assert_int_equal(ev.kind, GUST__WS_FAIL);
    assert_int_equal(ev.code, 1009);
}

/* --- counts --- */

static void test_fragments__limit(void **state)
{
    struct ws_peer p;

    (void)state;
    ws_peer_init(&p, GUST__WS_CLIENT, &gust__ws_default_limits);
    for (int message = 0; message < 2; message++) { /* the count begins anew */
        assert_int_equal(ws_peer_feed_many(&p, "\x02\x01x", 3, 1), 0);
        assert_int_equal(ws_peer_feed_many(&p, "\x00\x01x", 3, 131072 - 2), 0);
        assert_int_equal(ws_peer_feed_many(&p, "\x80\x01x", 3, 1), 0);
    }
    assert_int_equal(ws_peer_feed_many(&p, "\x02\x01x", 3, 1), 0);
    assert_int_equal(ws_peer_feed_many(&p, "\x00\x01x", 3, 131072 - 1), 0);
    assert_int_equal(ws_peer_feed_many(&p, "\x80\x01x", 3, 1), 1008);
    ws_peer_deinit(&p);
}

static void test_empty_fragments__limit(void **state)
{
    struct ws_peer p;

    (void)state;
    ws_peer_init(&p, GUST__WS_CLIENT, &gust__ws_default_limits);
    assert_int_equal(ws_peer_feed_many(&p, "\x82\x00", 2, 2000), 0); /* messages are no fragments */
    assert_int_equal(ws_peer_feed_many(&p, "\x02\x00", 2, 1), 0);
    assert_int_equal(ws_peer_feed_many(&p, "\x00\x00", 2, 1022), 0);
    assert_int_equal(ws_peer_feed_many(&p, "\x80\x00", 2, 1), 0);
    assert_int_equal(ws_peer_feed_many(&p, "\x02\x00", 2, 1), 0);
    assert_int_equal(ws_peer_feed_many(&p, "\x00\x00", 2, 1023), 0);
    assert_null(p.assembler);
    assert_int_equal(ws_peer_feed_many(&p, "\x00\x00", 2, 1), 1008);
    ws_peer_deinit(&p);
}

/* A length of which only zeros are there yet is not a zero length. */
static void test_empty_fragments__length_that_is_not_all_there(void **state)
{
    struct ws_peer p;

    (void)state;
    ws_peer_init(&p, GUST__WS_CLIENT, &gust__ws_default_limits);
    assert_int_equal(ws_peer_feed_many(&p, "\x02\x00", 2, 1), 0);
    assert_int_equal(ws_peer_feed_many(&p, "\x00\x00", 2, 1023), 0);
    assert_int_equal(ws_peer_feed_many(&p, "\x00\x7e", 2, 1), 0);
    assert_int_equal(ws_peer_feed_many(&p, "\x00", 1, 1), 0);
    assert_int_equal(ws_peer_feed_many(&p, "\x80", 1, 1), 0);
    ws_peer_feed(&p, (const unsigned char *)"abc", 3);
    assert_int_equal(p.parser.remaining, 125);
    ws_peer_deinit(&p);
}

static void test_control_frames__limit_inside_a_message(void **state)
{
    struct ws_peer p;

    (void)state;
    ws_peer_init(&p, GUST__WS_CLIENT, &gust__ws_default_limits);
    assert_int_equal(ws_peer_feed_many(&p, "\x8a\x00", 2, 3000), 0); /* none is open */
    assert_int_equal(ws_peer_feed_many(&p, "\x02\x01x", 3, 1), 0);
    assert_int_equal(ws_peer_feed_many(&p, "\x8a\x00", 2, 1000), 0);
    assert_int_equal(ws_peer_feed_many(&p, "\x80\x01x", 3, 1), 0);
    assert_int_equal(ws_peer_feed_many(&p, "\x02\x01x", 3, 1), 0);
    assert_int_equal(ws_peer_feed_many(&p, "\x8a\x00", 2, 1000), 0);
    assert_int_equal(ws_peer_feed_many(&p, "\x8a\x00", 2, 1), 1008);
    ws_peer_deinit(&p);
}

static void test_counters__stay_at_their_end(void **state)
{
    static const struct gust__ws_limits none = {UINT64_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    struct gust__ws_parser parser;
    struct gust__ws_event ev;
    char frame[2];

    (void)state;
    gust__ws_parser_init(&parser, GUST__WS_CLIENT);
    for (size_t i = 0; i < 0x1000000 + 10; i++) {
        memcpy(frame, i == 0 ? "\x02\x00" : "\x00\x00", 2);
        assert_int_equal(gust__ws_parse(&parser, &none, frame, 2, &ev), 2);
        assert_int_equal(ev.kind, GUST__WS_DATA);
    }
    assert_int_equal(parser.fragments, 0xffffff);
    assert_int_equal(parser.empty_fragments, 0xffff);
    for (size_t i = 0; i < 70000; i++) {
        memcpy(frame, "\x8a\x00", 2);
        assert_int_equal(gust__ws_parse(&parser, &none, frame, 2, &ev), 2);
        assert_int_equal(ev.kind, GUST__WS_CONTROL);
    }
    assert_int_equal(parser.controls, 0xffff);
}

/* --- permessage-deflate's place --- */

static void test_deflate__rsv1_marks_a_message(void **state)
{
    static const char in[] = "\x41\x02\xff\xfe\x89\x00\x80\x01\xfd\x81\x01z";
    struct ws_bytes bytes = {0};
    struct ws_peer p;

    (void)state;
    ws_bytes_add(&bytes, in, sizeof(in) - 1);
    for (size_t step = 1; step <= bytes.len; step++) {
        ws_peer_init(&p, GUST__WS_CLIENT, &gust__ws_default_limits);
        p.parser.deflate = 1;
        ws_peer_feed_cut(&p, &bytes, step, step);
        ws_bytes_add(&p.log, "", 1);
        assert_string_equal((char *)p.log.ptr,
                            "\ntext compressed[\xff\xfe]\ncontrol 9 0 [\xfd]\ntext[z]");
        ws_peer_deinit(&p);
    }
    free(bytes.ptr);
}

static void test_deflate__rsv1_elsewhere_fails(void **state)
{
    static const char *const frames[] = {"\xc0\x00", "\xc8\x00", "\xc9\x00", "\xca\x00",
                                         "\xc3\x00"};
    struct ws_peer p;

    (void)state;
    for (size_t i = 0; i < WS_COUNT(frames); i++) {
        ws_peer_init(&p, GUST__WS_CLIENT, &gust__ws_default_limits);
        p.parser.deflate = 1;
        assert_int_equal(ws_peer_feed_many(&p, "\x41\x01x", 3, 1), 0);
        assert_int_equal(ws_peer_feed_many(&p, frames[i], 2, 1), 1002);
        ws_peer_deinit(&p);
    }
}

static void test_deflate__wire_limit_has_some_slack(void **state)
{
    struct gust__ws_limits limits = gust__ws_default_limits;
    struct ws_peer p;

    (void)state;
    limits.max_message_size = 1024;
    for (int over = 0; over <= 1; over++) {
        unsigned len = 1024 + 1 + 64 + (unsigned)over;
        unsigned char header[4] = {0xc2, 126, (unsigned char)(len >> 8),
                                   (unsigned char)(len & 0xff)};
        ws_peer_init(&p, GUST__WS_CLIENT, &limits);
        p.parser.deflate = 1;
        ws_peer_feed(&p, header, 4);
        assert_int_equal(p.failed_with, over ? 1009 : 0);
        ws_peer_deinit(&p);
    }
}

/* --- after the end --- */

static void test_parser__takes_and_ignores_all_after_the_end(void **state)
{
    static const char *const ends[] = {"\x88\x00", "\x83\x00"};
    struct gust__ws_parser parser;
    struct gust__ws_event ev;
    char bytes[] = "\x82\x01x";

    (void)state;
    for (size_t i = 0; i < WS_COUNT(ends); i++) {
        char end[2];
        memcpy(end, ends[i], 2);
        gust__ws_parser_init(&parser, GUST__WS_CLIENT);
        assert_int_equal(gust__ws_parse(&parser, &gust__ws_default_limits, end, 2, &ev), 2);
        assert_int_not_equal(ev.kind, GUST__WS_NEED_MORE);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(gust__ws_parse(&parser, &gust__ws_default_limits, bytes, 3, &ev), 3);
            assert_int_equal(ev.kind, GUST__WS_NEED_MORE);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame_header__shortest_form),
        cmocka_unit_test(test_frame_header__opcodes_and_huge_length),
        cmocka_unit_test(test_lengths__against_limits),
        cmocka_unit_test(test_lengths__sum_beyond_64_bits),
        cmocka_unit_test(test_fragments__limit),
        cmocka_unit_test(test_empty_fragments__limit),
        cmocka_unit_test(test_empty_fragments__length_that_is_not_all_there),
        cmocka_unit_test(test_control_frames__limit_inside_a_message),
        cmocka_unit_test(test_counters__stay_at_their_end),
        cmocka_unit_test(test_deflate__rsv1_marks_a_message),
        cmocka_unit_test(test_deflate__rsv1_elsewhere_fails),
        cmocka_unit_test(test_deflate__wire_limit_has_some_slack),
        cmocka_unit_test(test_parser__takes_and_ignores_all_after_the_end),
    };
    return cmocka_run_group_tests_name("frame limits", tests, NULL, NULL);
}

/* The assembler of messages: what is copied, what is allocated, what happens when
 * that fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <gust/errors.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/ws_peer_internal.h"

static int setup_count(void **state)
{
    (void)state;
    alloc_count_begin();
    return 0;
}

static int teardown_count(void **state)
{
    (void)state;
    alloc_count_end(); /* fails where a block is left */
    return 0;
}

static void test_assembler__one_piece_is_not_copied(void **state)
{
    enum {
        ALL = GUST__WS_MESSAGE_START | GUST__WS_FRAME_START | GUST__WS_FRAME_END |
              GUST__WS_MESSAGE_END
    };
    char in[] = "\x82\x05hello\x82\x03yes";
    struct gust__ws_parser parser;
    struct gust__ws_event ev;
    gust__ws_assembler *assembler = NULL;
    gust_str message;

    (void)state;
    gust__ws_parser_init(&parser, GUST__WS_CLIENT);
    assert_int_equal(gust__ws_parse(&parser, &gust__ws_default_limits, in, 12, &ev), 7);
    assert_int_equal(ev.flags, ALL);
    assert_int_equal(gust__ws_assemble(&assembler, &ev, &message), 1);
    assert_ptr_equal(message.ptr, in + 2);
    assert_int_equal(message.len, 5);
    gust__ws_assembler_trim(&assembler);
    assert_null(assembler);
    assert_int_equal(alloc_count_calls(), 0);
}

/* A header that comes by itself, and then all of the payload in one piece. */
static void test_assembler__payload_after_its_header_is_not_copied(void **state)
{
    struct gust__ws_event header = {.flags = GUST__WS_MESSAGE_START | GUST__WS_FRAME_START,
                                    .frame_left = 5};
    struct gust__ws_event payload = {.flags = GUST__WS_FRAME_END | GUST__WS_MESSAGE_END,
                                     .data = GUST_STR("hello")};
    gust__ws_assembler *assembler = NULL;
    gust_str message;

    (void)state;
    assert_int_equal(gust__ws_assemble(&assembler, &header, &message), 0);
    assert_int_equal(gust__ws_assemble(&assembler, &payload, &message), 1);
    assert_ptr_equal(message.ptr, payload.data.ptr);
    assert_int_equal(alloc_count_calls(), 0);
}

/* Autobahn 9.3.1 in small steps: 65,536 fragments of 64 bytes. What is moved
 * while growing stays under twice the payload, in a few dozen steps. */
static void test_assembler__amortised_over_65536_fragments(void **state)
{
    enum { COUNT = 65536, SIZE = 64 };
    struct gust__ws_event ev = {.kind = GUST__WS_DATA, .opcode = GUST_WEBSOCKET_BINARY};
    gust__ws_assembler *assembler = NULL;
    size_t moved = 0, before = 0, calls = 0;
    char piece[SIZE];
    gust_str message = {0};

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        unsigned ends = i == 0 ? GUST__WS_MESSAGE_START : i == COUNT - 1 ? GUST__WS_MESSAGE_END : 0;
        memset(piece, (int)(i % 251), SIZE);
        ev.data = gust_str_make(piece, SIZE);
        ev.flags = (uint8_t)(GUST__WS_FRAME_START | GUST__WS_FRAME_END | ends);
        assert_int_equal(gust__ws_assemble(&assembler, &ev, &message), i == COUNT - 1);
        moved += alloc_count_calls() > calls ? before : 0;
        calls = alloc_count_calls();
        before = alloc_count_live_bytes();
        assert_true(before <= 2 * (i + 1) * SIZE + 64 * 1024);
    }
    assert_int_equal(message.len, (size_t)COUNT * SIZE);
    for (size_t i = 0; i < message.len; i += 977) {
        assert_int_equal((unsigned char)message.ptr[i], i / SIZE % 251);
    }
    assert_true(calls <= 32);
    assert_true(moved <= 2 * message.len);
    gust__ws_assembler_trim(&assembler);
    assert_null(assembler);
}

/* 131,072 fragments of a byte hold at most twice that, and 64 KiB. */
static void test_assembler__one_byte_fragments_pin_little(void **state)
{
    struct ws_peer p;

    (void)state;
    ws_peer_init(&p, GUST__WS_CLIENT, &gust__ws_default_limits);
    assert_int_equal(ws_peer_feed_many(&p, "\x02\x01x", 3, 1), 0);
    assert_int_equal(ws_peer_feed_many(&p, "\x00\x01x", 3, 131071), 0);
    assert_true(alloc_count_live_bytes() <= 2 * 131072 + 64 * 1024);
    assert_int_equal(ws_peer_feed_many(&p, "\x00\x01x", 3, 1), 1008);
    ws_peer_deinit(&p);
}

static void test_assembler__announced_length_is_not_believed(void **state)
{
    struct gust__ws_event ev = {.kind = GUST__WS_DATA,
                                .flags = GUST__WS_MESSAGE_START | GUST__WS_FRAME_START,
                                .frame_left = UINT64_C(1) << 62};
    gust__ws_assembler *assembler = NULL;
    gust_str message;

    (void)state;
    assert_int_equal(gust__ws_assemble(&assembler, &ev, &message), 0);
    assert_null(assembler); /* a header alone costs nothing */
    ev.flags = 0;
    ev.data = GUST_STR("0123456789");
    assert_int_equal(gust__ws_assemble(&assembler, &ev, &message), 0);
    assert_true(alloc_count_live_bytes() <= 64 * 1024 + 64);
    gust__ws_assembler_free(&assembler);
    assert_int_equal(alloc_count_live(), 0);
    gust__ws_assembler_free(&assembler);
}

static void test_assembler__small_room_is_kept_for_the_next(void **state)
{
    struct gust__ws_event start = {.flags = GUST__WS_MESSAGE_START, .data = GUST_STR("abc")};
    struct gust__ws_event end = {.flags = GUST__WS_MESSAGE_END, .data = GUST_STR("def")};
    gust__ws_assembler *assembler = NULL;
    gust_str message;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(gust__ws_assemble(&assembler, &start, &message), 0);
        assert_int_equal(gust__ws_assemble(&assembler, &end, &message), 1);
        assert_true(gust_str_eq(message, GUST_STR("abcdef")));
        if (i < 1) {
            gust__ws_assembler_trim(&assembler); /* without it the next start empties it too */
        }
        assert_int_equal(alloc_count_calls(), 1);
    }
    gust__ws_assembler_free(&assembler);
}

/* The room that is kept is bounded: 4 KiB stay, one byte more does not. */
static void test_assembler__larger_room_is_given_back(void **state)
{
    static char bytes[4097];

    (void)state;
    for (size_t len = 4096; len <= 4097; len++) {
        struct gust__ws_event ev = {.flags = GUST__WS_MESSAGE_START,
                                    .data = gust_str_make(bytes, len)};
        gust__ws_assembler *assembler = NULL;
        gust_str message;
        assert_int_equal(gust__ws_assemble(&assembler, &ev, &message), 0);
        gust__ws_assembler_trim(&assembler);
        assert_int_equal(assembler != NULL, len == 4096);
        gust__ws_assembler_free(&assembler);
    }
}

/* A conversation in which messages are assembled in several sizes. */
static int converse(void *user)
{
    static const struct ws_frame frames[] = {
        WS_FILL(0x02, 'a', 100),  WS_FILL(0x00, 'b', 1000),   WS_PING("between"),
        WS_FILL(0x80, 'c', 9000), WS_FILL(0x82, 'd', 200000), WS_TEXT("short"),
    };
    struct ws_bytes in = {0};
    struct ws_peer p;
    int error;

    for (size_t i = 0; i < WS_COUNT(frames); i++) {
        ws_bytes_add_frame(&in, &frames[i], true);
    }
    ws_peer_init(&p, GUST__WS_SERVER, &gust__ws_default_limits);
    for (size_t at = 0; at < in.len && p.error == 0; at += 1500) {
        ws_peer_feed(&p, in.ptr + at, in.len - at < 1500 ? in.len - at : 1500);
    }
    error = p.error;
    *(size_t *)user = p.out.len;
    ws_peer_deinit(&p);
    free(in.ptr);
    return error;
}

static void test_assembler__each_allocation_failing(void **state)
{
    size_t answers;

    (void)state;
    alloc_sweep(converse, &answers);
}

/* A failure is told, and leaves a connection that can be taken down. */
static void test_assembler__failure_is_told(void **state)
{
    size_t answers, all;

    (void)state;
    assert_int_equal(converse(&all), 0);
    for (size_t n = 1; n <= 3; n++) {
        alloc_count_fail_at(n, false);
        assert_int_equal(converse(&answers), -ENOMEM);
        assert_true(answers < all);
        assert_int_equal(alloc_count_live(), 0);
    }
    alloc_count_fail_at(0, false);
    assert_int_equal(converse(&answers), 0);
    assert_int_equal(answers, all);
}

#define COUNTED(test) cmocka_unit_test_setup_teardown(test, setup_count, teardown_count)

int main(void)
{
    const struct CMUnitTest tests[] = {
        COUNTED(test_assembler__one_piece_is_not_copied),
        COUNTED(test_assembler__payload_after_its_header_is_not_copied),
        COUNTED(test_assembler__amortised_over_65536_fragments),
        COUNTED(test_assembler__one_byte_fragments_pin_little),
        COUNTED(test_assembler__announced_length_is_not_believed),
        COUNTED(test_assembler__small_room_is_kept_for_the_next),
        COUNTED(test_assembler__larger_room_is_given_back),
        cmocka_unit_test(test_assembler__each_allocation_failing),
        COUNTED(test_assembler__failure_is_told),
    };
    return cmocka_run_group_tests_name("assembler", tests, NULL, NULL);
}

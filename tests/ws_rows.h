/* What a WebSocket peer may send and what an echo peer has to answer, as data.
 *
 * The tables are the rows of the frame rules (RFC 6455 5), of the close rules
 * (7.4) and the cases of Autobahn's groups 1 to 7. They say nothing of how the
 * bytes travel: the codec's test feeds them to the parser, a live test can write
 * them to a socket. A row that does not fail ends with the sender's Close 1000
 * and wants it back, see ws_row_ending().
 *
 * The encoder here is a second one on purpose, plain and slow, so that the
 * library's own is checked against it. */
#ifndef GUST_TESTS_WS_ROWS_H
#define GUST_TESTS_WS_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { WS_STILL_OPEN = 0, WS_EMPTY = 1005, WS_FRAMES_MAX = 11 };

/* How a frame is put together. */
enum ws_how {
    WS_PLAIN,      /* shortest length, masked as the receiver's role asks */
    WS_WRONG_MASK, /* masked where it must not be, or the other way round */
    WS_HEADER      /* `text` is byte 0, byte 1 and the length bytes, without mask bit;
                      the mask is added; the payload is the fill */
};

/* One frame; the payload is `text`, then `fills` times `fill`. The list ends at
 * a frame without text. */
struct ws_frame {
    unsigned first; /* FIN, RSV, opcode */
    const char *text;
    size_t text_len;
    unsigned char fill;
    size_t fills;
    enum ws_how how;
};

#define WS_F(first, text)                                                                          \
    {                                                                                              \
        (first), "" text, sizeof(text) - 1, 0, 0, WS_PLAIN                                         \
    }
#define WS_FILL(first, byte, count)                                                                \
    {                                                                                              \
        (first), "", 0, (byte), (count), WS_PLAIN                                                  \
    }
#define WS_JOIN(first, text, byte, count)                                                          \
    {                                                                                              \
        (first), text, sizeof(text) - 1, (byte), (count), WS_PLAIN                                 \
    }
#define WS_BAD_MASK(first, text)                                                                   \
    {                                                                                              \
        (first), "" text, sizeof(text) - 1, 0, 0, WS_WRONG_MASK                                    \
    }
#define WS_RAW(bytes)                                                                              \
    {                                                                                              \
        0, bytes, sizeof(bytes) - 1, 0, 0, WS_HEADER                                               \
    }
#define WS_RAW_FILL(bytes, byte, count)                                                            \
    {                                                                                              \
        0, bytes, sizeof(bytes) - 1, (byte), (count), WS_HEADER                                    \
    }
#define WS_TEXT(text) WS_F(0x81, text)
#define WS_BYTES(text) WS_F(0x82, text)
#define WS_PING(text) WS_F(0x89, text)
#define WS_PONG(text) WS_F(0x8a, text)
#define WS_CLOSE(text) WS_F(0x88, text)

struct ws_row {
    const char *name;
    struct ws_frame send[WS_FRAMES_MAX + 1];
    struct ws_frame expect[WS_FRAMES_MAX + 1];
    unsigned close;     /* the echo peer's Close: its code, WS_EMPTY without one,
                           WS_STILL_OPEN where none may come */
    size_t fail_at;     /* bytes of the last frame sent that are needed to fail, where
                           that has to be exact; else 0 */
    size_t max_message; /* the limit for this row; 0 is the default of 10 MiB */
};

static const struct ws_row ws_rows[] = {
    /* --- the frame rules, in their order --- */
    {"rule 1: RSV2", {WS_F(0xa1, "a")}, {{0}}, 1002, 1, 0},
    {"rule 1: RSV3", {WS_F(0x91, "a")}, {{0}}, 1002, 1, 0},
    {"rule 1: RSV3 on a ping", {WS_F(0x99, "a")}, {{0}}, 1002, 1, 0},
    {"rule 2: RSV1 on text", {WS_F(0xc1, "a")}, {{0}}, 1002, 1, 0},
    {"rule 2: RSV1 on binary", {WS_F(0xc2, "a")}, {{0}}, 1002, 1, 0},
    {"rule 2: RSV1 on a continuation", {WS_F(0x01, "a"), WS_F(0xc0, "b")}, {{0}}, 1002, 1, 0},
    {"rule 2: RSV1 on a ping", {WS_F(0xc9, "a")}, {{0}}, 1002, 1, 0},
    {"rule 2: RSV1 on a Close", {WS_F(0xc8, "")}, {{0}}, 1002, 1, 0},
    {"rule 3: opcode 3", {WS_F(0x83, "")}, {{0}}, 1002, 1, 0},
    {"rule 3: opcode 7 without FIN", {WS_F(0x07, "")}, {{0}}, 1002, 1, 0},
    {"rule 3: opcode 11", {WS_F(0x8b, "")}, {{0}}, 1002, 1, 0},
    {"rule 3: opcode 15", {WS_F(0x8f, "")}, {{0}}, 1002, 1, 0},
    {"rule 4: ping without FIN", {WS_F(0x09, "a")}, {{0}}, 1002, 1, 0},
    {"rule 4: pong without FIN", {WS_F(0x0a, "a")}, {{0}}, 1002, 1, 0},
    {"rule 4: Close without FIN", {WS_F(0x08, "")}, {{0}}, 1002, 1, 0},
    {"rule 5: ping of 126", {WS_FILL(0x89, 'a', 126)}, {{0}}, 1002, 2, 0},
    {"rule 5: pong of 65536", {WS_FILL(0x8a, 'a', 65536)}, {{0}}, 1002, 2, 0},
    {"rule 5: Close of 126", {WS_JOIN(0x88, "\x03\xe8", 'a', 124)}, {{0}}, 1002, 2, 0},
    {"rule 6: wrong mask on text", {WS_BAD_MASK(0x81, "abcd")}, {{0}}, 1002, 2, 0},
    {"rule 6: wrong mask on empty text", {WS_BAD_MASK(0x81, "")}, {{0}}, 1002, 2, 0},
    {"rule 6: wrong mask on a ping", {WS_BAD_MASK(0x89, "a")}, {{0}}, 1002, 2, 0},
    {"rule 6: wrong mask on a Close", {WS_BAD_MASK(0x88, "\x03\xe8")}, {{0}}, 1002, 2, 0},
    {"rule 7: continuation of nothing", {WS_F(0x80, "a")}, {{0}}, 1002, 1, 0},
    {"rule 7: and after a whole message",
     {WS_TEXT("a"), WS_F(0x80, "b")},
     {WS_TEXT("a")},
     1002,
     1,
     0},
    {"rule 7: text inside text", {WS_F(0x01, "a"), WS_F(0x81, "b")}, {{0}}, 1002, 1, 0},
    {"rule 7: binary inside text", {WS_F(0x01, "a"), WS_F(0x02, "b")}, {{0}}, 1002, 1, 0},
    {"rule 8: 0 in 16 bits", {WS_RAW("\x82\x7e\0\0")}, {{0}}, 1002, 4, 0},
    {"rule 8: 125 in 16 bits", {WS_RAW_FILL("\x82\x7e\0\x7d", 'a', 125)}, {{0}}, 1002, 4, 0},
    {"rule 8: 126 in 16 bits is right",
     {WS_RAW_FILL("\x82\x7e\0\x7e", 'a', 126)},
     {WS_FILL(0x82, 'a', 126)},
     0,
     0,
     0},
    {"rule 8: 65535 in 16 bits is right",
     {WS_RAW_FILL("\x82\x7e\xff\xff", 'a', 65535)},
     {WS_FILL(0x82, 'a', 65535)},
     0,
     0,
     0},
    {"rule 8: 5 in 64 bits",
     {WS_RAW_FILL("\x82\x7f\0\0\0\0\0\0\0\x05", 'a', 5)},
     {{0}},
     1002,
     8,
     0},
    {"rule 8: 65535 in 64 bits", {WS_RAW("\x82\x7f\0\0\0\0\0\0\xff\xff")}, {{0}}, 1002, 8, 0},
    {"rule 8: 65536 in 64 bits is right",
     {WS_RAW_FILL("\x82\x7f\0\0\0\0\0\x01\0\0", 'a', 65536)},
     {WS_FILL(0x82, 'a', 65536)},
     0,
     0,
     0},
    {"rule 8: 2^63", {WS_RAW("\x82\x7f\x80\0\0\0\0\0\0\0")}, {{0}}, 1002, 3, 0},
    {"rule 8: 2^64 - 1", {WS_RAW("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff")}, {{0}}, 1002, 3, 0},
    {"rule 9: 2^63 - 1", {WS_RAW("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff")}, {{0}}, 1009, 3, 0},
    {"rule 9: at the limit", {WS_FILL(0x81, 'a', 1024)}, {WS_FILL(0x81, 'a', 1024)}, 0, 0, 1024},
    {"rule 9: over the limit", {WS_FILL(0x81, 'a', 1025)}, {{0}}, 1009, 4, 1024},
    {"rule 9: far over, from its first length byte",
     {WS_FILL(0x81, 'a', 2048)},
     {{0}},
     1009,
     3,
     1024},
    {"rule 9: fragments at the limit",
     {WS_FILL(0x02, 'a', 1000), WS_FILL(0x80, 'a', 24)},
     {WS_FILL(0x82, 'a', 1024)},
     0,
     0,
     1024},
    {"rule 9: fragments over the limit",
     {WS_FILL(0x02, 'a', 1000), WS_FILL(0x00, 'a', 25)},
     {{0}},
     1009,
     2,
     1024},
    {"rule 9: control frames don't count",
     {WS_FILL(0x02, 'a', 1000), WS_PING("hi"), WS_FILL(0x80, 'a', 24)},
     {WS_PONG("hi"), WS_FILL(0x82, 'a', 1024)},
     0,
     0,
     1024},
    {"rule 12: nothing after a Close",
     {WS_CLOSE("\x03\xe8"), WS_TEXT("late"), WS_F(0xff, "bad")},
     {{0}},
     1000,
     0,
     0},
    {"rule 13: ping between fragments",
     {WS_F(0x02, "ab"), WS_PING("?"), WS_F(0x80, "cd")},
     {WS_PONG("?"), WS_BYTES("abcd")},
     0,
     0,
     0},
    {"rule 15: a code point over three frames",
     {WS_F(0x01, "\xe2"), WS_F(0x00, "\x82"), WS_PING(""), WS_F(0x80, "\xac")},
     {WS_PONG(""), WS_TEXT("\xe2\x82\xac")},
     0,
     0,
     0},
    {"rule 16: empty messages", {WS_TEXT(""), WS_BYTES("")}, {WS_TEXT(""), WS_BYTES("")}, 0, 0, 0},
    {"rule 16: text ends inside a character", {WS_TEXT("a\xe2\x82")}, {{0}}, 1007, 0, 0},
    {"rule 16: so does its empty last fragment",
     {WS_F(0x01, "\xe2\x82"), WS_F(0x80, "")},
     {{0}},
     1007,
     0,
     0},
    {"rule 16: the next text starts afresh",
     {WS_F(0x02, "\xe2"), WS_F(0x80, ""), WS_TEXT("a")},
     {WS_BYTES("\xe2"), WS_TEXT("a")},
     0,
     0,
     0},

    /* --- Autobahn 1: framing --- */
    {"1.1.1", {WS_TEXT("")}, {WS_TEXT("")}, 0, 0, 0},
    {"1.1.2", {WS_FILL(0x81, '*', 125)}, {WS_FILL(0x81, '*', 125)}, 0, 0, 0},
    {"1.1.3", {WS_FILL(0x81, '*', 126)}, {WS_FILL(0x81, '*', 126)}, 0, 0, 0},
    {"1.1.4", {WS_FILL(0x81, '*', 127)}, {WS_FILL(0x81, '*', 127)}, 0, 0, 0},
    {"1.1.5", {WS_FILL(0x81, '*', 128)}, {WS_FILL(0x81, '*', 128)}, 0, 0, 0},
    {"1.1.6", {WS_FILL(0x81, '*', 65535)}, {WS_FILL(0x81, '*', 65535)}, 0, 0, 0},
    {"1.1.7, 1.1.8", {WS_FILL(0x81, '*', 65536)}, {WS_FILL(0x81, '*', 65536)}, 0, 0, 0},
    {"1.2.1", {WS_BYTES("")}, {WS_BYTES("")}, 0, 0, 0},
    {"1.2.2", {WS_FILL(0x82, 0xfe, 125)}, {WS_FILL(0x82, 0xfe, 125)}, 0, 0, 0},
    {"1.2.3", {WS_FILL(0x82, 0xfe, 126)}, {WS_FILL(0x82, 0xfe, 126)}, 0, 0, 0},
    {"1.2.4", {WS_FILL(0x82, 0xfe, 127)}, {WS_FILL(0x82, 0xfe, 127)}, 0, 0, 0},
    {"1.2.5", {WS_FILL(0x82, 0xfe, 128)}, {WS_FILL(0x82, 0xfe, 128)}, 0, 0, 0},
    {"1.2.6", {WS_FILL(0x82, 0xfe, 65535)}, {WS_FILL(0x82, 0xfe, 65535)}, 0, 0, 0},
    {"1.2.7, 1.2.8", {WS_FILL(0x82, 0xfe, 65536)}, {WS_FILL(0x82, 0xfe, 65536)}, 0, 0, 0},

    /* --- Autobahn 2: pings and pongs --- */
    {"2.1", {WS_PING("")}, {WS_PONG("")}, 0, 0, 0},
    {"2.2", {WS_PING("Hello, world!")}, {WS_PONG("Hello, world!")}, 0, 0, 0},
    {"2.3",
     {WS_PING("\0\xff\xfe\xfd\xfc\xfb\0\xff")},
     {WS_PONG("\0\xff\xfe\xfd\xfc\xfb\0\xff")},
     0,
     0,
     0},
    {"2.4, 2.6", {WS_FILL(0x89, 0xfe, 125)}, {WS_FILL(0x8a, 0xfe, 125)}, 0, 0, 0},
    {"2.5", {WS_FILL(0x89, 0xfe, 126)}, {{0}}, 1002, 2, 0},
    {"2.7", {WS_PONG("")}, {{0}}, 0, 0, 0},
    {"2.8", {WS_PONG("unsolicited")}, {{0}}, 0, 0, 0},
    {"2.9", {WS_PONG("unsolicited"), WS_PING("ping")}, {WS_PONG("ping")}, 0, 0, 0},
    {"2.10, 2.11",
     {WS_PING("payload-0"), WS_PING("payload-1"), WS_PING("payload-2"), WS_PING("payload-3"),
      WS_PING("payload-4"), WS_PING("payload-5"), WS_PING("payload-6"), WS_PING("payload-7"),
      WS_PING("payload-8"), WS_PING("payload-9")},
     {WS_PONG("payload-0"), WS_PONG("payload-1"), WS_PONG("payload-2"), WS_PONG("payload-3"),
      WS_PONG("payload-4"), WS_PONG("payload-5"), WS_PONG("payload-6"), WS_PONG("payload-7"),
      WS_PONG("payload-8"), WS_PONG("payload-9")},
     0,
     0,
     0},

    /* --- Autobahn 3: reserved bits --- */
    {"3.1", {WS_F(0xc1, "Hello")}, {{0}}, 1002, 1, 0},
    {"3.2", {WS_TEXT("Hello"), WS_F(0xa1, "Hello"), WS_PING("")}, {WS_TEXT("Hello")}, 1002, 0, 0},
    {"3.3", {WS_TEXT("Hello"), WS_F(0xb1, "Hello"), WS_PING("")}, {WS_TEXT("Hello")}, 1002, 0, 0},
    {"3.4", {WS_TEXT("Hello"), WS_F(0xc1, "Hello"), WS_PING("")}, {WS_TEXT("Hello")}, 1002, 0, 0},
    {"3.5", {WS_F(0xd2, "\0\xff")}, {{0}}, 1002, 1, 0},
    {"3.6", {WS_F(0xe9, "Hello")}, {{0}}, 1002, 1, 0},
    {"3.7", {WS_F(0xf8, "")}, {{0}}, 1002, 1, 0},

    /* --- Autobahn 4: opcodes --- */
    {"4.1.1", {WS_F(0x83, "")}, {{0}}, 1002, 1, 0},
    {"4.1.2", {WS_F(0x84, "reserved")}, {{0}}, 1002, 1, 0},
    {"4.1.3", {WS_TEXT("Hello"), WS_F(0x85, ""), WS_PING("")}, {WS_TEXT("Hello")}, 1002, 0, 0},
    {"4.1.4", {WS_TEXT("Hello"), WS_F(0x86, "Hello"), WS_PING("")}, {WS_TEXT("Hello")}, 1002, 0, 0},
    {"4.1.5", {WS_TEXT("Hello"), WS_F(0x87, "Hello"), WS_PING("")}, {WS_TEXT("Hello")}, 1002, 0, 0},
    {"4.2.1", {WS_F(0x8b, "")}, {{0}}, 1002, 1, 0},
    {"4.2.2", {WS_F(0x8c, "reserved")}, {{0}}, 1002, 1, 0},
    {"4.2.3", {WS_TEXT("Hello"), WS_F(0x8d, ""), WS_PING("")}, {WS_TEXT("Hello")}, 1002, 0, 0},
    {"4.2.4", {WS_TEXT("Hello"), WS_F(0x8e, "Hello"), WS_PING("")}, {WS_TEXT("Hello")}, 1002, 0, 0},
    {"4.2.5", {WS_TEXT("Hello"), WS_F(0x8f, "Hello"), WS_PING("")}, {WS_TEXT("Hello")}, 1002, 0, 0},

    /* --- Autobahn 5: fragments --- */
    {"5.1", {WS_F(0x09, "frag1"), WS_F(0x80, "frag2")}, {{0}}, 1002, 0, 0},
    {"5.2", {WS_F(0x0a, "frag1"), WS_F(0x80, "frag2")}, {{0}}, 1002, 0, 0},
    {"5.3 to 5.5", {WS_F(0x01, "frag1"), WS_F(0x80, "frag2")}, {WS_TEXT("frag1frag2")}, 0, 0, 0},
    {"5.6 to 5.8",
     {WS_F(0x01, "frag1"), WS_PING("ping"), WS_F(0x80, "frag2")},
     {WS_PONG("ping"), WS_TEXT("frag1frag2")},
     0,
     0,
     0},
    {"5.9 to 5.11", {WS_F(0x80, "non-continuation"), WS_TEXT("Hello")}, {{0}}, 1002, 0, 0},
    {"5.12 to 5.14", {WS_F(0x00, "non-continuation"), WS_TEXT("Hello")}, {{0}}, 1002, 0, 0},
    {"5.15",
     {WS_F(0x01, "frag1"), WS_F(0x80, "frag2"), WS_F(0x00, "stray"), WS_TEXT("Hello")},
     {WS_TEXT("frag1frag2")},
     1002,
     0,
     0},
    {"5.16",
     {WS_F(0x00, "stray"), WS_F(0x01, "frag1"), WS_F(0x80, "frag2"), WS_F(0x00, "stray"),
      WS_F(0x01, "frag1"), WS_F(0x80, "frag2")},
     {{0}},
     1002,
     0,
     0},
    {"5.17",
     {WS_F(0x80, "stray"), WS_F(0x01, "frag1"), WS_F(0x80, "frag2"), WS_F(0x80, "stray"),
      WS_F(0x01, "frag1"), WS_F(0x80, "frag2")},
     {{0}},
     1002,
     0,
     0},
    {"5.18", {WS_F(0x01, "frag1"), WS_F(0x81, "frag2")}, {{0}}, 1002, 1, 0},
    {"5.19, 5.20",
     {WS_F(0x01, "frag1"), WS_F(0x00, "frag2"), WS_PING("1"), WS_F(0x00, "frag3"),
      WS_F(0x00, "frag4"), WS_PING("2"), WS_F(0x80, "frag5")},
     {WS_PONG("1"), WS_PONG("2"), WS_TEXT("frag1frag2frag3frag4frag5")},
     0,
     0,
     0},

    /* --- Autobahn 6.1: empty fragments; the rest of 6 is in ws_text_rows --- */
    {"6.1.1", {WS_TEXT("")}, {WS_TEXT("")}, 0, 0, 0},
    {"6.1.2", {WS_F(0x01, ""), WS_F(0x00, ""), WS_F(0x80, "")}, {WS_TEXT("")}, 0, 0, 0},
    {"6.1.3",
     {WS_F(0x01, ""), WS_F(0x00, "middle frame payload"), WS_F(0x80, "")},
     {WS_TEXT("middle frame payload")},
     0,
     0,
     0},

    /* --- Autobahn 7: the end --- */
    {"7.1.1", {WS_TEXT("Hello World!")}, {WS_TEXT("Hello World!")}, 0, 0, 0},
    {"7.1.2", {WS_CLOSE("\x03\xe8"), WS_CLOSE("\x03\xe8")}, {{0}}, 1000, 0, 0},
    {"7.1.3", {WS_CLOSE("\x03\xe8"), WS_PING("")}, {{0}}, 1000, 0, 0},
    {"7.1.4", {WS_CLOSE("\x03\xe8"), WS_TEXT("Hello World!")}, {{0}}, 1000, 0, 0},
    {"7.1.5",
     {WS_F(0x01, "fragment1"), WS_CLOSE("\x03\xe8"), WS_F(0x80, "fragment2")},
     {{0}},
     1000,
     0,
     0},
    {"7.1.6",
     {WS_FILL(0x81, '*', 262144), WS_TEXT("Hello World!"), WS_CLOSE("\x03\xe8"), WS_PING("")},
     {WS_FILL(0x81, '*', 262144), WS_TEXT("Hello World!")},
     1000,
     0,
     0},
    {"7.3.1", {WS_CLOSE("")}, {{0}}, WS_EMPTY, 0, 0},
    {"7.3.2", {WS_CLOSE("a")}, {{0}}, 1002, 0, 0},
    {"7.3.3", {WS_CLOSE("\x03\xe8")}, {{0}}, 1000, 0, 0},
    {"7.3.4",
     {WS_CLOSE("\x03\xe8"
               "Hello World!")},
     {{0}},
     1000,
     0,
     0},
    {"7.3.5", {WS_JOIN(0x88, "\x03\xe8", '*', 123)}, {{0}}, 1000, 0, 0},
    {"7.3.6", {WS_JOIN(0x88, "\x03\xe8", '*', 124)}, {{0}}, 1002, 2, 0},
    {"7.5.1",
     {WS_CLOSE("\x03\xe8"
               "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"
               "edited")},
     {{0}},
     1007,
     0,
     0},
    {"7.7.1", {WS_CLOSE("\x03\xe8")}, {{0}}, 1000, 0, 0},
    {"7.7.2", {WS_CLOSE("\x03\xe9")}, {{0}}, 1001, 0, 0},
    {"7.7.3", {WS_CLOSE("\x03\xea")}, {{0}}, 1002, 0, 0},
    {"7.7.4", {WS_CLOSE("\x03\xeb")}, {{0}}, 1003, 0, 0},
    {"7.7.5", {WS_CLOSE("\x03\xef")}, {{0}}, 1007, 0, 0},
    {"7.7.6", {WS_CLOSE("\x03\xf0")}, {{0}}, 1008, 0, 0},
    {"7.7.7", {WS_CLOSE("\x03\xf1")}, {{0}}, 1009, 0, 0},
    {"7.7.8", {WS_CLOSE("\x03\xf2")}, {{0}}, 1010, 0, 0},
    {"7.7.9", {WS_CLOSE("\x03\xf3")}, {{0}}, 1011, 0, 0},
    {"7.7.10", {WS_CLOSE("\x0b\xb8")}, {{0}}, 3000, 0, 0},
    {"7.7.11", {WS_CLOSE("\x0f\x9f")}, {{0}}, 3999, 0, 0},
    {"7.7.12", {WS_CLOSE("\x0f\xa0")}, {{0}}, 4000, 0, 0},
    {"7.7.13", {WS_CLOSE("\x13\x87")}, {{0}}, 4999, 0, 0},
    {"7.9.1", {WS_CLOSE("\0\0")}, {{0}}, 1002, 0, 0},
    {"7.9.2", {WS_CLOSE("\x03\xe7")}, {{0}}, 1002, 0, 0},
    {"7.9.3", {WS_CLOSE("\x03\xec")}, {{0}}, 1002, 0, 0},
    {"7.9.4", {WS_CLOSE("\x03\xed")}, {{0}}, 1002, 0, 0},
    {"7.9.5", {WS_CLOSE("\x03\xee")}, {{0}}, 1002, 0, 0},
    {"7.9.6", {WS_CLOSE("\x03\xf8")}, {{0}}, 1002, 0, 0},
    {"7.9.7", {WS_CLOSE("\x04\x4c")}, {{0}}, 1002, 0, 0},
    {"7.9.8", {WS_CLOSE("\x07\xd0")}, {{0}}, 1002, 0, 0},
    {"7.9.9", {WS_CLOSE("\x0b\xb7")}, {{0}}, 1002, 0, 0},
    {"7.13.1", {WS_CLOSE("\x13\x88")}, {{0}}, 1002, 0, 0},
    {"7.13.2", {WS_CLOSE("\xff\xff")}, {{0}}, 1002, 0, 0},
};

enum { WS_VALID = -1 };

/* Text, and the index of the byte that makes it no UTF-8: WS_VALID where none
 * does, the length where it only ends too early. */
struct ws_text_row {
    const char *name;
    const char *bytes;
    size_t len;
    int bad_at;
};

#define WS_T(name, bytes, bad_at)                                                                  \
    {                                                                                              \
        name, bytes, sizeof(bytes) - 1, bad_at                                                     \
    }

static const struct ws_text_row ws_text_rows[] = {
    WS_T("6.2", "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!",
         WS_VALID),
    WS_T("6.3",
         "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"
         "edited",
         12),
    WS_T("6.4",
         "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80"
         "edited",
         12),
    WS_T("6.5.1", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", WS_VALID),
    WS_T("6.5.2", "Hello-\xe4\xb8\x96\xe7\x95\x8c", WS_VALID),
    WS_T("6.5.3", "\xf0\x9f\x98\x80\xf0\x9f\x92\xa8", WS_VALID),
    WS_T("6.5.4", "\0", WS_VALID),
    WS_T("6.6.2", "\xce", 1),
    WS_T("6.6.3", "\xce\xba\xe1", 3),
    WS_T("6.6.4", "\xce\xba\xe1\xbd", 4),
    WS_T("6.6.6", "\xce\xba\xe1\xbd\xb9\xcf", 6),
    WS_T("6.6.8", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce", 8),
    WS_T("6.6.10", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce", 10),
    WS_T("6.7.1", "\0", WS_VALID),
    WS_T("6.7.2", "\xc2\x80", WS_VALID),
    WS_T("6.7.3", "\xe0\xa0\x80", WS_VALID),
    WS_T("6.7.4", "\xf0\x90\x80\x80", WS_VALID),
    WS_T("6.8.1", "\xf8\x88\x80\x80\x80", 0),
    WS_T("6.8.2", "\xfc\x84\x80\x80\x80\x80", 0),
    WS_T("6.9.1", "\x7f", WS_VALID),
    WS_T("6.9.2", "\xdf\xbf", WS_VALID),
    WS_T("6.9.3", "\xef\xbf\xbf", WS_VALID),
    WS_T("6.9.4", "\xf4\x8f\xbf\xbf", WS_VALID),
    WS_T("6.10.1", "\xf7\xbf\xbf\xbf", 0),
    WS_T("6.10.2", "\xfb\xbf\xbf\xbf\xbf", 0),
    WS_T("6.10.3", "\xfd\xbf\xbf\xbf\xbf\xbf", 0),
    WS_T("6.11.1", "\xed\x9f\xbf", WS_VALID),
    WS_T("6.11.2", "\xee\x80\x80", WS_VALID),
    WS_T("6.11.3", "\xef\xbf\xbd", WS_VALID),
    WS_T("6.11.4", "\xf4\x8f\xbf\xbf", WS_VALID),
    WS_T("6.11.5", "\xf4\x90\x80\x80", 1),
    WS_T("6.12.1", "\x80", 0),
    WS_T("6.12.2", "\xbf", 0),
    WS_T("6.12.3", "\x80\xbf", 0),
    WS_T("6.12.4", "\x80\xbf\x80", 0),
    WS_T("6.12.5", "\x80\xbf\x80\xbf", 0),
    WS_T("6.12.8", "a\x80", 1),
    WS_T("6.13.1", "\xc0 \xc1 ", 0),
    WS_T("6.13.1b", "\xc2 \xdf ", 1),
    WS_T("6.13.2", "\xe0 \xef ", 1),
    WS_T("6.13.3", "\xf0 \xf4 ", 1),
    WS_T("6.13.4", "\xf8 \xfb ", 0),
    WS_T("6.13.5", "\xfc \xfd ", 0),
    WS_T("6.14.1", "\xc0", 0),
    WS_T("6.14.2", "\xe0\x80", 1),
    WS_T("6.14.3", "\xf0\x80\x80", 1),
    WS_T("6.14.4", "\xf8\x80\x80\x80", 0),
    WS_T("6.14.5", "\xfc\x80\x80\x80\x80", 0),
    WS_T("6.14.6", "\xdf", 1),
    WS_T("6.14.7", "\xef\xbf", 2),
    WS_T("6.14.8", "\xf7\xbf\xbf", 0),
    WS_T("6.14.9", "\xfb\xbf\xbf\xbf", 0),
    WS_T("6.14.10", "\xfd\xbf\xbf\xbf\xbf", 0),
    WS_T("6.14.b", "\xf4\x8f\xbf", 3),
    WS_T("6.15.1", "\xdf\xef\xbf\xf4\x8f\xbf", 1),
    WS_T("6.16.1", "\xfe", 0),
    WS_T("6.16.2", "\xff", 0),
    WS_T("6.16.3", "ok\xfe\xfe\xff\xff", 2),
    WS_T("6.17.1", "\xc0\xaf", 0),
    WS_T("6.17.2", "\xe0\x80\xaf", 1),
    WS_T("6.17.3", "\xf0\x80\x80\xaf", 1),
    WS_T("6.17.4", "\xf8\x80\x80\x80\xaf", 0),
    WS_T("6.17.5", "\xfc\x80\x80\x80\x80\xaf", 0),
    WS_T("6.18.1", "\xc1\xbf", 0),
    WS_T("6.18.2", "\xe0\x9f\xbf", 1),
    WS_T("6.18.3", "\xf0\x8f\xbf\xbf", 1),
    WS_T("6.18.4", "\xf8\x87\xbf\xbf\xbf", 0),
    WS_T("6.18.5", "\xfc\x83\xbf\xbf\xbf\xbf", 0),
    WS_T("6.19.1", "\xc0\x80", 0),
    WS_T("6.19.2", "\xe0\x80\x80", 1),
    WS_T("6.19.3", "\xf0\x80\x80\x80", 1),
    WS_T("6.19.4", "\xf8\x80\x80\x80\x80", 0),
    WS_T("6.19.5", "\xfc\x80\x80\x80\x80\x80", 0),
    WS_T("6.20.1", "\xed\xa0\x80", 1),
    WS_T("6.20.2", "\xed\xad\xbf", 1),
    WS_T("6.20.3", "\xed\xae\x80", 1),
    WS_T("6.20.4", "\xed\xaf\xbf", 1),
    WS_T("6.20.5", "\xed\xb0\x80", 1),
    WS_T("6.20.6", "\xed\xbe\x80", 1),
    WS_T("6.20.7", "\xed\xbf\xbf", 1),
    WS_T("6.21.1", "\xed\xa0\x80\xed\xb0\x80", 1),
    WS_T("6.21.8", "\xed\xaf\xbf\xed\xbf\xbf", 1),
    WS_T("6.22.1", "\xef\xbf\xbe", WS_VALID),
    WS_T("6.22.3", "\xf0\x9f\xbf\xbe", WS_VALID),
    WS_T("6.22.34", "\xf4\x8f\xbf\xbf", WS_VALID),
    WS_T("6.23.1", "\xef\xbf\xb9", WS_VALID),
    WS_T("6.23.4", "\xef\xbf\xbc", WS_VALID),
    WS_T("long, bad at its end",
         "0123456789012345678901234567890123456789012345678901234567890123456789\xc3\xa4"
         "0123456789012345678901234567890123456789012345678901234567890123456789\xff",
         142),
};

/* A Close's payload, what is answered, and what the application is told. */
struct ws_close_row {
    const char *payload;
    size_t len;
    unsigned reply, reported;
    const char *reason;
};

#define WS_C(payload, reply, reported, reason)                                                     \
    {                                                                                              \
        payload, sizeof(payload) - 1, reply, reported, reason                                      \
    }

static const struct ws_close_row ws_close_rows[] = {
    WS_C("", WS_EMPTY, 1005, ""),
    WS_C("\x03", 1002, 1002, ""),
    WS_C("\x03\xe8", 1000, 1000, ""),
    WS_C("\x03\xe9"
         "goodbye",
         1001, 1001, "goodbye"),
    WS_C("\x03\xeb"
         "na\xc3\xafve",
         1003, 1003, "na\xc3\xafve"),
    WS_C("\x03\xf6", 1014, 1014, ""),
    WS_C("\x0b\xb8", 3000, 3000, ""),
    WS_C("\x13\x87", 4999, 4999, ""),
    WS_C("\0\0", 1002, 1002, ""),
    WS_C("\x03\xe7", 1002, 1002, ""),
    WS_C("\x03\xec", 1002, 1002, ""),
    WS_C("\x03\xed", 1002, 1002, ""),
    WS_C("\x03\xee", 1002, 1002, ""),
    WS_C("\x03\xf7", 1002, 1002, ""),
    WS_C("\x03\xf8", 1002, 1002, ""),
    WS_C("\x0b\xb7", 1002, 1002, ""),
    WS_C("\x13\x88", 1002, 1002, ""),
    WS_C("\xff\xff", 1002, 1002, ""),
    WS_C("\x03\xe8"
         "\xff",
         1007, 1007, ""),
    WS_C("\x03\xe8"
         "half \xe2\x82",
         1007, 1007, ""),
};

/* The tables' sizes, and how many frames a list has. */
#define WS_COUNT(table) (sizeof(table) / sizeof((table)[0]))

static inline size_t ws_frame_count(const struct ws_frame *frames)
{
    size_t n = 0;
    while (frames[n].text != NULL) {
        n++;
    }
    return n;
}

/* What ends a row that is still open: the sender's Close, which must come back
 * as 1000. NULL for the others. */
static inline const struct ws_frame *ws_row_ending(const struct ws_row *row)
{
    static const struct ws_frame ending = WS_CLOSE("\x03\xe8");
    return row->close == WS_STILL_OPEN ? &ending : NULL;
}

/* Bytes that a frame takes at most. */
static inline size_t ws_frame_size(const struct ws_frame *f)
{
    return 14 + f->text_len + f->fills;
}

/* Byte `i` of its payload. */
static inline unsigned char ws_payload_byte(const struct ws_frame *f, size_t i)
{
    size_t text_len = f->how == WS_HEADER ? 0 : f->text_len;
    return i < text_len ? (unsigned char)f->text[i] : f->fill;
}

static inline size_t ws_put_length(unsigned char *out, size_t len)
{
    size_t extra = len > 0xffff ? 8 : len > 125 ? 2 : 0;
    out[0] = (unsigned char)(extra == 8 ? 127 : extra == 2 ? 126 : len);
    for (size_t i = 0; i < extra; i++) {
        out[1 + i] = (unsigned char)((uint64_t)len >> (8 * (extra - 1 - i)) & 0xff);
    }
    return 1 + extra;
}

/* Write the frame as it goes to a server, or to a client. Returns its size. */
static inline size_t ws_encode(const struct ws_frame *f, bool to_server, unsigned char *out)
{
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    bool masked = to_server != (f->how == WS_WRONG_MASK);
    size_t len = f->fills + (f->how == WS_HEADER ? 0 : f->text_len), n;

    if (f->how == WS_HEADER) {
        memcpy(out, f->text, f->text_len);
        n = f->text_len;
    } else {
        out[0] = (unsigned char)f->first;
        n = 1 + ws_put_length(out + 1, len);
    }
    if (masked) {
        out[1] |= 0x80;
        memcpy(out + n, mask, 4);
        n += 4;
    }
    for (size_t i = 0; i < len; i++) {
        out[n++] = (unsigned char)(ws_payload_byte(f, i) ^ (masked ? mask[i % 4] : 0));
    }
    return n;
}

#endif

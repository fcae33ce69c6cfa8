/* ws_codec_internal - the WebSocket codec by itself, on one core.
 *
 *     build/bench/ws_codec_internal
 *
 * Two tables. Masking: one byte at a time, 64-bit words, the library's loop, the
 * library's with its look for ASCII, and the same look as a pass of its own.
 * Parsing: a message from a client in one piece, header to event, as text and
 * as bytes. Each figure is the best of 15 rounds, in a buffer that stays in the
 * cache: what the memory would add is not the codec's. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "websocket/frame_internal.h"
#include "websocket/mask_internal.h"

enum { ROUNDS = 15, BUFFER = 70000, BYTES_A_ROUND = 4000000 };

static const size_t sizes[] = {16, 125, 1024, 4096, 16384, 65536};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static const uint32_t key = 0x07060504; /* turns ASCII into ASCII */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void by_bytes(char *data, size_t len)
{
    unsigned char mask[4];

    memcpy(mask, &key, 4);
    for (size_t i = 0; i < len; i++) {
        data[i] = (char)(data[i] ^ mask[i & 3]);
    }
}

static void by_words(char *data, size_t len)
{
    uint64_t mask = (uint64_t)key << 32 | key, word;
    size_t i = 0;

    for (; len - i >= 8; i += 8) {
        memcpy(&word, data + i, 8);
        word ^= mask;
        memcpy(data + i, &word, 8);
    }
    by_bytes(data + i, len - i);
}

static void by_library(char *data, size_t len)
{
    gust__ws_mask(data, len, key, 0);
}

static void must(bool ok)
{
    if (!ok) {
        fputs("ws_codec_internal: the codec refused\n", stderr);
        exit(1);
    }
}

static void with_text(char *data, size_t len)
{
    must(gust__ws_mask_text(data, len, key, 0));
}

static void in_two_passes(char *data, size_t len)
{
    gust__ws_mask(data, len, key, 0);
    must(gust_utf8_is_valid(gust_str_make(data, len)));
}

/* A frame with a zero mask stays as it is when it is parsed, so that the same
 * bytes do for all rounds; masking is in the first table. */
static void parse(char *data, size_t len, enum gust_websocket_opcode opcode)
{
    struct gust__ws_parser parser;
    struct gust__ws_event ev;
    uint32_t mask = 0;
    size_t n = gust__ws_frame_header(data, opcode, true, false, len, &mask);

    gust__ws_parser_init(&parser, GUST__WS_SERVER);
    must(gust__ws_parse(&parser, &gust__ws_default_limits, data, n + len, &ev) == n + len &&
         ev.data.len == len && (ev.flags & GUST__WS_MESSAGE_END) != 0);
}

static void parse_text(char *data, size_t len)
{
    parse(data, len, GUST_WEBSOCKET_TEXT);
}

static void parse_binary(char *data, size_t len)
{
    parse(data, len, GUST_WEBSOCKET_BINARY);
}

typedef void work_fn(char *data, size_t len);

/* Seconds for one call. The calls are even in number, so masks cancel out. */
static double measure(work_fn *work, char *data, size_t len)
{
    size_t calls = (BYTES_A_ROUND / (len + 100) + 2) & ~(size_t)1;
    double best = 1e9;

    memset(data, 'a', BUFFER);
    for (int round = 0; round < ROUNDS; round++) {
        double start = now(), took;
        for (size_t i = 0; i < calls; i++) {
            work(data, len);
        }
        took = (now() - start) / (double)calls;
        best = took < best ? took : best;
    }
    return best;
}

static void print_row(const char *name, work_fn *work, char *buffer)
{
    printf("| %-24s |", name);
    for (size_t i = 0; i < SIZES; i++) {
        double took = measure(work, buffer + 6, sizes[i]); /* as behind a short header */
        printf(" %7.1f ns %5.1f GB/s |", took * 1e9, (double)sizes[i] / took * 1e-9);
    }
    printf("\n");
}

int main(void)
{
    char *buffer = malloc(BUFFER + 32);

    must(buffer != NULL);
    printf("| %-24s |", "payload");
    for (size_t i = 0; i < SIZES; i++) {
        printf(" %12zu bytes  |", sizes[i]);
    }
    printf("\n|---|---|---|---|---|---|---|\n");
    print_row("mask by bytes", by_bytes, buffer);
    print_row("mask by words", by_words, buffer);
    print_row("mask, library", by_library, buffer);
    print_row("mask and ASCII, library", with_text, buffer);
    print_row("mask, then UTF-8", in_two_passes, buffer);
    print_row("parse binary", parse_binary, buffer);
    print_row("parse text", parse_text, buffer);
    free(buffer);
    return 0;
}

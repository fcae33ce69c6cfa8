/* Fuzz target for the chunked decoder.
 *
 *     clang -std=c11 -g -O1 -fsanitize=fuzzer,address,undefined -DGUST_DEBUG=1 \
 *         -D_POSIX_C_SOURCE=200809L -I. -Ibuild/include tests/fuzz/chunked_fuzz.c \
 *         tests/support/http_feed_internal.c httpserver/chunked.c httpserver/http_parse.c \
 *         httpserver/http_rules.c httpserver/httpnames.c util/str.c -o chunked
 *     ./chunked -max_len=4096 CORPUS
 *
 * Input: two bytes that pick the cuts, a byte for the limit, then the body.
 *
 * It is an error when the outcome depends on how the input is cut, when more
 * payload comes out than the limit allows or than went in, and when a second
 * decoder, for bodies without trailer fields and extensions, sees it otherwise. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_feed_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

enum { FIELDS = 10, TRAILER = 200 };

/* The bytes of a body without trailer and extensions, as plainly as can be: -1 for
 * all that is not complete and right. */
static long plain_payload(const char *data, size_t len, size_t limit)
{
    size_t at = 0, total = 0;
    for (;;) {
        size_t size = 0, digits = 0;
        for (; at < len && strchr("0123456789abcdefABCDEF", data[at]) != NULL && data[at] != '\0';
             at++) {
            char digit[2] = {data[at], '\0'};
            size = size * 16 + strtoul(digit, NULL, 16);
            if (++digits > 16 || size > limit) {
                return -1;
            }
        }
        if (digits == 0 || len - at < 2 || memcmp(data + at, "\r\n", 2) != 0) {
            return -1;
        }
        at += 2;
        total += size;
        if (total > limit || len - at < size + 2 || memcmp(data + at + size, "\r\n", 2) != 0) {
            return -1;
        }
        at += size + 2;
        if (size == 0) {
            return (long)total;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    struct http_body whole, bytewise, cut;
    if (size < 4) {
        return 0;
    }
    const char *data = (const char *)input + 3;
    size_t len = size - 3;
    int64_t limit = input[2];
    http_feed_body(data, len, len, 0, limit, FIELDS, TRAILER, &whole);
    http_feed_body(data, len, 1, 1, limit, FIELDS, TRAILER, &bytewise);
    http_feed_body(data, len, 1 + input[0] % len, 1 + input[1], limit, FIELDS, TRAILER, &cut);
    must(http_body_same(&whole, &bytewise) && http_body_same(&whole, &cut));
    must(cut.fed >= bytewise.fed);
    must(whole.payload_len <= (size_t)limit && whole.payload_len <= len);
    long plain = plain_payload(data, len, (size_t)limit);
    must(plain < 0 || (whole.event == GUST__CHUNKED_END && whole.payload_len == (size_t)plain));
    http_body_deinit(&whole);
    http_body_deinit(&bytewise);
    http_body_deinit(&cut);
    return 0;
}

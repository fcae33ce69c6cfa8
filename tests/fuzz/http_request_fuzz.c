/* Fuzz target for the request parser.
 *
 *     clang -std=c11 -g -O1 -fsanitize=fuzzer,address,undefined -DGUST_DEBUG=1 \
 *         -D_POSIX_C_SOURCE=200809L -I. -Ibuild/include tests/fuzz/http_request_fuzz.c \
 *         tests/support/http_feed_internal.c tests/support/http_swar_internal.c \
 *         tests/support/http_twin.c httpserver/chunked.c httpserver/http_parse.c \
 *         httpserver/http_rules.c httpserver/httpnames.c util/str.c -o http_request
 *     ./http_request -max_len=4096 CORPUS
 *
 * Input: two bytes that pick the cuts, then what the peer sends.
 *
 * It is an error when the outcome depends on how the input is cut or on vectors,
 * when the twin sees it otherwise, when a verdict needs more bytes in one cut
 * than byte by byte, when work is not linear, and when a byte is read behind the
 * padding. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_feed_internal.h"
#include "tests/support/http_twin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_twin(const struct http_head *h, const char *data, size_t len)
{
    char *twin_text = NULL;
    enum http_twin_verdict twin = http_twin(data, len, &twin_text);
    must((h->verdict > 0) == (twin == HTTP_TWIN_ACCEPTED));
    must(h->verdict != 0 || twin == HTTP_TWIN_INCOMPLETE);
    if (h->verdict > 0) {
        char *text = http_head_text(h, data);
        must(strcmp(text, twin_text) == 0);
        free(text);
    }
    free(twin_text);
}

/* What is accepted has no line end, NUL or control in any part. */
static void check_parts(const struct http_head *h, const char *data)
{
    for (size_t i = 0; i < h->p.count; i++) {
        gust_str value = gust__http_field_value(data, &h->fields[i]);
        must(value.len <= (size_t)h->verdict && h->fields[i].name_len > 0);
        for (size_t at = 0; at < value.len; at++) {
            must((unsigned char)value.ptr[at] >= 0x20 || value.ptr[at] == '\t');
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    static struct http_head whole, bytewise, cut;
    if (size < 3) {
        return 0;
    }
    const char *data = (const char *)input + 2;
    size_t len = size - 2;
    http_feed_head(&http_machine, data, len, len, 0, &whole);
    http_feed_head(&http_machine, data, len, 1, 1, &bytewise);
    must(http_head_same(&whole, &bytewise));
    must(bytewise.p.steps <= 4 * len + 64);
    http_feed_head(&http_machine, data, len, 1 + input[0] % len, 1 + input[1], &cut);
    must(http_head_same(&whole, &cut) && cut.fed >= bytewise.fed);
    http_feed_head(&http_machine, data, bytewise.fed, bytewise.fed, 0, &cut);
    must(http_head_same(&whole, &cut));
    http_feed_head(&http_machine_without_vectors, data, len, 1 + input[1] % len, 1 + input[0],
                   &cut);
    must(http_head_same(&whole, &cut));
    http_feed_head(&http_machine_with_memory, data, len, len, 0, &cut);
    must(http_head_same(&whole, &cut));
    if (whole.verdict > 0) {
        check_parts(&whole, data);
    }
    check_twin(&whole, data, len);
    return 0;
}

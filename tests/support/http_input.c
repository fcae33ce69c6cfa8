#include "tests/support/http_input.h"

#include <stdlib.h>
#include <string.h>

#include "tests/http_rows.h"

static void *must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

char *http_input_make(const struct http_input *in, size_t *out_len)
{
    size_t fill_len = strlen(in->fill);
    char *data = must(malloc(in->head_len + in->fills * fill_len + in->tail_len + 1));
    char *at = data;
    memcpy(at, in->head, in->head_len);
    at += in->head_len;
    for (size_t i = 0; i < in->fills; i++, at += fill_len) {
        memcpy(at, in->fill, fill_len);
    }
    memcpy(at, in->tail, in->tail_len);
    *out_len = (size_t)(at - data) + in->tail_len;
    return data;
}

/* xorshift64* */
uint32_t http_random(struct http_random *random, uint32_t below)
{
    uint64_t x = random->state + 0x9e3779b97f4a7c15u;
    random->state = x;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)((x ^ x >> 31) >> 32) % below;
}

/* Bytes, words and lines that decide something. */
static const char telling_bytes[] = "\r\n\r\n  \t::,;=?/#%@[]\"\\\0\1\x7f\x80\xff"
                                    "0129afAFgZ*+-_.H";
static const char *const telling_words[] = {
    "\r\n",
    "\r\n\r\n",
    "\r\n ",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    "HTTP/2.0",
    "Content-Length: ",
    "chunked",
    "Connection: ",
    "keep-alive",
    "upgrade",
    "close, ",
    "OPTIONS ",
    "CONNECT ",
    "GET ",
    "http://c",
    "*",
    "a:443",
    "[::1]",
    ":80",
    "65536",
    ": ",
    "\r",
    ";a=\"b\"",
    ";a=b",
    "1;",
    "9223372036854775807",
    "00000000000000000000",
    "https://",
    "?q",
};
static const char *const telling_lines[] = {
    "Host: b\r\n",
    "Host: [1:2::3]:8\r\n",
    "Content-Length: 3\r\n",
    "Content-Length: 0\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Connection: close\r\n",
    "Connection: Keep-Alive\r\n",
    "connection:upgrade , x\r\n",
    "Upgrade: h2c\r\n",
    "UPGRADE: x\r\n",
    "Expect: 100-continue\r\n",
    "Content-Type: a\r\n",
    "Authorization: b\r\n",
    "Trailer: a\r\n",
    "0\r\n",
    "2\r\nab\r\n",
    "Abcdefghijklmnopqrst: v\r\n",
    "A: b\r\n",
    "A:\t\x80\"b \t\r\n",
    "Cookie:\r\n",
    "A_b: c: d\r\n",
    "GET http://c/d?e HTTP/1.1\r\n",
    "POST /f HTTP/1.0\r\n",
    "OPTIONS * HTTP/1.1\r\n",
    "\r\n",
};
enum {
    TELLING_WORDS = sizeof telling_words / sizeof telling_words[0],
    TELLING_LINES = sizeof telling_lines / sizeof telling_lines[0]
};

static void replace(char *data, size_t *len, size_t at, size_t old, const char *with, size_t size)
{
    memmove(data + at + size, data + at + old, *len - at - old);
    memcpy(data + at, with, size);
    *len += size - old;
}

/* Where a line begins, at or behind `at`; else 0. */
static size_t line_start(const char *data, size_t len, size_t at)
{
    for (; at + 2 <= len; at++) {
        if (memcmp(data + at, "\r\n", 2) == 0) {
            return at + 2;
        }
    }
    return 0;
}

/* `data` has room for 64 bytes more. */
static void mutate_once(struct http_random *random, char *data, size_t *len)
{
    char piece[32];
    size_t at = http_random(random, (uint32_t)*len + 1);
    size_t left = *len - at;
    size_t n = http_random(random, sizeof piece);
    char byte = telling_bytes[http_random(random, sizeof telling_bytes - 1)];
    const char *word = telling_words[http_random(random, TELLING_WORDS)];
    switch (http_random(random, 10)) {
    case 0: replace(data, len, at, left > 0, &byte, 1); break;
    case 1:
        byte = (char)http_random(random, 256);
        replace(data, len, at, left > 0, &byte, 1);
        break;
    case 2: replace(data, len, at, 0, &byte, 1); break;
    case 3: replace(data, len, at, left < n ? left : n, "", 0); break;
    case 4:
        n = left < n ? left : n;
        memcpy(piece, data + at, n);
        replace(data, len, http_random(random, (uint32_t)*len + 1), 0, piece, n);
        break;
    case 5: replace(data, len, at, 0, word, strlen(word)); break;
    default:
        word = telling_lines[http_random(random, TELLING_LINES)];
        replace(data, len, line_start(data, *len, at), 0, word, strlen(word));
    }
}

char *http_mutate(struct http_random *random, const char *data, size_t len, size_t *out_len)
{
    char *copy = must(malloc(len + 4 * 64));
    memcpy(copy, data, len);
    for (uint32_t n = 1 + http_random(random, 4); n > 0; n--) {
        mutate_once(random, copy, &len);
    }
    *out_len = len;
    return copy;
}

/* Base64 (RFC 4648 4). Three bytes are four digits of six bits. */
#include <gust/base64.h>

#include <stdint.h>

#include <gust/errors.h>

static const char digits[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void put_group(char *out, uint32_t bits)
{
    out[0] = digits[bits >> 18];
    out[1] = digits[bits >> 12 & 63];
    out[2] = digits[bits >> 6 & 63];
    out[3] = digits[bits & 63];
}

/* One or two bytes are left: the digits that they don't reach become "=". */
static void put_rest(char *out, const unsigned char *in, size_t n)
{
    put_group(out, (uint32_t)in[0] << 16 | (n == 2 ? (uint32_t)in[1] << 8 : 0));
    out[3] = '=';
    if (n == 1) {
        out[2] = '=';
    }
}

size_t gust_base64_encode(char *out, gust_str bytes)
{
    const unsigned char *in = (const unsigned char *)bytes.ptr;
    size_t left = bytes.len;
    char *to = out;
    for (; left >= 3; left -= 3, in += 3, to += 4) {
        put_group(to, (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2]);
    }
    if (left != 0) {
        put_rest(to, in, left);
        to += 4;
    }
    return (size_t)(to - out);
}

/* 0..63, or 64 for what is no digit. No table: what is decoded may be secret,
 * and the time of a look-up would depend on it. */
static uint32_t value_of(char c)
{
    unsigned u = (unsigned char)c;
    uint32_t upper = u - 'A' < 26 ? u - 'A' + 1 : 0;
    uint32_t lower = u - 'a' < 26 ? u - 'a' + 27 : 0;
    uint32_t number = u - '0' < 10 ? u - '0' + 53 : 0;
    uint32_t sign = u == '+' ? 63 : u == '/' ? 64 : 0;
    uint32_t value = upper | lower | number | sign;
    return value != 0 ? value - 1 : 64;
}

/* Decode four characters of which the first `n` are digits. False where one is
 * not, or a bit is set that belongs to no byte. */
static bool get_group(const char *in, size_t n, uint32_t *out_bits)
{
    uint32_t bits = 0;
    uint32_t bad = 0;
    for (size_t i = 0; i < 4; i++) {
        uint32_t value = i < n ? value_of(in[i]) : 0;
        bad |= value & 64;
        bits = bits << 6 | (value & 63);
    }
    static const uint32_t spare[] = {0, 0, 0xffff, 0xff, 0};
    *out_bits = bits;
    return bad == 0 && (bits & spare[n]) == 0;
}

static size_t count_padding(gust_str text)
{
    if (text.len == 0 || text.ptr[text.len - 1] != '=') {
        return 0;
    }
    return text.ptr[text.len - 2] == '=' ? 2 : 1;
}

int gust_base64_decode(char *out, gust_str text, size_t *out_len)
{
    if (text.len % 4 != 0) {
        return -EINVAL;
    }
    size_t padding = count_padding(text);
    char *to = out;
    for (size_t at = 0; at < text.len; at += 4) {
        size_t n = at + 4 == text.len ? 4 - padding : 4;
        uint32_t bits;
        if (!get_group(text.ptr + at, n, &bits)) {
            return -EINVAL;
        }
        for (size_t i = 0; i + 1 < n; i++) {
            *to++ = (char)(unsigned char)(bits >> (16 - 8 * i));
        }
    }
    *out_len = (size_t)(to - out);
    return 0;
}

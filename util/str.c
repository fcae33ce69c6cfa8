/* gust_str: what is too long to be inline. */
#include <gust/str.h>

#include "util/check_internal.h"

#include <gust/errors.h>

/* "00" .. "99": two digits a division. */
static const char digit_pairs[201] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

static unsigned char ascii_lower(unsigned char c)
{
    return (unsigned char)(c - 'A') < 26 ? (unsigned char)(c | 0x20) : c;
}

bool gust_str_case_eq(gust_str a, gust_str b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower((unsigned char)a.ptr[i]) != ascii_lower((unsigned char)b.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool gust_str_starts_with(gust_str s, gust_str prefix)
{
    return s.len >= prefix.len && gust_str_eq(gust_str_make(s.ptr, prefix.len), prefix);
}

bool gust_str_ends_with(gust_str s, gust_str suffix)
{
    return s.len >= suffix.len && gust_str_eq(gust_str_skip(s, s.len - suffix.len), suffix);
}

int gust_str_cmp(gust_str a, gust_str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

size_t gust_str_find_byte(gust_str s, char byte)
{
    const char *hit = s.len == 0 ? NULL : memchr(s.ptr, byte, s.len);
    return hit == NULL ? SIZE_MAX : (size_t)(hit - s.ptr);
}

/* memchr for the first byte is vectorised by libc; memmem(3) is not in POSIX. */
size_t gust_str_find(gust_str s, gust_str needle)
{
    if (needle.len == 0) {
        return 0;
    }
    size_t at = 0;
    while (s.len - at >= needle.len) {
        size_t starts = s.len - at - needle.len + 1;
        const char *hit = memchr(s.ptr + at, needle.ptr[0], starts);
        if (hit == NULL) {
            break;
        }
        at = (size_t)(hit - s.ptr);
        if (memcmp(hit, needle.ptr, needle.len) == 0) {
            return at;
        }
        at++;
    }
    return SIZE_MAX;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

gust_str gust_str_trim(gust_str s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

bool gust_str_split(gust_str *rest, char separator, gust_str *out_piece)
{
    if (rest->ptr == NULL) {
        return false;
    }
    size_t at = gust_str_find_byte(*rest, separator);
    if (at == SIZE_MAX) {
        *out_piece = *rest;
        *rest = gust_str_make(NULL, 0);
    } else {
        *out_piece = gust_str_make(rest->ptr, at);
        *rest = gust_str_skip(*rest, at + 1);
    }
    return true;
}

/* The syntax is judged whole before the range, so that "99x" is never -ERANGE. */
int gust_str_to_u64(gust_str s, uint64_t max, uint64_t *out_value)
{
    if (s.len == 0) {
        return -EINVAL;
    }
    uint64_t value = 0;
    bool fits = true;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned char)s.ptr[i] - (unsigned)'0';
        if (digit > 9) {
            return -EINVAL;
        }
        if (fits && (value > max / 10 || digit > max - value * 10)) {
            fits = false;
        }
        value = fits ? value * 10 + digit : 0;
    }
    if (!fits) {
        return -ERANGE;
    }
    *out_value = value;
    return 0;
}

static GUST_NOINLINE size_t long_to_dec(char *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    while (value >= 100) {
        at -= 2;
        memcpy(digits + at, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(digits + at, digit_pairs + value * 2, 2);
    } else {
        digits[--at] = (char)('0' + value);
    }
    memcpy(out, digits + at, sizeof(digits) - at);
    return sizeof(digits) - at;
}

/* Most lengths and counts that are printed in a hurry are small. */
size_t gust_u64_to_dec(char *out, uint64_t value)
{
    if (value >= 100) {
        return long_to_dec(out, value);
    }
    if (value >= 10) {
        memcpy(out, digit_pairs + value * 2, 2);
        return 2;
    }
    out[0] = (char)('0' + value);
    return 1;
}

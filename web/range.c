/* One range of bytes (RFC 9110 14.1.2).
 *
 * What is not `bytes=` and one range in digits is as if it were not there;
 * several ranges are answered with the whole, which is allowed always. White
 * space around the numbers is passed over.
 *
 * Source: tornado/httputil.py: _parse_request_range, and tornado/web.py:
 * StaticFileHandler.get for what it makes of it. */
#include <gust/str.h>

#include "web/static_internal.h"

/* A number, or -1 where there is none. Returns false for what is no number. What
 * does not fit is as good as the largest. */
static bool parse_number(gust_str text, int64_t *out_value)
{
    uint64_t value;
    text = gust_str_trim(text);
    if (text.len == 0) {
        *out_value = -1;
        return true;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
    }
    *out_value = gust_str_to_u64(text, INT64_MAX - 1, &value) == 0 ? (int64_t)value : INT64_MAX - 1;
    return true;
}

/* first and last as they stood there, -1 where one is missing. */
static bool parse_spec(gust_str value, int64_t *out_first, int64_t *out_last)
{
    if (!gust_str_starts_with(value, GUST_STR("bytes="))) {
        return false;
    }
    gust_str spec = gust_str_skip(value, 6), first;
    if (spec.len == 0 || !gust_str_split(&spec, '-', &first)) {
        return false;
    }
    return parse_number(first, out_first) && parse_number(spec, out_last);
}

enum gust__range gust__range_parse(gust_str value, int64_t size, int64_t *out_start,
                                   int64_t *out_end)
{
    int64_t first, last;
    if (!parse_spec(value, &first, &last) || (first < 0 && last < 0)) {
        return GUST__RANGE_WHOLE;
    }
    int64_t start = first, end = last >= 0 && last < size ? last + 1 : size;
    if (first < 0) {
        start = last < size ? size - last : 0;
        end = size;
    }
    if (start >= size || start >= end) {
        return GUST__RANGE_UNSATISFIABLE;
    }
    if (start == 0 && end == size) {
        return GUST__RANGE_WHOLE;
    }
    *out_start = start;
    *out_end = end;
    return GUST__RANGE_PART;
}

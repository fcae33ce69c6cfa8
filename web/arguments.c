/* Arguments: of the query, and of the path.
 *
 * The query is walked at each call and nothing of it is kept: it is short, and
 * most programs ask for one or two names. The number of arguments is bounded
 * (limits.h), so a call costs no more than a walk over the request line.
 *
 * Source: tornado/web.py: _get_arguments, decode_argument, get_argument. */
#include <string.h>

#include <gust/escape.h>
#include <gust/limits.h>
#include <gust/utf8.h>

#include "web/web_internal.h"

/* ---- values ------------------------------------------------------------------- */

/* Is the character at the beginning of `text` white space, and how long is it? */
static size_t space_at(gust_str text)
{
    uint32_t code = 0;
    size_t len = gust_utf8_decode(text, &code);
    bool space = (code >= 0x09 && code <= 0x0d) || (code >= 0x1c && code <= 0x20) || code == 0x85 ||
                 code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) ||
                 code == 0x2028 || code == 0x2029 || code == 0x202f || code == 0x205f ||
                 code == 0x3000;
    return len > 0 && space ? len : 0;
}

/* The last character of valid UTF-8. */
static gust_str last_character(gust_str text)
{
    size_t at = text.len - 1;
    while (at > 0 && ((unsigned char)text.ptr[at] & 0xc0) == 0x80) {
        at--;
    }
    return gust_str_skip(text, at);
}

static gust_str strip_space(gust_str text)
{
    size_t len;
    while (text.len > 0 && (len = space_at(text)) > 0) {
        text = gust_str_skip(text, len);
    }
    while (text.len > 0 && (len = space_at(last_character(text))) > 0) {
        text.len -= len;
    }
    return text;
}

/* 00-08 and 0E-1F become spaces. */
static void blank_controls(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte < 0x09 || (byte > 0x0d && byte < 0x20)) {
            text[i] = ' ';
        }
    }
}

static int refuse_unicode(gust_handler *h, const char *name, gust_str text)
{
    if (text.len > 40) {
        text.len = 40;
    }
    return gust_handler_error(h, 400, "Invalid unicode in %s: %.*s", name, GUST_FMT(text));
}

/* An argument as it came -> *out_value. What has no escapes is used where it
 * lies: a request line holds no controls. */
static int decode_value(gust_handler *h, const char *name, gust_str raw, bool strip,
                        gust_str *out_value)
{
    gust_str value = raw;
    if (raw.len > 0 &&
        (memchr(raw.ptr, '%', raw.len) != NULL || memchr(raw.ptr, '+', raw.len) != NULL)) {
        char *text = gust_arena_alloc(gust_handler_arena(h), raw.len);
        GUST_CHECK(text != NULL, -ENOMEM);
        value = gust_str_make(text, gust_url_unescape(text, raw, true));
        blank_controls(text, value.len);
    }
    if (!gust_utf8_is_valid(value)) {
        return refuse_unicode(h, name, value);
    }
    *out_value = strip ? strip_space(value) : value;
    return 0;
}

/* ---- the query ---------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Is `raw`, undone as gust_url_unescape() does it, `name`? */
static bool name_is(gust_str raw, gust_str name)
{
    size_t at = 0;
    for (size_t i = 0; i < raw.len; i++, at++) {
        char c = raw.ptr[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%' && raw.len - i > 2) {
            int high = hex_digit(raw.ptr[i + 1]), low = hex_digit(raw.ptr[i + 2]);
            if (high >= 0 && low >= 0) {
                c = (char)(high << 4 | low);
                i += 2;
            }
        }
        if (at >= name.len || name.ptr[at] != c) {
            return false;
        }
    }
    return at == name.len;
}

/* How many values has `name`, and which is the last one? 400 for a query with
 * too many arguments. */
static int query_find(gust_handler *h, const char *name, gust_str *out_last, size_t *out_count)
{
    gust_query query = gust_query_make(gust_request_query(h->request));
    gust_str wanted = gust_str_from(name), raw_name, raw_value;
    size_t count = 0;
    for (size_t seen = 0; gust_query_next(&query, &raw_name, &raw_value); seen++) {
        if (seen == GUST_DEFAULT_MAX_ARGUMENTS) {
            return gust_handler_error(h, 400, "Too many arguments");
        }
        if (name_is(raw_name, wanted)) {
            *out_last = raw_value;
            count++;
        }
    }
    *out_count = count;
    return 0;
}

int gust_handler_get_query_argument_or(gust_handler *h, const char *name, gust_str otherwise,
                                       gust_str *out_value)
{
    gust_str raw = {NULL, 0};
    size_t count = 0;
    GUST_TRY(query_find(h, name, &raw, &count));
    if (count == 0) {
        *out_value = otherwise;
        return 0;
    }
    return decode_value(h, name, raw, true, out_value);
}

int gust_handler_get_query_argument(gust_handler *h, const char *name, gust_str *out_value)
{
    gust_str value = {NULL, 0};
    GUST_TRY(gust_handler_get_query_argument_or(h, name, value, &value));
    if (value.ptr == NULL) {
        return gust_handler_error(h, 400, "Missing argument %s", name);
    }
    *out_value = value;
    return 0;
}

int gust_handler_get_query_arguments(gust_handler *h, const char *name, bool strip,
                                     const gust_str **out_values, size_t *out_count)
{
    gust_str raw = {NULL, 0};
    size_t count = 0, at = 0;
    GUST_TRY(query_find(h, name, &raw, &count));
    gust_str *values = gust_arena_alloc(gust_handler_arena(h), (count + 1) * sizeof(gust_str));
    GUST_CHECK(values != NULL, -ENOMEM);
    gust_query query = gust_query_make(gust_request_query(h->request));
    gust_str wanted = gust_str_from(name), raw_name;
    while (at < count && gust_query_next(&query, &raw_name, &raw)) {
        if (name_is(raw_name, wanted)) {
            GUST_TRY(decode_value(h, name, raw, strip, &values[at++]));
        }
    }
    *out_values = values;
    *out_count = count;
    return 0;
}

/* ---- query and form ----------------------------------------------------------- */

int gust_handler_get_argument(gust_handler *h, const char *name, gust_str *out_value)
{
    return gust_handler_get_query_argument(h, name, out_value);
}

int gust_handler_get_argument_or(gust_handler *h, const char *name, gust_str otherwise,
                                 gust_str *out_value)
{
    return gust_handler_get_query_argument_or(h, name, otherwise, out_value);
}

int gust_handler_get_arguments(gust_handler *h, const char *name, bool strip,
                               const gust_str **out_values, size_t *out_count)
{
    return gust_handler_get_query_arguments(h, name, strip, out_values, out_count);
}

/* ---- the path ----------------------------------------------------------------- */

int gust__path_args_decode(gust_handler *h)
{
    gust_str *args = (gust_str *)(uintptr_t)h->path_args;
    for (uint32_t i = 0; i < h->rule->arg_count; i++) {
        gust_str value;
        GUST_TRY(gust_url_unescape_arena(gust_handler_arena(h), args[i], false, &value));
        if (!gust_utf8_is_valid(value)) {
            return refuse_unicode(h, "url", value);
        }
        args[i] = value;
    }
    return 0;
}

gust_str gust_handler_path_arg(const gust_handler *h, const char *name)
{
    gust_str wanted = gust_str_from(name);
    for (uint32_t i = 0; i < h->rule->arg_count; i++) {
        if (gust_str_eq(h->rule->arg_names[i], wanted)) {
            return h->path_args[i];
        }
    }
    return gust_str_make(NULL, 0);
}

/* Escaping. Text that needs none goes over in one piece: each function copies
 * the run up to the next byte that must change. */
#include <gust/escape.h>

#include <gust/errors.h>

static const char hex_digits[17] = "0123456789ABCDEF";

/* --- HTML ------------------------------------------------------------------------ */

static gust_str entity_of(char c)
{
    switch (c) {
    case '&': return GUST_STR("&amp;");
    case '<': return GUST_STR("&lt;");
    case '>': return GUST_STR("&gt;");
    case '"': return GUST_STR("&quot;");
    case '\'': return GUST_STR("&#x27;");
    default: return gust_str_make(NULL, 0);
    }
}

static int xhtml_escape(gust_buf *out, gust_str text)
{
    size_t from = 0;
    for (size_t at = 0; at < text.len; at++) {
        gust_str entity = entity_of(text.ptr[at]);
        if (entity.len != 0) {
            GUST_TRY(gust_buf_append(out, gust_str_make(text.ptr + from, at - from)));
            GUST_TRY(gust_buf_append(out, entity));
            from = at + 1;
        }
    }
    return gust_buf_append(out, gust_str_skip(text, from));
}

/* A failure half way takes back what was appended. */
static int undo_unless_ok(gust_buf *out, size_t len_before, int status)
{
    if (status != 0) {
        out->len = len_before;
    }
    return status;
}

int gust_xhtml_escape(gust_buf *out, gust_str text)
{
    size_t before = out->len;
    return undo_unless_ok(out, before, xhtml_escape(out, text));
}

/* --- URLs ------------------------------------------------------------------------- */

static bool is_unreserved(char c)
{
    unsigned u = (unsigned char)c;
    return (u | 0x20) - 'a' < 26 || u - '0' < 10 || c == '_' || c == '.' || c == '-' || c == '~';
}

static int put_percent(gust_buf *out, char c)
{
    unsigned u = (unsigned char)c;
    char text[3] = {'%', hex_digits[u >> 4], hex_digits[u & 15]};
    return gust_buf_append(out, gust_str_make(text, sizeof(text)));
}

static int put_url_byte(gust_buf *out, char c, bool plus)
{
    return plus && c == ' ' ? gust_buf_append_byte(out, '+') : put_percent(out, c);
}

static int url_escape(gust_buf *out, gust_str text, bool plus)
{
    size_t from = 0;
    for (size_t at = 0; at < text.len; at++) {
        char c = text.ptr[at];
        if (!is_unreserved(c) && (plus || c != '/')) {
            GUST_TRY(gust_buf_append(out, gust_str_make(text.ptr + from, at - from)));
            GUST_TRY(put_url_byte(out, c, plus));
            from = at + 1;
        }
    }
    return gust_buf_append(out, gust_str_skip(text, from));
}

int gust_url_escape(gust_buf *out, gust_str text, bool plus)
{
    size_t before = out->len;
    return undo_unless_ok(out, before, url_escape(out, text, plus));
}

/* 0..15, or -1. */
static int hex_value(char c)
{
    unsigned u = (unsigned char)c;
    if (u - '0' < 10) {
        return (int)(u - '0');
    }
    u |= 0x20;
    return u - 'a' < 6 ? (int)(u - 'a' + 10) : -1;
}

/* The byte that text.ptr[at...] stands for, or -1 where it is no escape. */
static int percent_value(gust_str text, size_t at)
{
    if (text.ptr[at] != '%' || text.len - at < 3) {
        return -1;
    }
    int high = hex_value(text.ptr[at + 1]);
    int low = hex_value(text.ptr[at + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

size_t gust_url_unescape(char *out, gust_str text, bool plus)
{
    size_t to = 0;
    for (size_t at = 0; at < text.len; at++) {
        int value = percent_value(text, at);
        if (value >= 0) {
            out[to++] = (char)(unsigned char)value;
            at += 2;
        } else {
            out[to++] = plus && text.ptr[at] == '+' ? ' ' : text.ptr[at];
        }
    }
    return to;
}

int gust_url_unescape_arena(gust_arena *arena, gust_str text, bool plus, gust_str *out_text)
{
    bool is_plain = gust_str_find_byte(text, '%') == SIZE_MAX &&
                    (!plus || gust_str_find_byte(text, '+') == SIZE_MAX);
    if (is_plain) {
        *out_text = text;
        return 0;
    }
    char *copy = gust_arena_alloc(arena, text.len);
    if (copy == NULL) {
        return -ENOMEM;
    }
    *out_text = gust_str_make(copy, gust_url_unescape(copy, text, plus));
    return 0;
}

/* --- queries ---------------------------------------------------------------------- */

bool gust_query_next(gust_query *query, gust_str *out_name, gust_str *out_value)
{
    gust_str pair;
    do {
        if (!gust_str_split(&query->rest, '&', &pair)) {
            return false;
        }
    } while (pair.len == 0);
    size_t equals = gust_str_find_byte(pair, '=');
    if (equals == SIZE_MAX) {
        *out_name = pair;
        *out_value = gust_str_make(pair.ptr + pair.len, 0);
    } else {
        *out_name = gust_str_make(pair.ptr, equals);
        *out_value = gust_str_skip(pair, equals + 1);
    }
    return true;
}

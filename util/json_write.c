/* The JSON writer.
 *
 * Each call is: may a value stand here, what separates it from the one before,
 * the value. The first failure stays in `status` and turns all later calls into
 * nothing, so the caller checks once. */
#include <gust/json.h>

#include <gust/errors.h>
#include <gust/utf8.h>

#include "util/decimal_internal.h"

static void fail(gust_json_writer *w, int status)
{
    if (w->status == 0) {
        w->status = status;
    }
}

static void put(gust_json_writer *w, gust_str text)
{
    if (w->status == 0) {
        w->status = gust_buf_append(w->out, text);
    }
}

static bool has(const gust_json_writer *w, unsigned flag)
{
    return (w->flags & flag) != 0;
}

void gust_json_writer_init(gust_json_writer *w, gust_buf *out, unsigned flags)
{
    *w = (gust_json_writer){.out = out, .flags = flags};
}

int gust_json_writer_finish(const gust_json_writer *w)
{
    return w->status != 0 || w->is_done ? w->status : GUST_ESTATE;
}

/* --- structure -------------------------------------------------------------------- */

static bool in_object(const gust_json_writer *w)
{
    return w->depth > 0 && (w->is_object[(w->depth - 1) / 8] >> (w->depth - 1) % 8 & 1) != 0;
}

static void put_line(gust_json_writer *w)
{
    put(w, GUST_STR("\n"));
    for (unsigned i = 0; i < w->depth; i++) {
        put(w, GUST_STR("    "));
    }
}

/* Between the items of a container, and in front of the first. */
static void put_separator(gust_json_writer *w)
{
    if (w->has_items) {
        put(w, has(w, GUST_JSON_PRETTY | GUST_JSON_COMPACT) ? GUST_STR(",") : GUST_STR(", "));
    }
    if (has(w, GUST_JSON_PRETTY)) {
        put_line(w);
    }
}

/* False where no value may stand. */
static bool begin_value(gust_json_writer *w)
{
    bool wants_key = in_object(w) && !w->has_key;
    if (wants_key || w->is_done) {
        fail(w, GUST_ESTATE);
    }
    if (w->depth > 0 && !in_object(w)) {
        put_separator(w);
    }
    return w->status == 0;
}

static void end_value(gust_json_writer *w)
{
    w->has_key = false;
    w->has_items = true;
    w->is_done = w->depth == 0;
}

static void put_value(gust_json_writer *w, gust_str text)
{
    if (begin_value(w)) {
        put(w, text);
        end_value(w);
    }
}

static void begin_container(gust_json_writer *w, bool is_object, gust_str bracket)
{
    if (!begin_value(w)) {
        return;
    }
    if (w->depth == GUST_JSON_MAX_OPEN) {
        fail(w, GUST_ESTATE);
        return;
    }
    put(w, bracket);
    uint8_t bit = (uint8_t)(1U << w->depth % 8);
    uint8_t *bits = &w->is_object[w->depth / 8];
    *bits = (uint8_t)(is_object ? *bits | bit : *bits & ~bit);
    w->depth++;
    w->has_items = false;
    w->has_key = false;
}

static void end_container(gust_json_writer *w, bool is_object, gust_str bracket)
{
    if (w->depth == 0 || in_object(w) != is_object || w->has_key) {
        fail(w, GUST_ESTATE);
    }
    if (w->status != 0) {
        return;
    }
    w->depth--;
    if (has(w, GUST_JSON_PRETTY) && w->has_items) {
        put_line(w);
    }
    put(w, bracket);
    end_value(w);
}

void gust_json_begin_object(gust_json_writer *w)
{
    begin_container(w, true, GUST_STR("{"));
}

void gust_json_end_object(gust_json_writer *w)
{
    end_container(w, true, GUST_STR("}"));
}

void gust_json_begin_array(gust_json_writer *w)
{
    begin_container(w, false, GUST_STR("["));
}

void gust_json_end_array(gust_json_writer *w)
{
    end_container(w, false, GUST_STR("]"));
}

/* --- strings ---------------------------------------------------------------------- */

/* What stands for one byte or character; large enough for a surrogate pair. */
struct escape {
    char text[12];
    size_t len;
};

static void add_u(struct escape *e, uint32_t unit)
{
    char *at = e->text + e->len;
    at[0] = '\\';
    at[1] = 'u';
    for (int i = 0; i < 4; i++) {
        at[2 + i] = "0123456789abcdef"[unit >> (12 - 4 * i) & 15];
    }
    e->len += 6;
}

static struct escape escape_code(uint32_t code)
{
    struct escape e = {.len = 0};
    if (code >= 0x10000) {
        add_u(&e, 0xd800 + ((code - 0x10000) >> 10));
        add_u(&e, 0xdc00 + (code & 0x3ff));
    } else {
        add_u(&e, code);
    }
    return e;
}

/* The letter of a two-character escape, or 0. */
static char letter_of(unsigned char c)
{
    static const char letters[] = "btn\0fr"; /* 08, 09, 0A, -, 0C, 0D */
    if (c >= 8 && c <= 13) {
        return letters[c - 8];
    }
    return c == '"' || c == '\\' ? (char)c : '\0';
}

static struct escape escape_ascii(unsigned char c)
{
    char letter = c == '/' ? '/' : letter_of(c);
    if (letter == '\0') {
        return escape_code(c);
    }
    return (struct escape){.text = {'\\', letter}, .len = 2};
}

/* Must the ASCII byte at `at` be escaped? A slash only after "<". */
static bool is_special(const gust_json_writer *w, gust_str s, size_t at)
{
    unsigned char c = (unsigned char)s.ptr[at];
    if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f) {
        return true;
    }
    if (has(w, GUST_JSON_HTML)) {
        return c == '<' || c == '>' || c == '&';
    }
    return c == '/' && at > 0 && s.ptr[at - 1] == '<';
}

static bool is_raw(const gust_json_writer *w, uint32_t code)
{
    bool ends_line = code == 0x2028 || code == 0x2029; /* in JavaScript before 2019 */
    return has(w, GUST_JSON_RAW_UTF8) && !(ends_line && has(w, GUST_JSON_HTML));
}

/* Bytes from `at` on that are written as they are. */
static size_t plain_run(const gust_json_writer *w, gust_str s, size_t at)
{
    size_t end = at;
    while (end < s.len && (unsigned char)s.ptr[end] < 0x80 && !is_special(w, s, end)) {
        end++;
    }
    return end - at;
}

/* Write the character at `at`, which is not plain. Returns its length. */
static size_t put_character(gust_json_writer *w, gust_str s, size_t at)
{
    unsigned char c = (unsigned char)s.ptr[at];
    uint32_t code = c;
    size_t n = c < 0x80 ? 1 : gust_utf8_decode(gust_str_skip(s, at), &code);
    if (n == 0) {
        fail(w, GUST_EUTF8);
        return s.len - at;
    }
    if (n > 1 && is_raw(w, code)) {
        put(w, gust_str_make(s.ptr + at, n));
        return n;
    }
    struct escape e = n == 1 ? escape_ascii(c) : escape_code(code);
    put(w, gust_str_make(e.text, e.len));
    return n;
}

static void put_string(gust_json_writer *w, gust_str s)
{
    put(w, GUST_STR("\""));
    size_t at = 0;
    while (at < s.len && w->status == 0) {
        size_t run = plain_run(w, s, at);
        put(w, gust_str_make(s.ptr + at, run));
        at += run;
        if (at < s.len) {
            at += put_character(w, s, at);
        }
    }
    put(w, GUST_STR("\""));
}

void gust_json_key(gust_json_writer *w, gust_str name)
{
    if (!in_object(w) || w->has_key) {
        fail(w, GUST_ESTATE);
    }
    if (w->status != 0) {
        return;
    }
    put_separator(w);
    put_string(w, name);
    put(w, has(w, GUST_JSON_COMPACT) ? GUST_STR(":") : GUST_STR(": "));
    w->has_key = true;
}

/* --- values ------------------------------------------------------------------------ */

void gust_json_null(gust_json_writer *w)
{
    put_value(w, GUST_STR("null"));
}

void gust_json_bool(gust_json_writer *w, bool value)
{
    put_value(w, value ? GUST_STR("true") : GUST_STR("false"));
}

void gust_json_uint(gust_json_writer *w, uint64_t value)
{
    char text[20];
    put_value(w, gust_str_make(text, gust_u64_to_dec(text, value)));
}

void gust_json_int(gust_json_writer *w, int64_t value)
{
    char text[21];
    size_t minus = value < 0;
    text[0] = '-';
    uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;
    put_value(w, gust_str_make(text, minus + gust_u64_to_dec(text + minus, size)));
}

void gust_json_double(gust_json_writer *w, double value)
{
    if (!(value - value == 0)) { /* infinities and NaN */
        fail(w, -EDOM);
        return;
    }
    char text[GUST__DOUBLE_TEXT_MAX];
    put_value(w, gust_str_make(text, gust__double_to_text(text, value)));
}

void gust_json_str(gust_json_writer *w, gust_str value)
{
    if (begin_value(w)) {
        put_string(w, value);
        end_value(w);
    }
}

void gust_json_raw(gust_json_writer *w, gust_str json)
{
    put_value(w, json);
}

static void write_array(gust_json_writer *w, const gust_json *value)
{
    gust_json_begin_array(w);
    for (uint32_t i = 0; i < value->count && w->status == 0; i++) {
        gust_json_value(w, &value->as.array.items[i]);
    }
    gust_json_end_array(w);
}

static void write_object(gust_json_writer *w, const gust_json *value)
{
    gust_json_begin_object(w);
    for (uint32_t i = 0; i < value->count && w->status == 0; i++) {
        const gust_json_member *member = &value->as.object.members[i];
        gust_json_key(w, member->name);
        gust_json_value(w, &member->value);
    }
    gust_json_end_object(w);
}

/* As deep as the tree: the writer refuses more than GUST_JSON_MAX_OPEN. */
void gust_json_value(gust_json_writer *w, const gust_json *value)
{
    switch (value->type) {
    case GUST_JSON_NULL: gust_json_null(w); break;
    case GUST_JSON_BOOL: gust_json_bool(w, value->as.boolean); break;
    case GUST_JSON_INT: gust_json_int(w, value->as.integer); break;
    case GUST_JSON_DOUBLE: gust_json_double(w, value->as.number); break;
    case GUST_JSON_STRING: gust_json_str(w, value->as.string); break;
    case GUST_JSON_ARRAY: write_array(w, value); break;
    case GUST_JSON_OBJECT: write_object(w, value); break;
    }
}

void gust_json_member_str(gust_json_writer *w, const char *name, gust_str value)
{
    gust_json_key(w, gust_str_from(name));
    gust_json_str(w, value);
}

void gust_json_member_int(gust_json_writer *w, const char *name, int64_t value)
{
    gust_json_key(w, gust_str_from(name));
    gust_json_int(w, value);
}

void gust_json_member_bool(gust_json_writer *w, const char *name, bool value)
{
    gust_json_key(w, gust_str_from(name));
    gust_json_bool(w, value);
}

/* The JSON reader.
 *
 * No recursion: a stack of slots holds the values of all open containers, one
 * behind the other, and a stack of frames says where each container began. When
 * a container ends, its items move to the arena, in one array of the exact size,
 * and the container's own slot gets it.
 *
 *   [1, {"a": 2, "b": [     slots:  root  1  {}  a:2  b:      frames: root, {}, b
 *
 * Strings lie behind one another in one block of the arena: decoding makes no
 * string longer, so the size of the rest of the text is enough for all. */
#include "util/json_internal.h"

#include <gust/errors.h>
#include <gust/hash.h>
#include <gust/utf8.h>

#include "util/alloc_internal.h"
#include "util/arena_internal.h"
#include "util/check_internal.h"
#include "util/decimal_internal.h"

struct frame {
    size_t slot; /* the container's own; its items are the slots behind it */
    bool is_object;
};

struct parser {
    gust_str text;
    size_t at; /* the next byte */
    gust_arena *arena;
    gust_json_limits limits;
    gust_json_member *slots; /* an item of an array has no name */
    size_t slot_count, slot_cap;
    struct frame *frames;
    size_t frame_count, frame_cap;
    size_t values;
    char *string_room; /* NULL until the first string */
};

static int peek(const struct parser *p)
{
    return p->at < p->text.len ? (unsigned char)p->text.ptr[p->at] : -1;
}

static void skip_space(struct parser *p)
{
    int c = peek(p);
    while (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
        p->at++;
        c = peek(p);
    }
}

static bool take(struct parser *p, char c)
{
    bool is_there = peek(p) == (unsigned char)c;
    p->at += is_there;
    return is_there;
}

/* --- strings ------------------------------------------------------------------------ */

static int hex_value(int c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits of a \u escape. */
static int read_unit(struct parser *p, uint32_t *out_unit)
{
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        int value = peek(p) < 0 ? -1 : hex_value(peek(p));
        GUST_CHECK(value >= 0, GUST_ESYNTAX);
        unit = unit << 4 | (uint32_t)value;
        p->at++;
    }
    *out_unit = unit;
    return 0;
}

/* Behind "\u". Half of a surrogate pair stands for no character. */
static int read_code(struct parser *p, uint32_t *out_code)
{
    uint32_t high;
    GUST_TRY(read_unit(p, &high));
    *out_code = high;
    if (high < 0xd800 || high > 0xdfff) {
        return 0;
    }
    uint32_t low;
    GUST_CHECK(high < 0xdc00 && take(p, '\\') && take(p, 'u'), GUST_EUTF8);
    GUST_TRY(read_unit(p, &low));
    GUST_CHECK(low >= 0xdc00 && low <= 0xdfff, GUST_EUTF8);
    *out_code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    return 0;
}

static char simple_escape(int c)
{
    static const char names[] = "\"\\/bfnrt";
    static const char bytes[] = "\"\\/\b\f\n\r\t";
    for (size_t i = 0; i < sizeof(names) - 1; i++) {
        if (c == names[i]) {
            return bytes[i];
        }
    }
    return '\0';
}

/* Behind the backslash; *to is moved behind what was written. */
static int read_escape(struct parser *p, char **to)
{
    if (take(p, 'u')) {
        uint32_t code;
        GUST_TRY(read_code(p, &code));
        *to += gust_utf8_encode(*to, code);
        return 0;
    }
    char byte = simple_escape(peek(p));
    GUST_CHECK(byte != '\0', GUST_ESYNTAX);
    p->at++;
    *(*to)++ = byte;
    return 0;
}

/* Copy up to the next quote, backslash or control character. */
static void read_run(struct parser *p, char **to)
{
    const char *from = p->text.ptr + p->at;
    size_t n = 0;
    size_t left = p->text.len - p->at;
    while (n < left && from[n] != '"' && from[n] != '\\' && (unsigned char)from[n] >= 0x20) {
        n++;
    }
    memcpy(*to, from, n);
    *to += n;
    p->at += n;
}

static int make_string_room(struct parser *p)
{
    if (p->string_room == NULL) {
        p->string_room = gust__arena_alloc(p->arena, p->text.len - p->at + 1);
    }
    return p->string_room == NULL ? -ENOMEM : 0;
}

/* Behind the opening quote. */
static int read_string(struct parser *p, gust_str *out)
{
    GUST_TRY(make_string_room(p));
    char *start = p->string_room;
    char *to = start;
    for (;;) {
        read_run(p, &to);
        if (take(p, '"')) {
            break;
        }
        GUST_CHECK(take(p, '\\'), GUST_ESYNTAX);
        GUST_TRY(read_escape(p, &to));
    }
    *to = '\0';
    p->string_room = to + 1;
    *out = gust_str_make(start, (size_t)(to - start));
    return 0;
}

/* --- numbers and words ----------------------------------------------------------------- */

static size_t skip_digits(struct parser *p)
{
    size_t from = p->at;
    while (peek(p) >= '0' && peek(p) <= '9') {
        p->at++;
    }
    return p->at - from;
}

static bool skip_integer(struct parser *p)
{
    (void)take(p, '-');
    return take(p, '0') || skip_digits(p) > 0;
}

/* The fraction and the exponent, where there are any. */
static bool skip_tail(struct parser *p, bool *is_integer)
{
    if (take(p, '.')) {
        *is_integer = false;
        if (skip_digits(p) == 0) {
            return false;
        }
    }
    if (take(p, 'e') || take(p, 'E')) {
        *is_integer = false;
        (void)(take(p, '+') || take(p, '-'));
        return skip_digits(p) > 0;
    }
    return true;
}

static bool to_int64(gust_str number, int64_t *out)
{
    bool minus = number.ptr[0] == '-';
    uint64_t max = (uint64_t)INT64_MAX + minus;
    uint64_t size;
    if (gust_str_to_u64(gust_str_skip(number, minus), max, &size) != 0) {
        return false;
    }
    *out = !minus ? (int64_t)size : size == 0 ? 0 : -(int64_t)(size - 1) - 1;
    return true;
}

static int read_number(struct parser *p, gust_json *out)
{
    size_t from = p->at;
    bool is_integer = true;
    GUST_CHECK(skip_integer(p) && skip_tail(p, &is_integer), GUST_ESYNTAX);
    gust_str number = gust_str_make(p->text.ptr + from, p->at - from);
    out->type = GUST_JSON_INT;
    if (is_integer && to_int64(number, &out->as.integer)) {
        return 0;
    }
    out->type = GUST_JSON_DOUBLE;
    int status = gust__text_to_double(number, &out->as.number);
    p->at = status == 0 ? p->at : from;
    return status;
}

static int read_word(struct parser *p, gust_json *out)
{
    gust_str rest = gust_str_skip(p->text, p->at);
    if (gust_str_starts_with(rest, GUST_STR("null"))) {
        p->at += 4;
        return 0;
    }
    out->type = GUST_JSON_BOOL;
    out->as.boolean = gust_str_starts_with(rest, GUST_STR("true"));
    if (out->as.boolean || gust_str_starts_with(rest, GUST_STR("false"))) {
        p->at += out->as.boolean ? 4 : 5;
        return 0;
    }
    return GUST_ESYNTAX;
}

static int read_scalar(struct parser *p, gust_json *out)
{
    int c = peek(p);
    if (c == '"') {
        p->at++;
        out->type = GUST_JSON_STRING;
        return read_string(p, &out->as.string);
    }
    return c == '-' || (c >= '0' && c <= '9') ? read_number(p, out) : read_word(p, out);
}

/* --- containers -------------------------------------------------------------------------- */

static struct frame *top_frame(const struct parser *p)
{
    return &p->frames[p->frame_count - 1];
}

/* A place for the next value: null, until it is read. */
static int push_slot(struct parser *p, gust_str name)
{
    size_t need = p->slot_count + 1;
    GUST_CHECK(++p->values <= p->limits.max_values, GUST_ETOOBIG);
    GUST_TRY(gust__grow((void **)&p->slots, &p->slot_cap, need, sizeof(*p->slots)));
    p->slots[p->slot_count++] = (gust_json_member){.name = name};
    return 0;
}

/* The arrays of the arena; NULL for none at all. */
static int allocate(struct parser *p, size_t count, size_t size, void **out)
{
    size_t bytes;
    *out = NULL;
    if (count == 0) {
        return 0;
    }
    GUST_CHECK(gust__size_mul(count, size, &bytes), -ENOMEM);
    *out = gust__arena_alloc(p->arena, bytes);
    return *out == NULL ? -ENOMEM : 0;
}

static int make_array(struct parser *p, const gust_json_member *from, size_t n, gust_json *out)
{
    void *items;
    GUST_TRY(allocate(p, n, sizeof(gust_json), &items));
    *out = (gust_json){.type = GUST_JSON_ARRAY, .count = (uint32_t)n};
    out->as.array.items = items;
    for (size_t i = 0; i < n; i++) {
        out->as.array.items[i] = from[i].value;
    }
    return 0;
}

/* Of members with one name the first keeps its place and gets the last value.
 * Returns how many are left. */
static size_t merge_few(gust_json_member *members, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = 0;
        while (at < kept && !gust_str_eq(members[at].name, members[i].name)) {
            at++;
        }
        members[at] = members[i];
        kept += at == kept;
    }
    return kept;
}

static size_t merge_indexed(gust_json_member *members, size_t n, uint32_t *index,
                            const uint8_t key[16])
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t *slot = gust__json_find_slot(index, members, members[i].name, key);
        if (*slot != 0) {
            members[*slot - 1].value = members[i].value;
            continue;
        }
        members[kept++] = members[i];
        *slot = (uint32_t)kept;
    }
    return kept;
}

/* An empty index for n members. */
static int make_index(struct parser *p, size_t n, uint32_t **out)
{
    size_t slots = 16;
    while (slots < 2 * n) {
        slots *= 2;
    }
    void *index;
    GUST_TRY(allocate(p, slots + 1, sizeof(uint32_t), &index));
    memset(index, 0, (slots + 1) * sizeof(uint32_t));
    *out = index;
    (*out)[0] = (uint32_t)(slots - 1);
    return 0;
}

static int make_object(struct parser *p, gust_json_member *from, size_t n, gust_json *out)
{
    uint32_t *index = NULL;
    if (n <= GUST__JSON_SMALL_OBJECT) {
        n = merge_few(from, n);
    } else {
        uint8_t key[16];
        GUST_TRY(gust_hash_key(key));
        GUST_TRY(make_index(p, n, &index));
        n = merge_indexed(from, n, index, key);
    }
    void *members;
    GUST_TRY(allocate(p, n, sizeof(gust_json_member), &members));
    if (n > 0) {
        memcpy(members, from, n * sizeof(*from));
    }
    *out = (gust_json){.type = GUST_JSON_OBJECT, .count = (uint32_t)n};
    out->as.object.members = members;
    out->as.object.index = index;
    return 0;
}

/* Behind the closing bracket. */
static int end_container(struct parser *p)
{
    struct frame frame = *top_frame(p);
    gust_json_member *first = p->slots + frame.slot + 1;
    size_t n = p->slot_count - frame.slot - 1;
    gust_json *own = &p->slots[frame.slot].value;
    GUST_TRY(frame.is_object ? make_object(p, first, n, own) : make_array(p, first, n, own));
    p->slot_count = frame.slot + 1;
    p->frame_count--;
    return 0;
}

/* The next item's place: in an object its name is read first. */
static int begin_item(struct parser *p)
{
    struct frame frame = *top_frame(p);
    if (!frame.is_object) {
        return push_slot(p, gust_str_make(NULL, 0));
    }
    GUST_CHECK(p->slot_count - frame.slot <= p->limits.max_members, GUST_ETOOBIG);
    gust_str name;
    skip_space(p);
    GUST_CHECK(take(p, '"'), GUST_ESYNTAX);
    GUST_TRY(read_string(p, &name));
    skip_space(p);
    GUST_CHECK(take(p, ':'), GUST_ESYNTAX);
    return push_slot(p, name);
}

static bool take_closing(struct parser *p)
{
    skip_space(p);
    return take(p, top_frame(p)->is_object ? '}' : ']');
}

/* Behind an opening bracket, whose value is the newest slot. Sets *is_open where
 * an item is to be read. */
static int begin_container(struct parser *p, bool is_object, bool *is_open)
{
    size_t need = p->frame_count + 1;
    GUST_CHECK(need <= p->limits.max_depth, GUST_ETOOBIG);
    GUST_TRY(gust__grow((void **)&p->frames, &p->frame_cap, need, sizeof(*p->frames)));
    p->frames[p->frame_count++] = (struct frame){p->slot_count - 1, is_object};
    *is_open = !take_closing(p);
    return *is_open ? begin_item(p) : end_container(p);
}

/* --- the whole ------------------------------------------------------------------------------ */

/* Read what belongs into the newest slot. *is_open as in begin_container. */
static int read_value(struct parser *p, bool *is_open)
{
    *is_open = false;
    skip_space(p);
    if (take(p, '{')) {
        return begin_container(p, true, is_open);
    }
    if (take(p, '[')) {
        return begin_container(p, false, is_open);
    }
    return read_scalar(p, &p->slots[p->slot_count - 1].value);
}

/* Behind a value: close what ends here. *is_open where another item follows. */
static int go_on(struct parser *p, bool *is_open)
{
    *is_open = false;
    while (p->frame_count > 0) {
        if (!take_closing(p)) {
            GUST_CHECK(take(p, ','), GUST_ESYNTAX);
            *is_open = true;
            return begin_item(p);
        }
        GUST_TRY(end_container(p));
    }
    return 0;
}

static int read_all(struct parser *p)
{
    GUST_TRY(push_slot(p, gust_str_make(NULL, 0)));
    bool is_open = true;
    while (is_open) {
        GUST_TRY(read_value(p, &is_open));
        if (!is_open) {
            GUST_TRY(go_on(p, &is_open));
        }
    }
    skip_space(p);
    return p->at == p->text.len ? 0 : GUST_ESYNTAX;
}

/* The checks that need no parser, and the first byte that is not UTF-8. */
static int check_text(struct parser *p)
{
    if (p->text.len > p->limits.max_bytes) {
        p->at = p->limits.max_bytes;
        return GUST_ETOOBIG;
    }
    if (gust_utf8_is_valid(p->text)) {
        return 0;
    }
    uint32_t code;
    size_t n;
    while ((n = gust_utf8_decode(gust_str_skip(p->text, p->at), &code)) != 0) {
        p->at += n;
    }
    return GUST_EUTF8;
}

static size_t limit_or(size_t limit, size_t otherwise)
{
    return limit != 0 ? limit : otherwise;
}

/* A count has to fit the 32 bits that a value has for it. */
static gust_json_limits complete_limits(const gust_json_limits *limits)
{
    gust_json_limits given = limits != NULL ? *limits : (gust_json_limits){0};
    size_t values = limit_or(given.max_values, GUST_DEFAULT_JSON_MAX_VALUES);
    return (gust_json_limits){
        .max_bytes = limit_or(given.max_bytes, GUST_DEFAULT_JSON_MAX_BYTES),
        .max_depth = limit_or(given.max_depth, GUST_DEFAULT_JSON_MAX_DEPTH),
        .max_members = limit_or(given.max_members, GUST_DEFAULT_JSON_MAX_MEMBERS),
        .max_values = values < INT32_MAX / 2 ? values : INT32_MAX / 2,
    };
}

static int finish(struct parser *p, const gust_json **out_value)
{
    void *root;
    GUST_TRY(allocate(p, 1, sizeof(gust_json), &root));
    memcpy(root, &p->slots[0].value, sizeof(gust_json));
    *out_value = root;
    return 0;
}

int gust_json_parse(gust_str text, gust_arena *arena, const gust_json_limits *limits,
                    const gust_json **out_value, size_t *out_at)
{
    struct parser p = {.text = text, .arena = arena, .limits = complete_limits(limits)};
    int status = check_text(&p);
    if (status == 0) {
        status = read_all(&p);
    }
    if (status == 0) {
        status = finish(&p, out_value);
    }
    if (status != 0 && out_at != NULL) {
        *out_at = p.at;
    }
    gust__free(p.slots);
    gust__free(p.frames);
    return status;
}

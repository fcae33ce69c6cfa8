/* gust_headers: the list of fields of a response. */
#include <gust/headers.h>
#include <gust/errors.h>
#include <gust/httpnames.h>

#include "util/arena_internal.h"
#include "util/check_internal.h"

/* tchar of RFC 9110 5.6.2. */
static bool is_token_byte(unsigned char c)
{
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        return true;
    }
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

bool gust_header_name_is_valid(gust_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!is_token_byte((unsigned char)name.ptr[i])) {
            return false;
        }
    }
    return name.len > 0;
}

static bool is_value_byte(unsigned char c)
{
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

/* Might one of eight bytes be below 0x20 or be 0x7f? May err towards yes. */
static bool word_is_suspect(const char *bytes)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t highs = UINT64_C(0x8080808080808080);
    uint64_t w;
    memcpy(&w, bytes, sizeof w);
    uint64_t low = (w - ones * 0x20) & ~w;
    uint64_t del = w ^ (ones * 0x7f);
    return ((low | ((del - ones) & ~del)) & highs) != 0;
}

bool gust_header_value_is_valid(gust_str value)
{
    size_t i = 0;
    while (i + 8 <= value.len && !word_is_suspect(value.ptr + i)) {
        i += 8;
    }
    for (; i < value.len; i++) {
        if (!is_value_byte((unsigned char)value.ptr[i])) {
            return false;
        }
    }
    return true;
}

void gust_headers_init(gust_headers *h, gust_arena *arena)
{
    *h = (gust_headers){.arena = arena};
}

static int check_field(gust_str name, gust_str value)
{
    GUST_CHECK(gust_header_name_is_valid(name) && gust_header_value_is_valid(value), GUST_EHEADER);
    return 0;
}

static int grow(gust_headers *h)
{
    size_t capacity = h->capacity == 0 ? 8 : h->capacity * 2;
    GUST_CHECK(h->arena != NULL, -ENOMEM);
    gust_header *items = gust_arena_alloc(h->arena, capacity * sizeof *items);
    if (items == NULL) {
        return -ENOMEM;
    }
    if (h->count > 0) {
        memcpy(items, h->items, h->count * sizeof *items);
    }
    h->items = items;
    h->capacity = capacity;
    return 0;
}

static int append(gust_headers *h, gust_str name, gust_str value)
{
    if (h->count == h->capacity) {
        GUST_TRY(grow(h));
    }
    h->items[h->count++] = (gust_header){name, value, (uint8_t)gust_http_name_lookup(name)};
    return 0;
}

static int copy_field(gust_headers *h, gust_str *name, gust_str *value)
{
    GUST_CHECK(h->arena != NULL, -ENOMEM);
    *name = gust_arena_copy(h->arena, *name);
    *value = gust_arena_copy(h->arena, *value);
    return name->ptr == NULL || value->ptr == NULL ? -ENOMEM : 0;
}

int gust_headers_add(gust_headers *h, gust_str name, gust_str value)
{
    GUST_TRY(check_field(name, value));
    GUST_TRY(copy_field(h, &name, &value));
    return append(h, name, value);
}

int gust_headers_add_borrowed(gust_headers *h, gust_str name, gust_str value)
{
    GUST_TRY(check_field(name, value));
    return append(h, name, value);
}

int gust_headers_set(gust_headers *h, gust_str name, gust_str value)
{
    GUST_TRY(check_field(name, value));
    GUST_TRY(copy_field(h, &name, &value));
    if (h->count == h->capacity) {
        GUST_TRY(grow(h)); /* before anything is lost */
    }
    gust_headers_remove(h, name);
    return append(h, name, value);
}

void gust_headers_remove(gust_headers *h, gust_str name)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->count; i++) {
        if (!gust_str_case_eq(h->items[i].name, name)) {
            h->items[kept++] = h->items[i];
        }
    }
    h->count = kept;
}

gust_str gust_headers_get(const gust_headers *h, gust_str name)
{
    for (size_t i = 0; i < h->count; i++) {
        if (gust_str_case_eq(h->items[i].name, name)) {
            return h->items[i].value;
        }
    }
    return gust_str_make(NULL, 0);
}

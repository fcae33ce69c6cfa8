/* gust_headers: the list of fields of a response. */
#include <gust/headers.h>
#include <gust/errors.h>
#include <gust/httpnames.h>

#include "httpserver/http_scan_internal.h"
#include "util/arena_internal.h"
#include "util/check_internal.h"

bool gust_header_name_is_valid(gust_str name)
{
    const char *end = name.ptr + name.len;
    return name.len > 0 && gust__scan_class(name.ptr, end, GUST__CHAR_TOKEN) == end;
}

/* Whole blocks, the last one over bytes that were seen where need be. A stop is a
 * hint only. */
static bool has_no_stop(const char *at, size_t len)
{
    const char *last = at + len - GUST__SCAN_BLOCK;
    for (; at < last; at += GUST__SCAN_BLOCK) {
        if (gust__stops_value(at) != 0) {
            return false;
        }
    }
    return gust__stops_value(last) == 0;
}

bool gust_header_value_is_valid(gust_str value)
{
    if (value.len >= GUST__SCAN_BLOCK && has_no_stop(value.ptr, value.len)) {
        return true;
    }
    const char *end = value.ptr + value.len;
    return value.len == 0 || gust__scan_class(value.ptr, end, GUST__CHAR_VALUE) == end;
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

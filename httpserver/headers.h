/* gust_headers: an ordered list of header fields.
 *
 * What a response is built with. Names compare without case and keep the
 * spelling and the order that they were given in; a name may occur several
 * times. Every name and value is checked when it goes in: a name is a token,
 * a value holds HTAB, 0x20-0x7E and 0x80-0xFF only, so that no string of a user
 * can end a line (RFC 9110 5.5).
 *
 * All memory comes from the arena given at init and goes with it.
 *
 * Thread: the owner's. Source: tornado.httputil.HTTPHeaders. */
#ifndef GUST_HEADERS_H
#define GUST_HEADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gust/arena.h>
#include <gust/str.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gust_header {
    gust_str name;
    gust_str value;
    uint8_t id; /* enum gust_http_name, or 0 for a name that is not well known */
} gust_header;

/* The list; {0} is a valid empty one that can't grow. Read it, but change it
 * through the functions only. */
typedef struct gust_headers {
    gust_header *items;
    size_t count;
    size_t capacity;
    gust_arena *arena;
} gust_headers;

/* An empty list whose memory will come from `arena`. */
void gust_headers_init(gust_headers *h, gust_arena *arena);

/* Append a field, or replace all of that name by one. Both strings are copied.
 * Returns 0, GUST_EHEADER for a byte that is not allowed, -ENOMEM. */
int gust_headers_add(gust_headers *h, gust_str name, gust_str value);
int gust_headers_set(gust_headers *h, gust_str name, gust_str value);

/* The same without a copy: both strings must live as long as the list, as
 * literals do. */
int gust_headers_add_borrowed(gust_headers *h, gust_str name, gust_str value);

/* Remove all fields of that name; harmless where there is none. */
void gust_headers_remove(gust_headers *h, gust_str name);

/* The first value of that name; ptr is NULL where there is none. */
gust_str gust_headers_get(const gust_headers *h, gust_str name);

/* Is `name` a token, and `value` free of what may not stand in a value? */
bool gust_header_name_is_valid(gust_str name);
bool gust_header_value_is_valid(gust_str value);

#ifdef __cplusplus
}
#endif

#endif

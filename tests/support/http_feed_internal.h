/* Feeding the request parser and the chunked decoder in pieces, and comparing
 * what came out.
 *
 * Each piece is laid anew before a page that can't be read, with the promised
 * padding between, so that a load too far is a fault, and an offset taken for a
 * pointer is noticed. The padding is full of line ends and colons, which must
 * not be believed. */
#ifndef GUST_TESTS_HTTP_FEED_INTERNAL_H
#define GUST_TESTS_HTTP_FEED_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "httpserver/chunked_internal.h"
#include "httpserver/http_parse_internal.h"

enum { HTTP_FEED_FIELDS = 100 };

/* A parser under test: the library's, or the one without vectors. */
struct http_machine {
    void (*init)(struct gust__http_parser *p, struct gust__http_field *fields, uint16_t max_fields,
                 size_t max_header_size, size_t max_request_line);
    ptrdiff_t (*parse)(struct gust__http_parser *p, const char *data, size_t len);
    bool remembers; /* the last good Host, from one head to the next */
};
extern const struct http_machine http_machine;
extern const struct http_machine http_machine_with_memory;
extern const struct http_machine http_machine_without_vectors;

/* What came out of a head. */
struct http_head {
    ptrdiff_t verdict; /* as gust__http_parse_request() returned last */
    size_t fed;        /* bytes that it had seen by then */
    struct gust__http_parser p;
    struct gust__http_field fields[HTTP_FEED_FIELDS];
};

/* Feed `first` bytes, then `step` more each time, until there is a verdict or
 * all `len` were seen. step 0: all the rest. */
void http_feed_head(const struct http_machine *m, const char *data, size_t len, size_t first,
                    size_t step, struct http_head *out);

/* The same verdict, text and outcome? `fed` is not compared. */
bool http_head_same(const struct http_head *a, const struct http_head *b);

/* An accepted head's outcome as http_rows.h writes it, then a line "name=value"
 * for each field; malloc'd. */
char *http_head_text(const struct http_head *h, const char *data);

/* What came out of a chunked body. */
struct http_body {
    int event; /* as gust__chunked_feed() returned last */
    size_t fed;
    size_t taken;
    char *payload; /* malloc'd */
    size_t payload_len, payload_cap;
    char *trailer; /* "name=value|name=value", malloc'd, or NULL */
    const char *error;
};

/* With room for max_fields trailer fields of max_size bytes. Bytes that were not
 * taken are offered again, in front of new ones. */
void http_feed_body(const char *data, size_t len, size_t first, size_t step, int64_t max_body,
                    uint16_t max_fields, size_t max_size, struct http_body *out);
bool http_body_same(const struct http_body *a, const struct http_body *b);
void http_body_deinit(struct http_body *b);

/* "name=value|name=value" of fields from..count-1; malloc'd. */
char *http_fields_text(const char *data, const struct gust__http_field *fields, size_t from,
                       size_t count);

#endif

/* The rules that http_parse.c asks while it reads; see http_rules.c.
 *
 * Each returns true, or false after it has put status and text into the parser
 * with gust__http_fail(). */
#ifndef GUST_HTTP_RULES_INTERNAL_H
#define GUST_HTTP_RULES_INTERNAL_H

#include <stdbool.h>

#include "httpserver/http_parse_internal.h"

/* Names that gust__http_field_rule() wants to see: 1 .. this one. */
#define GUST__HTTP_LAST_RULED GUST_HTTP_UPGRADE

/* Of them, those that may come once, and those that frame the body; as bits of
 * parser.seen. */
#define GUST__HTTP_FRAMING (1u << GUST_HTTP_CONTENT_LENGTH | 1u << GUST_HTTP_TRANSFER_ENCODING)
#define GUST__HTTP_SINGLE                                                                          \
    (GUST__HTTP_FRAMING | 1u << GUST_HTTP_HOST | 1u << GUST_HTTP_CONTENT_TYPE |                    \
     1u << GUST_HTTP_AUTHORIZATION)

/* Note an error; returns false. */
bool gust__http_fail(struct gust__http_parser *p, int status, const char *error);

/* The request line is complete: find the form of its target (T1-T5). */
bool gust__http_target_rule(struct gust__http_parser *p, const char *data);

/* A field with a number up to GUST__HTTP_LAST_RULED is complete. */
bool gust__http_field_rule(struct gust__http_parser *p, const char *data,
                           struct gust__http_field *f);

/* A trailer field is complete and counted: refuse it, or take it back (C7). */
bool gust__http_trailer_rule(struct gust__http_parser *p, uint8_t id);

/* The head is complete: framing, persistence, expectation. */
bool gust__http_any_head_rule(struct gust__http_parser *p, const char *data);

/* The same, at once where Host alone says something. */
static inline bool gust__http_head_rule(struct gust__http_parser *p, const char *data)
{
    if (p->seen == 1u << GUST_HTTP_HOST && p->minor > 0) {
        p->keep_alive = true;
        p->upgrade = false;
        p->expect_continue = false;
        return true;
    }
    return gust__http_any_head_rule(p, data);
}

#endif

/* The rules that http_parse.c asks while it reads; see http_rules.c.
 *
 * Each returns true, or false after it has put status and text into the parser
 * with gust__http_fail(). */
#ifndef GUST_HTTP_RULES_INTERNAL_H
#define GUST_HTTP_RULES_INTERNAL_H

#include <stdbool.h>

#include "httpserver/http_parse_internal.h"
#include "httpserver/httpnames_internal.h"

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
bool gust__http_any_field_rule(struct gust__http_parser *p, const char *data,
                               struct gust__http_field *f);

/* Is it the Host that the last request had? Loads up to seven bytes behind it. */
static inline bool gust__http_host_is_known(const struct gust__http_known_host *known,
                                            const char *host, uint32_t len)
{
    if (known == NULL || len == 0 || known->len != len) {
        return false;
    }
    uint64_t diff = 0;
    const char *text = known->text;
    for (; len > 8; len -= 8) {
        diff |= gust__load64(host) ^ gust__load64(text);
        host += 8;
        text += 8;
    }
    return (diff | ((gust__load64(host) ^ gust__load64(text)) & gust__first_bytes(len))) == 0;
}

/* The same, at once for a first Host that is the last request's. */
static inline bool gust__http_field_rule(struct gust__http_parser *p, const char *data,
                                         struct gust__http_field *f)
{
    uint32_t at = f->value;
    uint32_t len = f->value_len;
    if (f->id != GUST_HTTP_HOST || p->form != GUST__HTTP_ORIGIN || p->host_field != UINT16_MAX ||
        !gust__http_host_is_known(p->known_host, data + at, len)) {
        return gust__http_any_field_rule(p, data, f);
    }
    p->seen |= 1u << GUST_HTTP_HOST;
    p->host_field = (uint16_t)(f - p->fields);
    p->host_port = p->known_host->port;
    p->host.at = at;
    p->host.len = len;
    p->host_name.at = at;
    p->host_name.len = p->known_host->name_len;
    return true;
}

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

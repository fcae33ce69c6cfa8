/* Escaping for HTML and URLs, and reading a query.
 *
 * The functions that append to a gust_buf return as gust_buf_append does and
 * leave the buffer as it was when they fail.
 *
 * Thread: any. */
#ifndef GUST_ESCAPE_H
#define GUST_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

#include <gust/arena.h>
#include <gust/buf.h>
#include <gust/str.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Append `text` for use in HTML, in an element or a quoted attribute:
 * & < > " ' become &amp; &lt; &gt; &quot; &#x27;, all else passes unchanged. */
int gust_xhtml_escape(gust_buf *out, gust_str text);

/* Append `text` for use in a URL. A-Z a-z 0-9 _ . - ~ stay, all else becomes
 * %XX with upper-case digits.
 *
 * plus  true: as in a query: space becomes +, / becomes %2F.
 *       false: as in a path: space becomes %20, / stays. */
int gust_url_escape(gust_buf *out, gust_str text, bool plus);

/* Undo %XX, and where `plus` is true + for space. A % that two hexadecimal
 * digits don't follow stays as it is; the result may be any bytes.
 *
 * out  room for text.len bytes; may be text.ptr itself
 * Returns the number of bytes written; no NUL is added. */
size_t gust_url_unescape(char *out, gust_str text, bool plus);

/* The same into an arena. Where nothing was escaped *out_text is `text` itself,
 * still borrowed. Returns 0 or -ENOMEM. */
int gust_url_unescape_arena(gust_arena *arena, gust_str text, bool plus, gust_str *out_text);

/* A position in a query or a form body: the part that is not read yet. */
typedef struct gust_query {
    gust_str rest;
} gust_query;

/* The beginning of `text`, without the "?". */
static inline gust_query gust_query_make(gust_str text)
{
    gust_query query;
    query.rest = text;
    return query;
}

/* The next name and value, both still escaped: see gust_url_unescape(plus = true).
 *
 * Only & separates (a ; is data); "a" and "a=" both have the empty value; of
 * "a&&b" the empty piece in the middle is skipped; a name may be empty.
 * Returns false at the end. */
bool gust_query_next(gust_query *query, gust_str *out_name, gust_str *out_value);

#ifdef __cplusplus
}
#endif

#endif

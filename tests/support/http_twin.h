/* The rules for request heads a second time: regular expressions after the ABNF
 * of RFC 9110, 9112 and 3986 on whole lines, with no thought of speed or of input
 * in pieces. Nothing is shared with the library, so that a slip in one shows as a
 * difference to the other. */
#ifndef GUST_TESTS_HTTP_TWIN_H
#define GUST_TESTS_HTTP_TWIN_H

#include <stddef.h>

enum http_twin_verdict {
    HTTP_TWIN_INCOMPLETE, /* no blank line; perhaps wrong already */
    HTTP_TWIN_REFUSED,
    HTTP_TWIN_ACCEPTED
};

/* Judge the head at the start of `data`, with limits of 100 fields, 65,536 bytes
 * and 8,192 in the request line. After HTTP_TWIN_ACCEPTED *out_text is malloc'd:
 * the outcome as http_rows.h writes it, then a line "name=value" for each field. */
enum http_twin_verdict http_twin(const char *data, size_t len, char **out_text);

#endif

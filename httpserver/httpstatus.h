/* HTTP status codes and their phrases.
 *
 * Thread: any; the table is constant. Source: tornado.httputil.responses. */
#ifndef GUST_HTTPSTATUS_H
#define GUST_HTTPSTATUS_H

#include <gust/str.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The phrase that goes with a status: "Not Found" for 404.
 *
 * RFC 9110's words, with those of RFC 2518, 4918, 5842, 6585, 7725, 8297 and
 * 8470 for the codes it leaves to them. "Unknown" for every other number.
 * Static, ends in NUL, never empty. */
gust_str gust_http_reason(int status);

#ifdef __cplusplus
}
#endif

#endif

/* Dates of HTTP (RFC 9110 5.6.7), always GMT, never the locale.
 *
 * Times are seconds since 1970-01-01 00:00:00 UTC without leap seconds, which
 * may be negative; the calendar is the Gregorian one, also for the years before
 * it was in use.
 *
 * Thread: any. */
#ifndef GUST_HTTPDATE_H
#define GUST_HTTPDATE_H

#include <stdint.h>

#include <gust/str.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GUST_HTTPDATE_LEN 29

/* Write "Sun, 06 Nov 1994 08:49:37 GMT": 29 bytes, no NUL.
 * Returns 0; -ERANGE outside the years 0 to 9999, `out` is then untouched. */
int gust_httpdate_format(char out[GUST_HTTPDATE_LEN], int64_t unix_seconds);

/* Read any of the three forms that RFC 9110 knows:
 *
 *   Sun, 06 Nov 1994 08:49:37 GMT     the one that is written today
 *   Sunday, 06-Nov-94 08:49:37 GMT    RFC 850; of two-digit years the one that
 *                                     is less than 50 years ahead of now
 *   Sun Nov  6 08:49:37 1994          asctime(3)
 *
 * Names are case-sensitive, as the RFC says; the weekday must be one, but is
 * not compared with the date. Second 60 is the first one of the next minute.
 * Numeric zones, other zones and days that don't exist are refused.
 *
 * Returns 0, or -EINVAL with *out_unix_seconds untouched: the caller ignores
 * the field then. */
int gust_httpdate_parse(gust_str text, int64_t *out_unix_seconds);

/* The same, where the reader of an RFC 850 date says what now is. */
int gust_httpdate_parse_at(gust_str text, int64_t now_unix_seconds, int64_t *out_unix_seconds);

#ifdef __cplusplus
}
#endif

#endif

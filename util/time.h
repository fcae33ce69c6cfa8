/* gust_time: nanoseconds in an int64_t.
 *
 * A point in time is on the loop's monotonic clock, whose zero means nothing;
 * a duration is the difference of two. 292 years fit. The wall clock counts
 * from 1970-01-01 00:00:00 UTC and is always called so. */
#ifndef GUST_TIME_H
#define GUST_TIME_H

#include <stdint.h>

typedef int64_t gust_time;

/* Durations: GUST_SECONDS(1.5), whose argument may have a fraction, and
 * GUST_MILLIS(50), whose may not. */
#define GUST_SECONDS(s) ((gust_time)((s)*1000000000.0))
#define GUST_MILLIS(ms) ((gust_time)(ms)*1000000)

/* A deadline that never comes. */
#define GUST_NEVER INT64_MAX

#endif

/* For tests of what logs: the wall clock of the rate limit and the time stamps. */
#ifndef GUST_LOG_INTERNAL_H
#define GUST_LOG_INTERNAL_H

#include <stdint.h>

/* Nanoseconds since 1970 come from fn; NULL: from the system again. */
void gust__log_set_clock(int64_t (*fn)(void));

#endif

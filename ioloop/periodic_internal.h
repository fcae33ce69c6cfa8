/* The grid of a periodic callback, by itself for its tests. */
#ifndef GUST_PERIODIC_INTERNAL_H
#define GUST_PERIODIC_INTERNAL_H

#include <gust/time.h>

/* The beat after `next`, which was due: the first of the grid next + n * period
 * that is later than `now`. Where the clock went back behind `next`, just one
 * period on, so that a jump makes no burst. */
gust_time gust__periodic_next(gust_time next, gust_time now, gust_time period);

#endif

/* A callback that runs again and again, on a fixed grid.
 *
 * The first call comes one period after start(). A run that takes longer than
 * the period skips the beats that it covered; calls never queue up. With
 * jitter each period is drawn anew from period * (1 - jitter/2 ..
 * 1 + jitter/2), so that many processes do not fire together.
 *
 * Free it before its loop.
 *
 * Thread: the loop's. Source: tornado.ioloop.PeriodicCallback. */
#ifndef GUST_PERIODIC_H
#define GUST_PERIODIC_H

#include <stdbool.h>

#include <gust/ioloop.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gust_periodic gust_periodic;
typedef void gust_periodic_fn(gust_periodic *periodic, void *user);

/* Make one; it does not run yet.
 *
 * period  > 0
 * jitter  0 .. 1
 * Returns 0, -EINVAL, -ENOMEM. */
int gust_periodic_new(gust_ioloop *loop, gust_time period, double jitter, gust_periodic_fn *fn,
                      void *user, gust_periodic **out_periodic);

/* Stop it and free it; allowed inside fn. NULL is allowed. */
void gust_periodic_free(gust_periodic *periodic);

/* Begin; nothing happens when it runs already. Returns 0, -ENOMEM, GUST_ECLOSED
 * after the loop was closed. */
int gust_periodic_start(gust_periodic *periodic);

/* End; no call comes any more. Allowed inside fn. */
void gust_periodic_stop(gust_periodic *periodic);

/* Between start and stop? */
bool gust_periodic_is_running(const gust_periodic *periodic);

#ifdef __cplusplus
}
#endif

#endif

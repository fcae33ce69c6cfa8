/* Periodic callbacks, after tornado/ioloop.py: PeriodicCallback. */
#include <gust/periodic.h>

#include "ioloop/ioloop_internal.h"
#include "ioloop/periodic_internal.h"
#include "util/alloc_internal.h"

struct gust_periodic {
    gust_timer timer;
    gust_ioloop *loop;
    gust_periodic_fn *fn;
    void *user;
    gust_time period;
    gust_time next; /* the beat that the timer waits for */
    double jitter;
    bool running;
    bool calling; /* fn is on the stack: */
    bool doomed;  /* free() waits for it */
};

gust_time gust__periodic_next(gust_time next, gust_time now, gust_time period)
{
    if (next > now) {
        return next + period;
    }
    return next + ((now - next) / period + 1) * period;
}

/* The period until the next beat. Without random bytes it is the plain one. */
static gust_time drawn_period(const gust_periodic *periodic)
{
    const gust_sys *sys = gust_ioloop_sys(periodic->loop);
    uint64_t bits;
    if (periodic->jitter <= 0 || sys->random(sys, &bits, sizeof(bits)) != 0) {
        return periodic->period;
    }
    double unit = (double)(bits >> 11) * 0x1p-53; /* 0 <= unit < 1 */
    double drawn = (double)periodic->period * (1 + periodic->jitter * (unit - 0.5));
    return drawn < 1 ? 1 : (gust_time)drawn;
}

static int schedule(gust_periodic *periodic, gust_time now);

/* The next beat is armed before the call, when it is certain to need no memory,
 * and moved on after it, when the call has taken longer than a period. */
static void periodic_on_timer(gust_ioloop *loop, gust_timer *timer)
{
    gust_periodic *periodic = GUST_CONTAINER_OF(timer, gust_periodic, timer);
    (void)schedule(periodic, gust_ioloop_time(loop));
    gust_time armed = periodic->next;
    periodic->calling = true;
    periodic->fn(periodic, periodic->user);
    periodic->calling = false;
    if (periodic->doomed) {
        gust__free(periodic);
        return;
    }
    gust_time now = gust_ioloop_time(loop);
    if (periodic->running && periodic->next == armed && armed <= now) {
        (void)schedule(periodic, now);
    }
}

static int schedule(gust_periodic *periodic, gust_time now)
{
    gust_time next = gust__periodic_next(periodic->next, now, drawn_period(periodic));
    GUST_TRY(gust_ioloop_arm(periodic->loop, &periodic->timer, next, periodic_on_timer));
    periodic->next = next;
    return 0;
}

int gust_periodic_new(gust_ioloop *loop, gust_time period, double jitter, gust_periodic_fn *fn,
                      void *user, gust_periodic **out_periodic)
{
    GUST_CHECK(fn != NULL && period > 0 && jitter >= 0 && jitter <= 1, -EINVAL);
    gust_periodic *periodic = gust__malloc(sizeof(*periodic));
    if (periodic == NULL) {
        return -ENOMEM;
    }
    *periodic = (gust_periodic){
        .loop = loop, .fn = fn, .user = user, .period = period, .jitter = jitter};
    *out_periodic = periodic;
    return 0;
}

void gust_periodic_free(gust_periodic *periodic)
{
    if (periodic == NULL) {
        return;
    }
    gust_periodic_stop(periodic);
    if (periodic->calling) {
        periodic->doomed = true;
    } else {
        gust__free(periodic);
    }
}

int gust_periodic_start(gust_periodic *periodic)
{
    if (periodic->running) {
        return 0;
    }
    gust_time now = gust_ioloop_time(periodic->loop);
    periodic->next = now;
    GUST_TRY(schedule(periodic, now));
    periodic->running = true;
    return 0;
}

void gust_periodic_stop(gust_periodic *periodic)
{
    if (periodic->running) {
        gust_ioloop_disarm(periodic->loop, &periodic->timer);
        periodic->running = false;
    }
}

bool gust_periodic_is_running(const gust_periodic *periodic)
{
    return periodic->running;
}

/* A clock that the test owns: a gust_sys whose time passes only when a loop
 * would wait, and then at once.
 *
 * wait() asks the kernel what is ready now. Where nothing is, time jumps to the
 * end of the wait: a day of timeouts passes in a moment, in the right order and
 * between the same events each time. What a test waits for must therefore come
 * out of the same thread, by loopback sockets, pipes or timers. A wait without an
 * end, for which no time could be chosen, is given to the kernel for 10 s at most
 * and then fails with -ETIMEDOUT: a test that hangs fails.
 *
 *     struct clock clock;
 *     clock_init(&clock, NULL);
 *     gust_ioloop_new(&(gust_ioloop_options){.sys = &clock.sys}, &loop);
 *
 * Thread: that of the loop. */
#ifndef TESTS_CLOCK_H
#define TESTS_CLOCK_H

#include <stdint.h>

#include <gust/sys.h>

struct clock {
    gust_sys sys; /* first: the double */
    const gust_sys *under;
    gust_time now;          /* monotonic: begins at 1000 s; set it as you like */
    gust_time wall;         /* begins at 2026-01-01; both move together in wait() */
    gust_time last_timeout; /* of the newest wait, as it was asked for */
    unsigned long waits;
    gust_time pace; /* each look at now() takes so long: 0 */
};

/* under  what really acts: NULL is the real kernel, or another double */
void clock_init(struct clock *clock, const gust_sys *under);

/* Let time pass, as a long-running callback would. */
void clock_advance(struct clock *clock, gust_time by);

#endif

/* A poller: one kernel readiness interface behind one table of functions.
 *
 * What it does: keeps a set of descriptors, each with a mask of wanted events
 * and a generation, and waits until some are ready. Semantics to the loop are
 * level-triggered and the same on all of them (see "delivers" below).
 *
 * To add one: write the file, add a line to the table in poller.c, run
 * `make check-pollers`. */
#ifndef GUST_POLLER_INTERNAL_H
#define GUST_POLLER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gust/ioloop.h>

/* Marks a descriptor as being in the set even when its mask is GUST_NONE;
 * masks given to set() are 0 (not in the set) or GUST__REGISTERED | events. */
#define GUST__REGISTERED 0x100u

/* One event that wait() delivers.
 *
 * fd          as registered
 * generation  as registered with it, so that an event for a descriptor that
 *             was closed and reused within the batch reaches nobody
 * events      a subset of READ | WRITE | ERROR:
 *               data, end of stream, hang-up or error while READ is wanted -> READ
 *               writable, hang-up or error while WRITE is wanted         -> WRITE
 *               error, and hang-up unless only READ is wanted            -> ERROR too
 *             so the orderly end of a stream that is only read is READ alone;
 *             a descriptor with mask NONE gets ERROR only
 * error       a positive errno that the kernel gave with the event, or 0 */
struct gust_poll_event {
    int fd;
    uint32_t generation;
    unsigned events;
    int error;
};

struct gust_poller {
    const struct gust__poller_ops *ops;
};

struct gust__poller_ops {
    const char *name; /* "epoll", "kqueue", "devpoll", "poll" */

    /* Make a poller. Returns 0, -ENOMEM, -errno of the kernel, -ENOSYS where
     * the kernel hasn't got it. */
    int (*create)(struct gust_poller **out_poller);

    /* Free it and its descriptor. */
    void (*destroy)(struct gust_poller *poller);

    /* Change what is wanted of `fd` from `from` to `to` (see GUST__REGISTERED).
     * With to == 0 the change has reached the kernel on return, since close(2)
     * follows; it never fails then. Otherwise it may be written as late as the
     * next wait(). Returns 0 or -errno: -EPERM for what can't be polled,
     * -ENOSPC, -ENOMEM; the set is then unchanged. */
    int (*set)(struct gust_poller *poller, int fd, uint32_t generation, unsigned from, unsigned to);

    /* Wait. timeout in nanoseconds, rounded up to the kernel's unit; negative:
     * for ever. Returns the number of events, at most max, or -errno (-EINTR
     * is no failure). */
    int (*wait)(struct gust_poller *poller, gust_time timeout, struct gust_poll_event *events,
                int max);

    /* The descriptor of the poller itself, for embedding in another loop; -1
     * where there is none. */
    int (*fd)(const struct gust_poller *poller);
};

/* Make the poller called `name`, or with NULL the one that GUST_POLLER in the
 * environment names, or else the best that works here.
 * Returns 0, -EINVAL for an unknown name, or as create(). */
int gust__poller_new(const char *name, struct gust_poller **out_poller);

/* The names of those that this build has, by preference; NULL after the last. */
const char *gust__poller_name(size_t index);

/* For the pollers themselves. */

/* What to deliver, by the rules above. ready: READ and WRITE as the kernel says. */
unsigned gust__poller_events(unsigned ready, bool error, bool hangup, unsigned wanted);

/* A timeout in whole milliseconds, rounded up; -1 for ever. */
int gust__poller_millis(gust_time timeout);

extern const struct gust__poller_ops gust__poller_epoll;
extern const struct gust__poller_ops gust__poller_poll;

#endif

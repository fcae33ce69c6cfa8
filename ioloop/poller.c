/* The table of pollers, which one to take, and what all of them share. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ioloop/poller_internal.h"
#include "util/check_internal.h"

/* By preference; the last one works everywhere. */
static const struct gust__poller_ops *const pollers[] = {
#if defined(__linux__)
    &gust__poller_epoll,
#endif
    &gust__poller_poll,
};

#define POLLERS (sizeof(pollers) / sizeof(pollers[0]))

static int poller_by_name(const char *name, struct gust_poller **out_poller)
{
    for (size_t i = 0; i < POLLERS; i++) {
        if (strcmp(pollers[i]->name, name) == 0) {
            return pollers[i]->create(out_poller);
        }
    }
    return -EINVAL;
}

static int poller_by_preference(struct gust_poller **out_poller)
{
    int code = -ENOSYS;
    for (size_t i = 0; i < POLLERS && code == -ENOSYS; i++) {
        code = pollers[i]->create(out_poller);
    }
    return code;
}

int gust__poller_new(const char *name, struct gust_poller **out_poller)
{
    if (name == NULL) {
        name = getenv("GUST_POLLER");
    }
    if (name != NULL && name[0] != '\0') {
        return poller_by_name(name, out_poller);
    }
    return poller_by_preference(out_poller);
}

const char *gust__poller_name(size_t index)
{
    return index < POLLERS ? pollers[index]->name : NULL;
}

int gust__poller_millis(gust_time timeout)
{
    if (timeout < 0) {
        return -1;
    }
    gust_time millis = timeout / 1000000 + (timeout % 1000000 != 0);
    return millis > INT_MAX ? INT_MAX : (int)millis;
}

/* A hang-up alone is the orderly end of what is read; who only writes, or wants
 * nothing, learns of it as an error. */
unsigned gust__poller_events(unsigned ready, bool error, bool hangup, unsigned wanted)
{
    unsigned both = wanted & (GUST_READ | GUST_WRITE);
    ready &= both;
    if (error) {
        return GUST_ERROR | both;
    }
    if (!hangup) {
        return ready;
    }
    return both == GUST_READ ? GUST_READ : GUST_ERROR | both;
}

/* epoll(7), level-triggered.
 *
 * Changes go to the kernel at once. The user data of a registration holds all
 * that an event needs, so nothing is looked up here:
 *
 *     63       52 51           32 31          0
 *     | wanted   | generation    | descriptor |
 */
#if defined(__linux__)

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "ioloop/poller_internal.h"
#include "util/alloc_internal.h"
#include "util/check_internal.h"

struct epoll_poller {
    struct gust_poller poller;
    int fd;
};

/* The masks are epoll's own numbers; an event that is neither an error nor a
 * hang-up is passed on as it is. */
_Static_assert((int)GUST_READ == (int)EPOLLIN, "masks differ from epoll's");
_Static_assert((int)GUST_WRITE == (int)EPOLLOUT, "masks differ from epoll's");
/* wait() lets the kernel write into the caller's array */
_Static_assert(sizeof(struct epoll_event) <= sizeof(struct gust_poll_event), "events overlap");

static int epoll_poller_create(struct gust_poller **out_poller)
{
    struct epoll_poller *self = gust__malloc(sizeof(*self));
    if (self == NULL) {
        return -ENOMEM;
    }
    self->poller.ops = &gust__poller_epoll;
    self->fd = epoll_create1(EPOLL_CLOEXEC);
    if (self->fd < 0) {
        gust__free(self);
        return -errno;
    }
    *out_poller = &self->poller;
    return 0;
}

static void epoll_poller_destroy(struct gust_poller *poller)
{
    struct epoll_poller *self = GUST_CONTAINER_OF(poller, struct epoll_poller, poller);
    close(self->fd);
    gust__free(self);
}

static int epoll_poller_set(struct gust_poller *poller, int fd, uint32_t generation, unsigned from,
                            unsigned to)
{
    const struct epoll_poller *self = GUST_CONTAINER_OF(poller, struct epoll_poller, poller);
    struct epoll_event event;
    memset(&event, 0, sizeof(event));
    event.events = to & (GUST_READ | GUST_WRITE);
    event.data.u64 = (uint64_t)to << 52 | (uint64_t)generation << 32 | (uint32_t)fd;
    int change = to == 0 ? EPOLL_CTL_DEL : from == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    return epoll_ctl(self->fd, change, fd, &event) == 0 ? 0 : -errno;
}

static void event_from_epoll(struct gust_poll_event *out, const struct epoll_event *in)
{
    uint64_t data = in->data.u64;
    unsigned events = in->events;
    if (GUST_UNLIKELY((events & (EPOLLERR | EPOLLHUP)) != 0)) {
        events = gust__poller_events(events, (events & EPOLLERR) != 0, true,
                                     (unsigned)(data >> 52));
    }
    out->fd = (int)(uint32_t)data;
    out->generation = (uint32_t)(data >> 32) & 0xfffffu;
    out->events = events;
    out->error = 0;
}

/* The kernel's events, which are no larger than ours, are received at the end of
 * the caller's array and turned into ours from the front: event i is written up
 * to byte 16 * i + 16 at most, and those still to be read begin behind it. */
static int epoll_poller_wait(struct gust_poller *poller, gust_time timeout,
                             struct gust_poll_event *events, int max)
{
    const struct epoll_poller *self = GUST_CONTAINER_OF(poller, struct epoll_poller, poller);
    const size_t size = sizeof(struct epoll_event);
    char *received = (char *)events + (size_t)max * (sizeof(*events) - size);
    int count = epoll_wait(self->fd, (struct epoll_event *)(void *)received, max,
                           gust__poller_millis(timeout));
    if (count < 0) {
        return -errno;
    }
    for (int i = 0; i < count; i++) {
        struct epoll_event event;
        memcpy(&event, received + (size_t)i * size, size);
        event_from_epoll(&events[i], &event);
    }
    return count;
}

static int epoll_poller_fd(const struct gust_poller *poller)
{
    return GUST_CONTAINER_OF(poller, const struct epoll_poller, poller)->fd;
}

const struct gust__poller_ops gust__poller_epoll = {
    .name = "epoll",
    .create = epoll_poller_create,
    .destroy = epoll_poller_destroy,
    .set = epoll_poller_set,
    .wait = epoll_poller_wait,
    .fd = epoll_poller_fd,
};

#else
typedef int gust__no_epoll_here;
#endif

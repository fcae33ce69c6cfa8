/* poll(2): works everywhere, costs a walk over all descriptors for each wait.
 *
 * The pollfds lie densely, with what belongs to each in a second array, and a
 * table by descriptor says where. Removal moves the last one into the hole;
 * events are copied out before they are delivered, so nothing moves under a
 * walk. */
#include <poll.h>
#include <sys/stat.h>

#include "ioloop/poller_internal.h"
#include "util/alloc_internal.h"
#include "util/check_internal.h"

struct poll_entry {
    int fd;
    uint32_t wanted : 12;
    uint32_t generation : 20;
};

/* 1. where[entries[i].fd] == i + 1 for each i < count; all others are 0
 * 2. where[] is written for fd < where_count only */
struct poll_poller {
    struct gust_poller poller;
    struct pollfd *fds;
    struct poll_entry *entries;
    uint32_t *where;
    size_t fds_capacity;
    size_t entries_capacity;
    size_t where_capacity;
    size_t where_count;
    size_t count;
    size_t start; /* where the next walk begins, so that a full batch starves nobody */
};

static void check(const struct poll_poller *self, size_t at)
{
    GUST_ASSERT(self->count <= self->fds_capacity && self->count <= self->entries_capacity);
    GUST_ASSERT(at >= self->count || self->where[self->entries[at].fd] == at + 1);
    (void)self;
    (void)at;
}

static struct poll_poller *self_of(struct gust_poller *poller)
{
    return GUST_CONTAINER_OF(poller, struct poll_poller, poller);
}

static int poll_poller_create(struct gust_poller **out_poller)
{
    struct poll_poller *self = gust__calloc(1, sizeof(*self));
    if (self == NULL) {
        return -ENOMEM;
    }
    self->poller.ops = &gust__poller_poll;
    *out_poller = &self->poller;
    return 0;
}

static void poll_poller_destroy(struct gust_poller *poller)
{
    struct poll_poller *self = self_of(poller);
    gust__free(self->fds);
    gust__free(self->entries);
    gust__free(self->where);
    gust__free(self);
}

/* poll(2) calls a regular file always ready and a wrong descriptor an event;
 * the others refuse both. */
static int refuse_unpollable(int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return -errno;
    }
    return S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) ? -EPERM : 0;
}

static int reach(struct poll_poller *self, int fd)
{
    void *fds = self->fds;
    void *entries = self->entries;
    void *where = self->where;
    size_t need = self->count + 1;
    if (need > self->fds_capacity) {
        GUST_TRY(gust__grow(&fds, &self->fds_capacity, need, sizeof(*self->fds)));
        self->fds = fds;
    }
    if (need > self->entries_capacity) {
        GUST_TRY(gust__grow(&entries, &self->entries_capacity, need, sizeof(*self->entries)));
        self->entries = entries;
    }
    if ((size_t)fd >= self->where_capacity) {
        GUST_TRY(gust__grow(&where, &self->where_capacity, (size_t)fd + 1, sizeof(*self->where)));
        self->where = where;
    }
    while (self->where_count <= (size_t)fd) {
        self->where[self->where_count++] = 0;
    }
    return 0;
}

static short poll_mask(unsigned wanted)
{
    return (short)(((wanted & GUST_READ) != 0 ? POLLIN : 0) |
                   ((wanted & GUST_WRITE) != 0 ? POLLOUT : 0));
}

static void put(struct poll_poller *self, size_t at, int fd, uint32_t generation, unsigned wanted)
{
    self->fds[at] = (struct pollfd){.fd = fd, .events = poll_mask(wanted)};
    self->entries[at] = (struct poll_entry){
        .fd = fd, .wanted = wanted & 0xfffu, .generation = generation & 0xfffffu};
    self->where[fd] = (uint32_t)at + 1;
    check(self, at);
}

static void take_out(struct poll_poller *self, int fd)
{
    size_t at = self->where[fd] - 1;
    size_t last = --self->count;
    self->where[fd] = 0;
    if (at != last) {
        self->fds[at] = self->fds[last];
        self->entries[at] = self->entries[last];
        self->where[self->entries[at].fd] = (uint32_t)at + 1;
    }
    check(self, at);
}

static int poll_poller_set(struct gust_poller *poller, int fd, uint32_t generation, unsigned from,
                           unsigned to)
{
    struct poll_poller *self = self_of(poller);
    if (to == 0) {
        take_out(self, fd);
    } else if (from == 0) {
        GUST_TRY(refuse_unpollable(fd));
        GUST_TRY(reach(self, fd));
        put(self, self->count++, fd, generation, to);
    } else {
        put(self, self->where[fd] - 1, fd, generation, to);
    }
    return 0;
}

/* A descriptor that was closed while it was watched is reported once and then
 * left out of the wait, since it would end every one. */
static void event_from_poll(struct poll_poller *self, size_t at, struct gust_poll_event *out)
{
    short got = self->fds[at].revents;
    const struct poll_entry *entry = &self->entries[at];
    unsigned ready = ((got & POLLIN) != 0 ? (unsigned)GUST_READ : 0u) |
                     ((got & POLLOUT) != 0 ? (unsigned)GUST_WRITE : 0u);
    bool error = (got & (POLLERR | POLLNVAL)) != 0;
    out->fd = entry->fd;
    out->generation = entry->generation;
    out->events = gust__poller_events(ready, error, (got & POLLHUP) != 0, entry->wanted);
    out->error = 0;
    if ((got & POLLNVAL) != 0) {
        out->error = EBADF;
        self->fds[at].fd = -1;
    }
}

static int poll_poller_wait(struct gust_poller *poller, gust_time timeout,
                            struct gust_poll_event *events, int max)
{
    struct poll_poller *self = self_of(poller);
    int ready = poll(self->fds, (nfds_t)self->count, gust__poller_millis(timeout));
    if (ready < 0) {
        return -errno;
    }
    int count = 0;
    size_t at = self->start < self->count ? self->start : 0;
    for (size_t seen = 0; seen < self->count && count < ready && count < max; seen++) {
        if (self->fds[at].revents != 0) {
            event_from_poll(self, at, &events[count++]);
        }
        at = at + 1 == self->count ? 0 : at + 1;
    }
    self->start = count == max ? at : 0;
    return count;
}

static int poll_poller_fd(const struct gust_poller *poller)
{
    (void)poller;
    return -1;
}

const struct gust__poller_ops gust__poller_poll = {
    .name = "poll",
    .create = poll_poller_create,
    .destroy = poll_poller_destroy,
    .set = poll_poller_set,
    .wait = poll_poller_wait,
    .fd = poll_poller_fd,
};

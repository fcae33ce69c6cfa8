/* Descriptors: a table of watchers by descriptor.
 *
 * Each registration has a generation, which travels through the poller and
 * comes back with the event; an event whose generation is not the one of the
 * watcher that is in the table now was meant for an earlier owner of the same
 * number and is dropped. A watcher is looked up when its event is delivered,
 * so one that is gone is never touched.
 *
 * The table is written only as far as descriptors have been seen: the tail that
 * doubling adds stays untouched, hence not resident. */
#include "ioloop/ioloop_internal.h"
#include "util/alloc_internal.h"

#define GENERATION_MASK 0xfffffu
#define WANTED (GUST_READ | GUST_WRITE)

/* The handler that is not embedded: add_handler() allocates it. */
struct fd_handler {
    gust_watcher watcher;
    gust_fd_fn *fn;
    void *user;
};

static void check(const gust_ioloop *loop, const gust_watcher *watcher)
{
    GUST_ASSERT((size_t)watcher->fd < loop->watcher_count);
    GUST_ASSERT(loop->watchers[watcher->fd] == watcher);
    GUST_ASSERT((watcher->events & GUST__REGISTERED) != 0);
    (void)loop;
    (void)watcher;
}

/* Make the table reach fd. */
static int table_reach(gust_ioloop *loop, int fd)
{
    size_t need = (size_t)fd + 1;
    if (need <= loop->watcher_count) {
        return 0;
    }
    if (need > loop->watcher_capacity) {
        void *watchers = loop->watchers;
        GUST_TRY(gust__grow(&watchers, &loop->watcher_capacity, need, sizeof(*loop->watchers)));
        loop->watchers = watchers;
    }
    while (loop->watcher_count < need) {
        loop->watchers[loop->watcher_count++] = NULL;
    }
    return 0;
}

static gust_watcher *table_get(const gust_ioloop *loop, int fd)
{
    return (size_t)fd < loop->watcher_count ? loop->watchers[fd] : NULL;
}

int gust_ioloop_watch(gust_ioloop *loop, gust_watcher *watcher, int fd, unsigned events,
                      gust_watcher_fn *fn)
{
    GUST_CHECK(fn != NULL && (events & ~(unsigned)(WANTED | GUST_ERROR)) == 0, -EINVAL);
    GUST_CHECK(fd >= 0, -EBADF);
    GUST_CHECK(!gust__is_foreign(loop), GUST_ETHREAD);
    GUST_CHECK(loop->poller != NULL, GUST_ECLOSED);
    GUST_CHECK(table_get(loop, fd) == NULL, -EEXIST);
    GUST_CHECK(watcher->events == 0, GUST_ESTATE);
    GUST_TRY(table_reach(loop, fd));

    uint32_t generation = (loop->generation + 1) & GENERATION_MASK;
    unsigned marked = (events & WANTED) | GUST__REGISTERED;
    GUST_TRY(loop->poller->ops->set(loop->poller, fd, generation, 0, marked));
    loop->generation = generation;
    watcher->fn = fn;
    watcher->fd = fd;
    watcher->events = marked & 0xfffu;
    watcher->generation = generation & GENERATION_MASK;
    loop->watchers[fd] = watcher;
    check(loop, watcher);
    return 0;
}

int gust_ioloop_rewatch(gust_ioloop *loop, gust_watcher *watcher, unsigned events)
{
    GUST_CHECK((events & ~(unsigned)(WANTED | GUST_ERROR)) == 0, -EINVAL);
    GUST_CHECK(watcher->events != 0, GUST_ENOENT);
    GUST_CHECK(!gust__is_foreign(loop), GUST_ETHREAD);
    GUST_CHECK(loop->poller != NULL, GUST_ECLOSED);
    check(loop, watcher);
    unsigned marked = (events & WANTED) | GUST__REGISTERED;
    if (marked == watcher->events) {
        return 0;
    }
    GUST_TRY(loop->poller->ops->set(loop->poller, watcher->fd, watcher->generation, watcher->events,
                                    marked));
    watcher->events = marked & 0xfffu;
    return 0;
}

void gust_ioloop_unwatch(gust_ioloop *loop, gust_watcher *watcher)
{
    if (watcher->events == 0) {
        return;
    }
    GUST_ASSERT(!gust__is_foreign(loop));
    check(loop, watcher);
    if (loop->poller != NULL) {
        /* what the kernel says to it changes nothing: the descriptor may be gone */
        (void)loop->poller->ops->set(loop->poller, watcher->fd, watcher->generation,
                                     watcher->events, 0);
    }
    watcher->events = 0;
    loop->watchers[watcher->fd] = NULL;
}

void gust__handlers_dispatch(gust_ioloop *loop, int count)
{
    const struct gust_poll_event *event = loop->events;
    const struct gust_poll_event *end = event + count;
    for (; event < end; event++) {
        gust_watcher *watcher = table_get(loop, event->fd);
        if (GUST_UNLIKELY(watcher == NULL || watcher->generation != event->generation)) {
            continue;
        }
        /* what is wanted may have changed since the wait */
        unsigned events = event->events & (watcher->events | GUST_ERROR);
        if (GUST_LIKELY(events != 0)) {
            watcher->fn(loop, watcher, events);
        }
    }
}

static void handler_on_event(gust_ioloop *loop, gust_watcher *watcher, unsigned events)
{
    struct fd_handler *handler = GUST_CONTAINER_OF(watcher, struct fd_handler, watcher);
    handler->fn(loop, watcher->fd, events, handler->user);
}

/* The handler of fd, NULL where there is none or an embedded watcher. */
static struct fd_handler *handler_of(const gust_ioloop *loop, int fd)
{
    gust_watcher *watcher = table_get(loop, fd);
    if (watcher == NULL || watcher->fn != handler_on_event) {
        return NULL;
    }
    return GUST_CONTAINER_OF(watcher, struct fd_handler, watcher);
}

int gust_ioloop_add_handler(gust_ioloop *loop, int fd, unsigned events, gust_fd_fn *fn, void *user)
{
    GUST_CHECK(fn != NULL, -EINVAL);
    struct fd_handler *handler = gust__malloc(sizeof(*handler));
    if (handler == NULL) {
        return -ENOMEM;
    }
    *handler = (struct fd_handler){.fn = fn, .user = user};
    int code = gust_ioloop_watch(loop, &handler->watcher, fd, events, handler_on_event);
    if (code != 0) {
        gust__free(handler);
    }
    return code;
}

int gust_ioloop_update_handler(gust_ioloop *loop, int fd, unsigned events)
{
    GUST_CHECK(!gust__is_foreign(loop), GUST_ETHREAD);
    struct fd_handler *handler = handler_of(loop, fd);
    GUST_CHECK(handler != NULL, GUST_ENOENT);
    return gust_ioloop_rewatch(loop, &handler->watcher, events);
}

void gust_ioloop_remove_handler(gust_ioloop *loop, int fd)
{
    struct fd_handler *handler = handler_of(loop, fd);
    if (handler != NULL) {
        gust_ioloop_unwatch(loop, &handler->watcher);
        gust__free(handler);
    }
}

void gust__handlers_close(gust_ioloop *loop, bool all_fds)
{
    for (size_t fd = 0; fd < loop->watcher_count; fd++) {
        gust_watcher *watcher = loop->watchers[fd];
        if (watcher == NULL) {
            continue;
        }
        watcher->events = 0;
        struct fd_handler *handler = handler_of(loop, (int)fd);
        loop->watchers[fd] = NULL;
        if (handler != NULL && all_fds) {
            (void)loop->sys->close(loop->sys, (int)fd);
        }
        gust__free(handler);
    }
    gust__free(loop->watchers);
    loop->watchers = NULL;
    loop->watcher_count = 0;
    loop->watcher_capacity = 0;
}

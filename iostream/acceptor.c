/* Accepting, and what happens when descriptors run out.
 *
 * A level-triggered poller that is told of a waiting connection which can't be
 * accepted tells again at once, for ever. So on EMFILE and its like:
 *   1. a descriptor held in reserve is closed, one waiting client is accepted
 *      and closed, and the reserve is opened again, until none waits;
 *   2. where that fails too, the listener rests for half a second.
 * So it does when there is nothing but clients that died in the backlog: an error
 * that goes on for ever looks the same.
 * Nothing here is called from another thread; a program whose other threads open
 * descriptors can still lose the race for the reserve, and then rests. */
#include <fcntl.h>
#include <unistd.h>

#include <gust/limits.h>
#include <gust/log.h>
#include <gust/netutil.h>

#include "iostream/iostream_internal.h"
#include "util/alloc_internal.h"

#define REST GUST_MILLIS(500)
#define LOG_PAUSE GUST_SECONDS(60)

struct gust_acceptor {
    gust_watcher watcher;
    gust_ioloop *loop;
    gust_accept_fn *fn;
    void *user;
    unsigned batch;
    int reserve; /* an open descriptor, or -1 */
    gust_timer rest;
    gust_time next_log;
    unsigned depth; /* of on_events(), which must not lose its object */
    bool paused;
    bool freed;
};

static void open_reserve(gust_acceptor *a)
{
    if (a->reserve < 0) {
        a->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
}

static void close_fd(gust_acceptor *a, int fd)
{
    const gust_sys *sys = gust_ioloop_sys(a->loop);
    (void)sys->close(sys, fd);
}

static int accept_one(gust_acceptor *a, gust_addr *addr)
{
    union {
        struct sockaddr sa;
        struct sockaddr_storage storage;
    } u;
    socklen_t len = sizeof u;
    const gust_sys *sys = gust_ioloop_sys(a->loop);
    int fd = sys->accept(sys, a->watcher.fd, &u.sa, &len);
    if (fd >= 0 && addr != NULL) {
        *addr = gust_addr_from_sockaddr(&u.sa, len);
    }
    return fd;
}

/* Errors of a connection that died in the backlog, or that Linux passes on from
 * the network (accept(2)): the next one may be fine. */
static bool is_of_the_client(int code)
{
    switch (-code) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
#ifdef ENONET
    case ENONET:
#endif
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM: return true;
    default: return false;
    }
}

static void log_exhausted(gust_acceptor *a, int code)
{
    gust_time now = gust_ioloop_now(a->loop);
    if (now >= a->next_log) {
        a->next_log = now + LOG_PAUSE;
        GUST_LOG(GUST_LOG_GENERAL, GUST_LOG_ERROR, "accept: %s; waiting clients are turned away",
                 gust_err_text(code));
    }
}

static void end_rest(gust_ioloop *loop, gust_timer *timer)
{
    (void)loop;
    gust_acceptor *a = GUST_CONTAINER_OF(timer, gust_acceptor, rest);
    open_reserve(a);
    if (!a->paused) {
        gust_acceptor_resume(a);
    }
}

static void rest(gust_acceptor *a)
{
    if (gust_ioloop_arm(a->loop, &a->rest, gust_ioloop_now(a->loop) + REST, end_rest) == 0) {
        (void)gust_ioloop_rewatch(a->loop, &a->watcher, GUST_NONE);
    }
}

/* Turn away one waiting client. Returns false when none waits or it can't be. */
static bool shed_one(gust_acceptor *a)
{
    if (a->reserve < 0) {
        return false;
    }
    (void)close(a->reserve);
    a->reserve = -1;
    int fd = accept_one(a, NULL);
    if (fd >= 0) {
        close_fd(a, fd);
    }
    open_reserve(a);
    return fd >= 0;
}

static void exhausted(gust_acceptor *a, int code)
{
    unsigned shed = 0;
    log_exhausted(a, code);
    while (shed < a->batch && shed_one(a)) {
        shed++;
    }
    if (shed == 0) {
        rest(a);
    }
}

static void on_events(gust_ioloop *loop, gust_watcher *watcher, unsigned events)
{
    (void)loop;
    (void)events;
    gust_acceptor *a = GUST_CONTAINER_OF(watcher, gust_acceptor, watcher);
    unsigned failed = 0;
    a->depth++;
    for (unsigned i = 0; i < a->batch && !a->paused && !a->freed; i++) {
        gust_addr addr;
        int fd = accept_one(a, &addr);
        if (fd >= 0) {
            a->fn(a, fd, &addr, a->user);
        } else if (fd == -EAGAIN) {
            break;
        } else if (!is_of_the_client(fd) || ++failed == a->batch) {
            exhausted(a, fd);
            break;
        }
    }
    if (--a->depth == 0 && a->freed) {
        gust__free(a);
    }
}

int gust_acceptor_new(gust_ioloop *loop, int fd, unsigned accept_batch, gust_accept_fn *fn,
                      void *user, gust_acceptor **out_acceptor)
{
    GUST_CHECK(loop != NULL && fn != NULL, -EINVAL);
    gust_acceptor *a = gust__malloc(sizeof *a);
    if (a == NULL) {
        return -ENOMEM;
    }
    *a = (gust_acceptor){.loop = loop,
                         .fn = fn,
                         .user = user,
                         .batch = accept_batch != 0 ? accept_batch : GUST_DEFAULT_ACCEPT_BATCH,
                         .reserve = -1};
    int code = gust__set_nonblocking(fd); /* or accepting would wait for a next client */
    if (code == 0) {
        code = gust_ioloop_watch(loop, &a->watcher, fd, GUST_READ, on_events);
    }
    if (code != 0) {
        gust__free(a);
        return code;
    }
    open_reserve(a);
    *out_acceptor = a;
    return 0;
}

void gust_acceptor_pause(gust_acceptor *a)
{
    a->paused = true;
    (void)gust_ioloop_rewatch(a->loop, &a->watcher, GUST_NONE);
}

void gust_acceptor_resume(gust_acceptor *a)
{
    a->paused = false;
    gust_ioloop_disarm(a->loop, &a->rest);
    if (gust_ioloop_rewatch(a->loop, &a->watcher, GUST_READ) != 0) {
        rest(a); /* the poller had no memory: try again later */
    }
}

void gust_acceptor_retry(gust_acceptor *a)
{
    if (gust_timer_is_armed(&a->rest)) {
        gust_ioloop_disarm(a->loop, &a->rest);
        end_rest(a->loop, &a->rest);
    }
}

void gust_acceptor_free(gust_acceptor *a)
{
    if (a == NULL || a->freed) {
        return;
    }
    int fd = a->watcher.fd;
    a->freed = true;
    gust_ioloop_disarm(a->loop, &a->rest);
    gust_ioloop_unwatch(a->loop, &a->watcher);
    close_fd(a, fd);
    if (a->reserve >= 0) {
        (void)close(a->reserve);
    }
    if (a->depth == 0) {
        gust__free(a);
    }
}

int gust_acceptor_fd(const gust_acceptor *a)
{
    return a->watcher.fd;
}

/* The waker: ends the wait of a loop from another thread or a signal handler.
 *
 * An eventfd on Linux, a pipe elsewhere, watched by its loop like any other
 * descriptor. `awake` decides who writes: it is false only while the loop waits
 * or is about to, and whoever turns it true writes. So n producers cost one
 * write for each sleep, and a busy loop costs them none.
 *
 * The order that no wake-up is lost by: a producer publishes its work, then
 * looks at `awake`; the loop clears `awake`, then looks for work, then waits. */
#if defined(__linux__)
#include <sys/eventfd.h>
#endif
#include <fcntl.h>
#include <unistd.h>

#include "ioloop/ioloop_internal.h"

/* Waking makes the loop go round once; what there is to do it finds itself. */
static void waker_on_readable(gust_ioloop *loop, gust_watcher *watcher, unsigned events)
{
    (void)loop;
    (void)events;
    uint64_t sink[8];
    while (read(watcher->fd, sink, sizeof(sink)) == (ssize_t)sizeof(sink)) {
    }
}

#if defined(__linux__)
static int waker_descriptors(int fds[2])
{
    fds[0] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    fds[1] = fds[0];
    return fds[0] < 0 ? -errno : 0;
}
#else
static int waker_descriptors(int fds[2])
{
    if (pipe(fds) != 0) {
        return -errno;
    }
    for (int i = 0; i < 2; i++) {
        (void)fcntl(fds[i], F_SETFL, O_NONBLOCK);
        (void)fcntl(fds[i], F_SETFD, FD_CLOEXEC);
    }
    return 0;
}
#endif

static void close_both(int in, int out)
{
    close(in);
    if (out != in) {
        close(out);
    }
}

int gust__waker_open(gust_ioloop *loop)
{
    int fds[2];
    GUST_TRY(waker_descriptors(fds));
    int code = gust_ioloop_watch(loop, &loop->waker, fds[0], GUST_READ, waker_on_readable);
    if (code != 0) {
        close_both(fds[0], fds[1]);
        return code;
    }
    loop->waker_out = fds[1];
    atomic_store(&loop->awake, true);
    return 0;
}

void gust__waker_close(gust_ioloop *loop)
{
    close_both(loop->waker.fd, loop->waker_out);
}

void gust__waker_wake(gust_ioloop *loop)
{
    if (atomic_exchange(&loop->awake, true)) {
        return;
    }
    int saved = errno;
    uint64_t one = 1;
    /* a full pipe or counter wakes as well; nothing else can fail */
    while (write(loop->waker_out, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
    errno = saved;
}

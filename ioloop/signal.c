/* Signals as calls on a loop.
 *
 * A signal belongs to the process, so this is the one table that all loops
 * share. The handler only marks the signal and wakes the loop that owns it; the
 * loop calls the function between its other callbacks.
 *
 * Who gives a signal up waits until no handler is inside any more: a handler on
 * another thread may just have read the owner. */
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "ioloop/ioloop_internal.h"

#define SIGNALS 65 /* 1 .. 64; more than any system has that we know of */

struct signal_entry {
    _Atomic(gust_ioloop *) owner; /* NULL: free. Written under the lock */
    _Atomic bool pending;
    gust_signal_fn *fn;
    void *user;
    struct sigaction before;
};

static struct signal_entry entries[SIGNALS];
static pthread_mutex_t entries_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic unsigned handlers_inside;

static void on_signal(int signo)
{
    struct signal_entry *entry = &entries[signo];
    atomic_fetch_add(&handlers_inside, 1);
    gust_ioloop *loop = atomic_load(&entry->owner);
    if (loop != NULL) {
        atomic_store(&entry->pending, true);
        atomic_store(&loop->signalled, true);
        gust__waker_wake(loop);
    }
    atomic_fetch_sub(&handlers_inside, 1);
}

/* A fault of the program itself would raise its signal for ever. */
static bool is_catchable(int signo)
{
    return signo > 0 && signo < SIGNALS && signo != SIGSEGV && signo != SIGBUS && signo != SIGFPE &&
           signo != SIGILL;
}

/* The entry is complete before the first signal can come. */
static int entry_take(struct signal_entry *entry, int signo, gust_ioloop *loop)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);
    atomic_store(&entry->pending, false);
    atomic_store(&entry->owner, loop);
    if (sigaction(signo, &action, &entry->before) != 0) {
        int code = -errno;
        atomic_store(&entry->owner, NULL);
        return code;
    }
    return 0;
}

int gust_ioloop_add_signal(gust_ioloop *loop, int signo, gust_signal_fn *fn, void *user)
{
    GUST_CHECK(fn != NULL && is_catchable(signo), -EINVAL);
    GUST_CHECK(!gust__is_foreign(loop), GUST_ETHREAD);
    GUST_CHECK(!loop->closed, GUST_ECLOSED);
    struct signal_entry *entry = &entries[signo];
    int code = -EEXIST;
    pthread_mutex_lock(&entries_lock);
    if (atomic_load(&entry->owner) == NULL) {
        entry->fn = fn;
        entry->user = user;
        code = entry_take(entry, signo, loop);
    }
    pthread_mutex_unlock(&entries_lock);
    return code;
}

static void entry_give_up(struct signal_entry *entry, int signo)
{
    (void)sigaction(signo, &entry->before, NULL);
    atomic_store(&entry->owner, NULL);
    while (atomic_load(&handlers_inside) != 0) {
        sched_yield();
    }
}

void gust_ioloop_remove_signal(gust_ioloop *loop, int signo)
{
    if (!is_catchable(signo)) {
        return;
    }
    pthread_mutex_lock(&entries_lock);
    if (atomic_load(&entries[signo].owner) == loop) {
        entry_give_up(&entries[signo], signo);
    }
    pthread_mutex_unlock(&entries_lock);
}

/* An entry of this loop is written by this thread only, so it may be read
 * without the lock, which must not be held over the call. */
void gust__signals_run(gust_ioloop *loop)
{
    if (!atomic_load_explicit(&loop->signalled, memory_order_relaxed)) {
        return;
    }
    atomic_store(&loop->signalled, false);
    for (int signo = 1; signo < SIGNALS; signo++) {
        struct signal_entry *entry = &entries[signo];
        if (atomic_load(&entry->owner) == loop && atomic_exchange(&entry->pending, false)) {
            entry->fn(loop, signo, entry->user);
        }
    }
}

void gust__signals_close(gust_ioloop *loop)
{
    for (int signo = 1; signo < SIGNALS; signo++) {
        if (atomic_load(&entries[signo].owner) == loop) {
            gust_ioloop_remove_signal(loop, signo);
        }
    }
}

/* kqueue(2) and kevent(2) for machines without them: enough for `make lint` to compile
 * ioloop/kqueue.c with -fsyntax-only. Nothing links against it; numbers are FreeBSD's. */
#ifndef GUST_STUB_SYS_EVENT_H
#define GUST_STUB_SYS_EVENT_H

#include <stdint.h>
#include <time.h>

struct kevent {
    uintptr_t ident;
    short filter;
    unsigned short flags;
    unsigned int fflags;
    int64_t data;
    void *udata;
    uint64_t ext[4];
};

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)
#define EVFILT_VNODE (-4)
#define EVFILT_PROC (-5)
#define EVFILT_SIGNAL (-6)
#define EVFILT_TIMER (-7)
#define EVFILT_USER (-11)

#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_ENABLE 0x0004
#define EV_DISABLE 0x0008
#define EV_ONESHOT 0x0010
#define EV_CLEAR 0x0020
#define EV_RECEIPT 0x0040
#define EV_ERROR 0x4000
#define EV_EOF 0x8000

#define NOTE_LOWAT 0x00000001
#define NOTE_EXIT 0x80000000u
#define NOTE_TRIGGER 0x01000000
#define NOTE_WRITE 0x0002
#define NOTE_DELETE 0x0001

#define EV_SET(kevp, a, b, c, d, e, f)                                                             \
    do {                                                                                           \
        *(kevp) = (struct kevent){.ident = (uintptr_t)(a),                                         \
                                  .filter = (short)(b),                                            \
                                  .flags = (unsigned short)(c),                                    \
                                  .fflags = (unsigned)(d),                                         \
                                  .data = (int64_t)(e),                                            \
                                  .udata = (f)};                                                   \
    } while (0)

int kqueue(void);
int kevent(int kq, const struct kevent *changes, int nchanges, struct kevent *events, int nevents,
           const struct timespec *timeout);

#endif

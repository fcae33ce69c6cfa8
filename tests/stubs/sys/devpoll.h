/* poll(7D) of Solaris and illumos for machines without it: enough for `make lint` to compile
 * ioloop/devpoll.c with -fsyntax-only. POLLREMOVE is Solaris's number: the one that Linux's
 * <poll.h> knows means something else. */
#ifndef GUST_STUB_SYS_DEVPOLL_H
#define GUST_STUB_SYS_DEVPOLL_H

#include <poll.h>
#include <signal.h>

struct dvpoll {
    struct pollfd *dp_fds;
    nfds_t dp_nfds;
    int dp_timeout;
    sigset_t *dp_setp;
};

#define DP_POLL 0xD001
#define DP_ISPOLLED 0xD002
#define DP_PPOLL 0xD003

#undef POLLREMOVE
#define POLLREMOVE 0x0800

#endif

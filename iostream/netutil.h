/* Sockets: listening, accepting, addresses.
 *
 * Every descriptor made here is non-blocking and close-on-exec.
 * Source: tornado.netutil. */
#ifndef GUST_NETUTIL_H
#define GUST_NETUTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <gust/ioloop.h>
#include <gust/str.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An address, small enough to keep with each connection. */
typedef struct gust_addr {
    uint8_t family;    /* AF_INET, AF_INET6, AF_UNIX, or 0: none */
    uint8_t reserved;  /* 0 */
    uint16_t port;     /* host byte order */
    uint8_t bytes[16]; /* IPv4 in the first four */
} gust_addr;

/* Enough for the text of any gust_addr with its NUL: 45 of IPv6. */
#define GUST_ADDR_TEXT 46

/* What the kernel says as a gust_addr; an unknown family gives family 0. */
gust_addr gust_addr_from_sockaddr(const struct sockaddr *sa, socklen_t len);

/* "127.0.0.1", "::1"; "0.0.0.0" for AF_UNIX and for none, as Tornado has it.
 * Returns a gust_str over `out`. */
gust_str gust_addr_text(const gust_addr *addr, char out[GUST_ADDR_TEXT]);

/* Options of gust_bind_sockets(); {0} is the default of everything. */
typedef struct gust_bind_options {
    int family;      /* AF_INET, AF_INET6; 0: both */
    int backlog;     /* 0: the default of limits.h, cut to the system's maximum by the kernel */
    bool reuse_port; /* SO_REUSEPORT: several processes listen on one port */
} gust_bind_options;

/* Make listening sockets: one for each address that `address` stands for.
 *
 * port      0: any free one, the same for all
 * address   IP address or name; NULL or "": all interfaces, IPv4 and IPv6
 * options   NULL for the defaults
 * out_fds   room for `max` descriptors, which become the caller's; addresses
 *           beyond that are left out
 * out_count how many there are
 * A family that this machine has not got is passed over while another works.
 * Returns 0, or -EINVAL for a port that is none, -errno of the call that failed
 * (-EADDRINUSE, -EACCES, ...), or GUST_ENOENT for a name that does not resolve;
 * nothing stays open then. Blocks while a name is resolved. */
int gust_bind_sockets(int port, const char *address, const gust_bind_options *options, int *out_fds,
                      size_t max, size_t *out_count);

/* The port that a socket is bound to, or -errno. */
int gust_socket_port(int fd);

/* Is `text` a numeric IPv4 or IPv6 address? */
bool gust_is_valid_ip(gust_str text);

/* Accepting connections from a listening socket.
 *
 * fn gets each new descriptor, which is its own from then on. At most
 * accept_batch are accepted per wake-up. Where descriptors run out (EMFILE,
 * ENFILE, ENOBUFS, ENOMEM) waiting clients are shed with a descriptor held in
 * reserve, and where that fails too the listener rests for half a second:
 * it never spins. One log line a minute says so. */
typedef struct gust_acceptor gust_acceptor;
typedef void gust_accept_fn(gust_acceptor *acceptor, int fd, const gust_addr *addr, void *user);

/* Accept from `fd`, a listening socket that becomes the acceptor's.
 *
 * fd            non-blocking: a blocking one would stop the loop
 * accept_batch  0: the default of limits.h
 * Returns 0, -ENOMEM, -errno of the poller (fd then stays the caller's). */
int gust_acceptor_new(gust_ioloop *loop, int fd, unsigned accept_batch, gust_accept_fn *fn,
                      void *user, gust_acceptor **out_acceptor);

/* Stop for a while, and go on: what has connected waits in the backlog. */
void gust_acceptor_pause(gust_acceptor *acceptor);
void gust_acceptor_resume(gust_acceptor *acceptor);

/* Descriptors may be free again: end the rest early, if there is one. */
void gust_acceptor_retry(gust_acceptor *acceptor);

/* Stop, close the socket and free. Not one connection more is accepted, also
 * not of the batch that runs. Allowed inside fn. NULL is allowed. */
void gust_acceptor_free(gust_acceptor *acceptor);

/* The listening descriptor, borrowed. */
int gust_acceptor_fd(const gust_acceptor *acceptor);

#ifdef __cplusplus
}
#endif

#endif

/* TCPServer: listening sockets that become streams.
 *
 * Calling sequence
 *     gust_tcpserver_new(loop, &options, handle_stream, me, &server);
 *     gust_tcpserver_listen(server, 8888, "127.0.0.1");
 *     ...
 *     gust_tcpserver_free(server);       stops listening; live streams go on
 *
 * Thread: the loop's. Source: tornado.tcpserver. */
#ifndef GUST_TCPSERVER_H
#define GUST_TCPSERVER_H

#include <gust/iostream.h>
#include <gust/netutil.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gust_tcpserver gust_tcpserver;

/* A new connection. The stream has no callbacks yet: give it some, start a read,
 * or close it; one that is left alone stays open unnoticed. It is freed when it
 * has closed. addr is lent until the call returns. */
typedef void gust_handle_stream_fn(gust_tcpserver *server, gust_iostream *s, const gust_addr *addr,
                                   void *user);

/* Options; {0} is the default of everything. Copied. */
typedef struct gust_tcpserver_options {
    gust_iostream_options stream; /* of each connection */
    size_t max_connections;       /* then accepting rests; 0: RLIMIT_NOFILE - 64, or its half */
    unsigned accept_batch;        /* connections taken per wake-up; 0: 128 */
    gust_bind_options bind;       /* for listen() */
} gust_tcpserver_options;

/* Make a server that does not listen yet. Returns 0 or -ENOMEM. */
int gust_tcpserver_new(gust_ioloop *loop, const gust_tcpserver_options *options,
                       gust_handle_stream_fn *fn, void *user, gust_tcpserver **out_server);

/* Listen on a port of all interfaces or of one address; may be called several
 * times, for at most 16 sockets in all (-ENOSPC above). Returns 0 or as
 * gust_bind_sockets(). */
int gust_tcpserver_listen(gust_tcpserver *server, int port, const char *address);

/* Accept from a socket that listens already and is non-blocking; it becomes the
 * server's on success. Connections inherit its TCP_NODELAY.
 * Returns 0 or -ENOMEM, -ENOSPC, -errno of the poller. */
int gust_tcpserver_add_socket(gust_tcpserver *server, int fd);

/* Stop listening and close the listening sockets. Live connections go on.
 * Harmless twice; not one connection more is handed out. */
void gust_tcpserver_stop(gust_tcpserver *server);

/* Stop and free. Streams go on. NULL is allowed. */
void gust_tcpserver_free(gust_tcpserver *server);

/* The port of the first listening socket (useful after listen(0)), 0 where
 * there is none; and how many connections are open. */
int gust_tcpserver_port(const gust_tcpserver *server);
size_t gust_tcpserver_connections(const gust_tcpserver *server);

/* The loop that it was made for. */
gust_ioloop *gust_tcpserver_loop(const gust_tcpserver *server);

#ifdef __cplusplus
}
#endif

#endif

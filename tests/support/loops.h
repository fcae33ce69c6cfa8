/* What tests of loops share: the pollers one after the other, descriptors that
 * are counted, connected sockets.
 *
 *     int main(void) { return loops_over_pollers(group); }
 *
 * group() runs a group of cases; loops_new() inside makes its loops with the
 * poller of the round. With GUST_POLLER set there is one round. */
#ifndef TESTS_LOOPS_H
#define TESTS_LOOPS_H

#include <gust/ioloop.h>

/* Run `group` once for each poller that works here. Returns the failures. */
int loops_over_pollers(int (*group)(void));

/* The poller of this round. */
const char *loops_poller(void);

/* A loop on that poller, not made current; a test that can't have one fails.
 * sys  NULL: the real kernel */
gust_ioloop *loops_new(const gust_sys *sys);

/* Open descriptors of this process below 1024. */
int loops_descriptors(void);

/* A pair of connected non-blocking sockets (AF_UNIX), or of TCP sockets on
 * loopback, or the ends of a non-blocking pipe (fds[0] is read). */
void loops_pair(int fds[2]);
void loops_tcp_pair(int fds[2]);
void loops_pipe(int fds[2]);

/* A TCP socket that listens on loopback; its port. */
int loops_listen(int *out_port);

/* Callbacks of the usual kind. */
void loops_stop(gust_ioloop *loop, void *user);  /* stop the loop */
void loops_count(gust_ioloop *loop, void *user); /* ++*(int *)user */

/* cmocka's setup and teardown of a case: fail it when it leaves descriptors. */
int loops_before(void **state);
int loops_after(void **state);

/* A case with these two around it. */
#define LOOPS_CASE(test) cmocka_unit_test_setup_teardown(test, loops_before, loops_after)

#endif

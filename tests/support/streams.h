/* What tests of streams share: two connected streams over each bottom that a
 * stream can have, and callbacks that write down what they hear.
 *
 *     static int group(void) { ... cmocka_run_group_tests(...) ... }
 *     int main(void) { return streams_over_bottoms(group); }
 *
 * group() runs once for each poller and each bottom: TCP over loopback, an
 * AF_UNIX socketpair, gust_iostream_pair(). Inside a case
 *     struct streams t;
 *     streams_open(&t, NULL);
 *     ... t.a and t.b are connected; both are held, so they can be asked after
 *         their end ...
 *     streams_close(&t);
 *
 * Time is the test's (clock.h): a wait passes at once. Thread: one at a time. */
#ifndef TESTS_STREAMS_H
#define TESTS_STREAMS_H

#include <stdbool.h>
#include <stddef.h>

#include <gust/iostream.h>

#include "tests/support/clock.h"
#include "tests/support/faults.h"
#include "tests/support/loops.h"

enum streams_bottom { STREAMS_TCP, STREAMS_UNIX, STREAMS_PAIR };

/* Run `group` for each poller and bottom. Returns the failures. */
int streams_over_bottoms(int (*group)(void));

/* The bottom of this round. */
enum streams_bottom streams_bottom(void);

/* Two connected streams, a loop, its clock and its fault injector. */
struct streams {
    struct clock clock;   /* what the loop sees */
    struct faults faults; /* under the clock: nothing is planned at first */
    gust_ioloop *loop;
    gust_iostream *a;
    gust_iostream *b;
};

/* Make them; a test that can't have them fails. try: a code instead. `clock`,
 * `faults` and `loop` are ready even when try fails, unless loop is NULL. */
void streams_open(struct streams *t, const gust_iostream_options *options);
int streams_try(struct streams *t, const gust_iostream_options *options);

/* The kernel under the clock of the streams that are made from now on, for sweeps;
 * NULL: each has its own in `faults`. */
void streams_set_kernel(const gust_sys *sys);

/* The loop and its clock alone; a and b are NULL. */
int streams_try_loop(struct streams *t);

/* Close what is open, let everybody hear of it, free the loop. NULL members are
 * skipped. */
void streams_close(struct streams *t);

/* Turn the loop until *count reaches `least`. Fails the test when nothing happens
 * for 10 s of the kernel's time, or 100,000 turns were not enough. until_try:
 * returns false instead. Where timers are armed waits end with them at once. */
void streams_until(struct streams *t, const int *count, int least);
bool streams_until_try(struct streams *t, const int *count, int least);

/* Turn it n times without waiting: what can happen now, happens. */
void streams_turn(struct streams *t, int n);

/* Let time pass on the loop's clock, with all that happens meanwhile. */
void streams_pass(struct streams *t, gust_time by);

/* ---- What was heard ---------------------------------------------------- */

/* Completions of reads, writes and connects; `user` of the functions below. */
struct heard {
    int calls;
    int status;     /* of the last */
    size_t len;     /* bytes of all reads */
    size_t last;    /* of the last one */
    char text[256]; /* the first bytes of all reads, NUL behind them */
    int *order;     /* where it is not NULL: ++*order goes to `at` */
    int at;
};

void heard_read(gust_iostream *s, int status, gust_str data, void *user);
void heard_write(gust_iostream *s, int status, void *user); /* connects and closes too */

/* A reader and its callbacks. `user` is a struct ears. */
struct ears {
    int reads;
    size_t len;     /* bytes taken */
    size_t offered; /* bytes of the last offer */
    char text[256]; /* the first bytes taken, NUL behind them */
    size_t take;    /* of each offer; 0: all */
    bool refuse;    /* take none */
    int eofs;
    int drains;
    int timeouts;
    int closes;
    int status; /* of the close */
};

extern const gust_iostream_callbacks ears_callbacks;
size_t ears_reader(gust_iostream *s, gust_str data, void *user);
void ears_on_eof(gust_iostream *s, void *user);
void ears_on_drain(gust_iostream *s, void *user);
void ears_on_timeout(gust_iostream *s, void *user);
void ears_on_close(gust_iostream *s, int status, void *user);

/* ---- Bytes ------------------------------------------------------------- */

/* n bytes of a pattern in which no two places look alike for long; from malloc. */
char *streams_pattern(size_t n);

/* Does `data` lie at offset `at` of that pattern? */
bool streams_is_pattern(gust_str data, size_t at);

/* cmocka's setup and teardown: a case that leaves descriptors or blocks fails. */
int streams_before(void **state);
int streams_after(void **state);

#define STREAMS_CASE(test) cmocka_unit_test_setup_teardown(test, streams_before, streams_after)

#endif

/* Streams under test. */
#include "tests/support/streams.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/alloc_sweep.h"

static enum streams_bottom current_bottom;
static int (*current_group)(void);

static int over_bottoms(void)
{
    static const char *const names[] = {"tcp", "unix", "pair"};
    int failures = 0;
    for (int i = STREAMS_TCP; i <= STREAMS_PAIR; i++) {
        current_bottom = (enum streams_bottom)i;
        printf("-- %s\n", names[i]);
        failures += current_group();
    }
    return failures;
}

int streams_over_bottoms(int (*group)(void))
{
    current_group = group;
    return loops_over_pollers(over_bottoms);
}

enum streams_bottom streams_bottom(void)
{
    return current_bottom;
}

/* ---- Making them --------------------------------------------------------- */

static const gust_sys *kernel;

void streams_set_kernel(const gust_sys *sys)
{
    kernel = sys;
}

int streams_try_loop(struct streams *t)
{
    memset(t, 0, sizeof(*t));
    faults_init(&t->faults, NULL);
    clock_init(&t->clock, kernel != NULL ? kernel : &t->faults.sys);
    gust_ioloop_options options = {
        .poller = loops_poller(), .sys = &t->clock.sys, .keep_current = true};
    return gust_ioloop_new(&options, &t->loop);
}

static int over_socket(struct streams *t, int fd, const gust_iostream_options *options,
                       gust_iostream **out_s)
{
    gust_iostream *s;
    int code = gust_iostream_new(t->loop, fd, options, &s);
    if (code != 0) {
        close(fd);
        return code;
    }
    *out_s = gust_iostream_ref(s);
    return 0;
}

static int over_sockets(struct streams *t, const gust_iostream_options *options)
{
    int fds[2];
    if (current_bottom == STREAMS_TCP) {
        loops_tcp_pair(fds);
    } else {
        loops_pair(fds);
    }
    int code = over_socket(t, fds[0], options, &t->a);
    int other = over_socket(t, fds[1], options, &t->b);
    return code != 0 ? code : other;
}

int streams_try(struct streams *t, const gust_iostream_options *options)
{
    GUST_TRY(streams_try_loop(t));
    if (current_bottom != STREAMS_PAIR) {
        return over_sockets(t, options);
    }
    GUST_TRY(gust_iostream_pair(t->loop, options, &t->a, &t->b));
    gust_iostream_ref(t->a);
    gust_iostream_ref(t->b);
    return 0;
}

void streams_open(struct streams *t, const gust_iostream_options *options)
{
    assert_int_equal(streams_try(t, options), 0);
}

static void close_one(gust_iostream *s)
{
    if (s != NULL) {
        gust_iostream_close(s);
    }
}

void streams_close(struct streams *t)
{
    if (t->loop == NULL) {
        return;
    }
    faults_clear(&t->faults);
    close_one(t->a);
    close_one(t->b);
    streams_turn(t, 10);
    gust_iostream_unref(t->a);
    gust_iostream_unref(t->b);
    gust_ioloop_free(t->loop);
    t->loop = NULL;
}

/* ---- Turning the loop ----------------------------------------------------- */

static void stop_waiting(gust_ioloop *loop, void *user)
{
    (void)loop;
    *(bool *)user = true;
}

/* One turn. It may wait only where nothing seems left to be done: then the clock
 * passes on to the next timer, or without one the kernel has its time. */
static int turn(struct streams *t, int i)
{
    return gust_ioloop_run(t->loop, i % 4 == 3 ? GUST_RUN_ONCE : GUST_RUN_NOWAIT);
}

bool streams_until_try(struct streams *t, const int *count, int least)
{
    for (int i = 0; i < 100000 && *count < least; i++) {
        if (turn(t, i) != 0) {
            break;
        }
    }
    return *count >= least;
}

void streams_until(struct streams *t, const int *count, int least)
{
    if (!streams_until_try(t, count, least)) {
        fail_msg("waited in vain: %d of %d", *count, least);
    }
}

void streams_turn(struct streams *t, int n)
{
    for (int i = 0; i < n; i++) {
        (void)gust_ioloop_run(t->loop, GUST_RUN_NOWAIT);
    }
}

void streams_pass(struct streams *t, gust_time by)
{
    bool late = false;
    assert_int_equal(gust_ioloop_call_later(t->loop, by, stop_waiting, &late, NULL), 0);
    for (int i = 0; i < 100000 && !late; i++) {
        assert_int_equal(turn(t, i), 0);
    }
    assert_true(late);
}

/* ---- What was heard -------------------------------------------------------- */

/* Append to a text of `size` bytes that has `len` so far, as far as it goes. */
static void note(char *text, size_t size, size_t len, gust_str data)
{
    if (len + 1 >= size) {
        return;
    }
    size_t n = data.len < size - 1 - len ? data.len : size - 1 - len;
    if (n > 0) {
        memcpy(text + len, data.ptr, n);
    }
    text[len + n] = '\0';
}

static void note_call(struct heard *h, int status)
{
    h->calls++;
    h->status = status;
    if (h->order != NULL) {
        h->at = ++*h->order;
    }
}

void heard_read(gust_iostream *s, int status, gust_str data, void *user)
{
    (void)s;
    struct heard *h = user;
    note(h->text, sizeof(h->text), h->len, data);
    h->len += data.len;
    h->last = data.len;
    note_call(h, status);
}

void heard_write(gust_iostream *s, int status, void *user)
{
    (void)s;
    note_call(user, status);
}

size_t ears_reader(gust_iostream *s, gust_str data, void *user)
{
    (void)s;
    struct ears *e = user;
    assert_true(data.len > 0);
    e->reads++;
    e->offered = data.len;
    if (e->refuse) {
        return 0;
    }
    size_t n = e->take != 0 && e->take < data.len ? e->take : data.len;
    note(e->text, sizeof(e->text), e->len, gust_str_make(data.ptr, n));
    e->len += n;
    return n;
}

void ears_on_eof(gust_iostream *s, void *user)
{
    (void)s;
    ((struct ears *)user)->eofs++;
}

void ears_on_drain(gust_iostream *s, void *user)
{
    (void)s;
    ((struct ears *)user)->drains++;
}

void ears_on_timeout(gust_iostream *s, void *user)
{
    (void)s;
    ((struct ears *)user)->timeouts++;
}

void ears_on_close(gust_iostream *s, int status, void *user)
{
    struct ears *e = user;
    assert_true(gust_iostream_is_closed(s));
    assert_int_equal(gust_iostream_error(s), status);
    e->closes++;
    e->status = status;
}

const gust_iostream_callbacks ears_callbacks = {
    .name = "ears", .reader = ears_reader, .on_drain = ears_on_drain, .on_close = ears_on_close};

/* ---- Bytes ------------------------------------------------------------------- */

static char pattern_at(size_t i)
{
    return (char)((i * 31 + (i >> 8) * 17 + (i >> 16) * 7) & 0xff);
}

char *streams_pattern(size_t n)
{
    char *bytes = malloc(n);
    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++) {
        bytes[i] = pattern_at(i);
    }
    return bytes;
}

bool streams_is_pattern(gust_str data, size_t at)
{
    for (size_t i = 0; i < data.len; i++) {
        if (data.ptr[i] != pattern_at(at + i)) {
            return false;
        }
    }
    return true;
}

int streams_before(void **state)
{
    streams_set_kernel(NULL);
    alloc_count_begin();
    return loops_before(state);
}

int streams_after(void **state)
{
    alloc_count_end();
    return loops_after(state);
}

/* A dialogue over every operation of a stream, with each allocation failing in turn and
 * each system call failing in each plausible way, over each bottom: it ends, everybody is
 * told once, nothing is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <gust/tcpserver.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/streams.h"

enum { PIECE = 1500, LAST_STEP = 5 };

static const char bytes[PIECE + 1] = "a line\n";

/* a speaks and b answers with the same bytes. */
struct play {
    struct streams t;
    int step;      /* that a has come to */
    int started;   /* operations that were accepted */
    int completed; /* and told of, each once */
    int given;
    int freed;
    int ends; /* streams that have told of their end */
    int code; /* the first refusal */
    char into[PIECE];
};

static void next_step(struct play *p);

/* An operation of p was accepted, or else the play ends. */
static bool accepted(struct play *p, int code)
{
    if (code == 0) {
        p->started++;
        return true;
    }
    p->code = p->code != 0 ? p->code : code;
    gust_iostream_close(p->t.a);
    return false;
}

static void on_write(gust_iostream *s, int status, void *user)
{
    (void)s;
    (void)status;
    ((struct play *)user)->completed++;
}

static void on_connect(gust_iostream *s, int status, void *user)
{
    on_write(s, status, user);
}

static void on_free(void *user)
{
    ((struct play *)user)->freed++;
}

static void on_read(gust_iostream *s, int status, gust_str data, void *user)
{
    struct play *p = user;
    p->completed++;
    if (status != 0) {
        gust_iostream_close(s);
        return;
    }
    if (p->step < LAST_STEP) {
        assert_memory_equal(data.ptr, bytes, data.len);
    }
    p->step++;
    next_step(p);
}

static void on_end(gust_iostream *s, int status, void *user)
{
    (void)s;
    (void)status;
    ((struct play *)user)->ends++;
}

static gust_str piece(void)
{
    return gust_str_make(bytes, PIECE);
}

static void step_line(struct play *p)
{
    gust_iostream *a = p->t.a;
    if (accepted(p, gust_iostream_read_until(a, GUST_STR("\n"), 100, on_read, p))) {
        (void)accepted(p, gust_iostream_write(a, gust_str_make(bytes, 7), on_write, p));
    }
}

static void step_bytes(struct play *p)
{
    gust_iostream *a = p->t.a;
    if (accepted(p, gust_iostream_write_borrowed(a, piece(), on_write, p)) &&
        accepted(p, gust_iostream_write(a, GUST_STR(""), on_write, p))) {
        (void)accepted(p, gust_iostream_read_bytes(a, PIECE, on_read, p));
    }
}

static void step_into(struct play *p)
{
    gust_iostream *a = p->t.a;
    p->given++;
    int code = gust_iostream_write_adopt(a, gust_str_make(bytes, 1000), on_free, p);
    gust_shared *shared = NULL;
    if (code == 0) {
        code = gust_shared_new(gust_str_make(bytes + 1000, 400), &shared);
    }
    if (code == 0) {
        code = gust_iostream_write_shared(a, shared);
    }
    gust_shared_unref(shared);
    char *room;
    if (code == 0 && (code = gust_iostream_reserve(a, 200, &room)) == 0) {
        memcpy(room, bytes + 1400, 100);
        gust_iostream_commit(a, 100);
    }
    if (code == 0) {
        code = gust_iostream_read_into(a, p->into, PIECE, false, on_read, p);
    }
    (void)accepted(p, code);
}

static void step_partial(struct play *p)
{
    gust_iostream *a = p->t.a;
    gust_iostream_pause(a);
    int code = gust_iostream_set_deadline(a, gust_ioloop_now(p->t.loop) + GUST_SECONDS(4));
    if (code == 0) {
        code = gust_iostream_write(a, gust_str_make(bytes, 1), NULL, NULL);
        gust_iostream_flush(a);
    }
    if (code == 0) {
        code = gust_iostream_read_partial(a, PIECE, on_read, p);
    }
    (void)accepted(p, code);
    gust_iostream_resume(a);
}

static void next_step(struct play *p)
{
    int code;
    switch (p->step) {
    case 0: step_line(p); break;
    case 1: step_bytes(p); break;
    case 2: step_into(p); break;
    case 3: step_partial(p); break;
    case 4:
        code = gust_iostream_shutdown_write(p->t.a);
        if (code == 0) {
            code = gust_iostream_read_until_close(p->t.a, on_read, p);
        }
        (void)accepted(p, code);
        break;
    default: break;
    }
}

static size_t echo_reader(gust_iostream *s, gust_str data, void *user)
{
    (void)user;
    if (gust_iostream_write(s, data, NULL, NULL) != 0) {
        gust_iostream_close(s);
    }
    return data.len;
}

static void echo_on_eof(gust_iostream *s, void *user)
{
    (void)user;
    gust_iostream_close_after_flush(s);
}

static const gust_iostream_callbacks echo_callbacks = {
    .name = "echo", .reader = echo_reader, .on_eof = echo_on_eof, .on_close = on_end};

static const gust_iostream_options options = {
    .write_high_water = 1000, .write_low_water = 100, .write_timeout = GUST_SECONDS(3)};

/* A stream that can't be prepared ends. */
static int prepare_echo(struct play *p, gust_iostream *s)
{
    int code = gust_iostream_set_callbacks(s, &echo_callbacks, p);
    if (code == 0) {
        code = gust_iostream_set_deadline(s, gust_ioloop_now(p->t.loop) + GUST_SECONDS(5));
    }
    if (code != 0) {
        gust_iostream_close(s);
    }
    return code;
}

static int prepare_speaker(struct play *p)
{
    gust_iostream *a = p->t.a;
    GUST_TRY(gust_iostream_set_close_callback(a, on_end, p));
    return gust_iostream_set_deadline(a, gust_ioloop_now(p->t.loop) + GUST_SECONDS(5));
}

static void check_end(const struct play *p)
{
    assert_int_equal(p->completed, p->started);
    assert_int_equal(p->freed, p->given);
}

/* ---- The dialogue over each bottom ----------------------------------------------------- */

static int act(struct play *p)
{
    GUST_TRY(streams_try(&p->t, &options));
    GUST_TRY(prepare_speaker(p));
    GUST_TRY(prepare_echo(p, p->t.b));
    next_step(p);
    if (!streams_until_try(&p->t, &p->ends, 2)) {
        fail_msg("no end: %s, step %d", faults_current(), p->step);
    }
    return p->code;
}

static int run_play(void)
{
    struct play *p = calloc(1, sizeof(*p));
    int code = act(p);
    int step = p->step;
    streams_close(&p->t);
    check_end(p);
    free(p);
    return code != 0 ? code : step == LAST_STEP ? 0 : GUST_EPROTO;
}

static int play_memory(void *user)
{
    (void)user;
    int code = run_play();
    /* who has no memory ends its stream, and the peer learns of that as of any end */
    return code != 0 && alloc_sweep_has_failed() ? -ENOMEM : code;
}

static void test_dialogue__each_allocation_fails(void **state)
{
    (void)state;
    alloc_sweep(play_memory, NULL);
}

static void play_calls(struct faults *faults, void *user)
{
    int descriptors = loops_descriptors();
    (void)user;
    streams_set_kernel(&faults->sys);
    int code = run_play();
    streams_set_kernel(NULL);
    if (faults->injected == 0) {
        assert_int_equal(code, 0);
    }
    if (loops_descriptors() != descriptors) {
        fail_msg("descriptors leak: %s", faults_current());
    }
}

static void test_dialogue__each_system_call_fails(void **state)
{
    (void)state;
    unsigned long runs = faults_sweep(play_calls, NULL);
    assert_true(runs > (streams_bottom() == STREAMS_PAIR ? 5 : 100));
}

/* What a kernel may do at any time is no failure at all. */
static void test_dialogue__transient_faults__change_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct faults faults;
        faults_init(&faults, NULL);
        faults_randomly(&faults, seed, 200);
        streams_set_kernel(&faults.sys);
        int code = run_play();
        streams_set_kernel(NULL);
        assert_int_equal(code, 0);
    }
}

/* ---- With a server and a connect ---------------------------------------------------------- */

struct service {
    struct play p;
    gust_tcpserver *server;
    int handled;
    int wanted; /* ends */
};

static void handle(gust_tcpserver *server, gust_iostream *s, const gust_addr *addr, void *user)
{
    struct service *v = user;
    (void)server;
    assert_int_equal(addr->family, AF_INET);
    v->handled++;
    v->wanted++;
    if (prepare_echo(&v->p, s) != 0 && gust_iostream_is_closed(s)) {
        v->wanted -= v->p.ends == 0; /* it may have ended before it had callbacks */
    }
}

static int serve(struct service *v)
{
    struct play *p = &v->p;
    struct sockaddr_in in = {.sin_family = AF_INET};
    gust_tcpserver_options server_options = {.stream = options};
    GUST_TRY(streams_try_loop(&p->t));
    GUST_TRY(gust_tcpserver_new(p->t.loop, &server_options, handle, v, &v->server));
    GUST_TRY(gust_tcpserver_listen(v->server, 0, "127.0.0.1"));
    in.sin_port = htons((uint16_t)gust_tcpserver_port(v->server));
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const gust_sys *sys = gust_ioloop_sys(p->t.loop);
    int fd = sys->socket(sys, AF_INET, SOCK_STREAM, 0);
    if (fd < 0) {
        return fd;
    }
    int code = gust_iostream_new(p->t.loop, fd, &options, &p->t.a);
    if (code != 0) {
        close(fd);
        p->t.a = NULL;
        return code;
    }
    gust_iostream_ref(p->t.a);
    GUST_TRY(prepare_speaker(p));
    code = gust_iostream_connect(p->t.a, (struct sockaddr *)&in, sizeof(in), on_connect, p);
    if (!accepted(p, code)) {
        return code;
    }
    if (!gust_iostream_is_closed(p->t.a)) {
        next_step(p);
    }
    if (!streams_until_try(&p->t, &p->ends, 1)) {
        fail_msg("no end: %s, step %d", faults_current(), p->step);
    }
    streams_turn(&p->t, 20);
    return p->code;
}

static int run_service(void)
{
    struct service *v = calloc(1, sizeof(*v));
    int code = serve(v);
    int step = v->p.step;
    gust_tcpserver_free(v->server);
    streams_close(&v->p.t);
    check_end(&v->p);
    free(v);
    return code != 0 ? code : step == LAST_STEP ? 0 : GUST_EPROTO;
}

static int service_memory(void *user)
{
    (void)user;
    int code = run_service();
    return code != 0 && alloc_sweep_has_failed() ? -ENOMEM : code;
}

static void test_service__each_allocation_fails(void **state)
{
    (void)state;
    if (streams_bottom() == STREAMS_TCP) {
        alloc_sweep(service_memory, NULL);
    }
}

static void service_calls(struct faults *faults, void *user)
{
    int descriptors = loops_descriptors();
    (void)user;
    streams_set_kernel(&faults->sys);
    int code = run_service();
    streams_set_kernel(NULL);
    if (faults->injected == 0) {
        assert_int_equal(code, 0);
    }
    if (loops_descriptors() != descriptors) {
        fail_msg("descriptors leak: %s", faults_current());
    }
}

static void test_service__each_system_call_fails(void **state)
{
    (void)state;
    if (streams_bottom() == STREAMS_TCP) {
        unsigned long runs = faults_sweep(service_calls, NULL);
        assert_true(runs > 100);
    }
}

static int group(void)
{
    const struct CMUnitTest tests[] = {
        STREAMS_CASE(test_dialogue__each_system_call_fails),
        STREAMS_CASE(test_dialogue__transient_faults__change_nothing),
        STREAMS_CASE(test_service__each_system_call_fails),
        LOOPS_CASE(test_dialogue__each_allocation_fails),
        LOOPS_CASE(test_service__each_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return streams_over_bottoms(group);
}

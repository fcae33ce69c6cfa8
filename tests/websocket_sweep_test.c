/* Handshake, echo, broadcast and close, with each allocation failing in turn, and
 * with each system call failing in each plausible way. Whatever happened: no
 * crash, no leak, each open had its on_close, and the next client is served. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <gust/log.h>
#include <gust/websocket.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/faults.h"
#include "tests/support/loops.h"
#include "tests/support/ws_live.h"

#define CLIENTS 3
#define LARGE 9000

static int opens, closes;

struct member {
    gust_websocket ws;
    gust_list link;
};

static gust_list members;

static int on_open(gust_websocket *ws, gust_handler *h)
{
    (void)h;
    opens++;
    gust_list_push(&members, &((struct member *)(void *)ws)->link);
    return 0;
}

static void on_close(gust_websocket *ws)
{
    closes++;
    gust_list_remove(&((struct member *)(void *)ws)->link);
}

/* Text is echoed, binary goes to all. */
static int on_message(gust_websocket *ws, gust_str message, enum gust_websocket_opcode type)
{
    gust_websocket_message *shared;
    if (type == GUST_WEBSOCKET_TEXT) {
        return gust_websocket_write_message(ws, message, type);
    }
    GUST_TRY(gust_websocket_message_new(message, type, &shared));
    for (gust_list *at = members.next; at != &members; at = at->next) {
        char *member = (char *)at - offsetof(struct member, link);
        (void)gust_websocket_write_prepared((gust_websocket *)(void *)member, shared);
    }
    gust_websocket_message_unref(shared);
    return 0;
}

static void choose(gust_handler *h, const gust_str *offered, size_t count, gust_str *out_chosen)
{
    (void)h;
    if (count > 0) {
        *out_chosen = offered[0];
    }
}

static const gust_websocket_class room = {.name = "room",
                                          .instance_size = sizeof(struct member),
                                          .select_subprotocol = choose,
                                          .open = on_open,
                                          .on_message = on_message,
                                          .on_close = on_close};
static const gust_route routes[] = {GUST_WEBSOCKET_ROUTE("/ws", &room), {0}};

/* ---- the clients: descriptors, of which the library knows nothing -------------------------- */

struct world {
    const gust_sys *sys;
    gust_ioloop *loop;
    gust_application *app;
    gust_httpserver *server;
    int fds[CLIENTS + 1]; /* the clients' ends; the last is the next client */
    unsigned char in[65536];
    size_t len;
    int last_code; /* of a loop that ended, 0 else */
};

static void turn(struct world *w, int n)
{
    while (n-- > 0) {
        int code = gust_ioloop_run(w->loop, GUST_RUN_NOWAIT);
        w->last_code = code != 0 ? code : w->last_code;
    }
}

static int join(struct world *w, int i)
{
    gust_iostream *s;
    int fds[2];
    loops_pair(fds);
    w->fds[i] = fds[1];
    int code = gust_iostream_new(w->loop, fds[0], NULL, &s);
    if (code != 0) {
        close(fds[0]);
        return code;
    }
    code = gust_httpserver_serve(w->server, s, NULL);
    if (code != 0) {
        gust_iostream_close(s);
    }
    return code;
}

/* To a server that may have gone. */
static void send_bytes(struct world *w, int i, const void *bytes, size_t len)
{
    if (w->fds[i] >= 0) {
        (void)send(w->fds[i], bytes, len, MSG_NOSIGNAL);
    }
}

static void send_frame(struct world *w, int i, unsigned first, const void *payload, size_t len)
{
    unsigned char frame[LARGE + 14];
    send_bytes(w, i, frame, ws_live_frame_bytes(frame, first, payload, len));
}

static void ask(struct world *w, int i)
{
    static const char request[] =
        "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: one, two\r\n\r\n";
    send_bytes(w, i, request, sizeof(request) - 1);
}

static void receive(struct world *w, int i)
{
    ssize_t n;
    w->len = 0;
    while (w->len < sizeof(w->in) &&
           (n = recv(w->fds[i], w->in + w->len, sizeof(w->in) - w->len, 0)) > 0) {
        w->len += (size_t)n;
    }
}

static bool came(const struct world *w, const char *text, size_t len)
{
    for (size_t at = 0; at + len <= w->len; at++) {
        if (memcmp(w->in + at, text, len) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- the scenario ------------------------------------------------------------------------------ */

static int build(struct world *w)
{
    const gust_ioloop_options options = {.sys = w->sys, .keep_current = true};
    GUST_TRY(gust_ioloop_new(&options, &w->loop));
    GUST_TRY(gust_application_new(routes, NULL, &w->app));
    return gust_httpserver_new(w->loop, NULL, gust_application_delegate(), w->app, &w->server);
}

static int meet(struct world *w)
{
    int code = 0;
    for (int i = 0; i < CLIENTS; i++) {
        int joined = join(w, i);
        code = code != 0 ? code : joined;
        ask(w, i);
        turn(w, 3);
    }
    return code;
}

static void talk(struct world *w)
{
    static char large[LARGE];
    send_frame(w, 0, 0x81, "echo", 4);
    turn(w, 2);
    send_frame(w, 1, 0x01, "in ", 3); /* assembled */
    send_frame(w, 1, 0x89, "ping", 4);
    send_frame(w, 1, 0x80, "pieces", 6);
    turn(w, 2);
    send_frame(w, 2, 0x82, "to all", 6); /* broadcast, small and large */
    turn(w, 2);
    send_frame(w, 0, 0x82, large, LARGE);
    send_frame(w, 0, 0x81, large, LARGE);
    turn(w, 4);
}

/* One closes, one breaks a rule, one just goes. */
static void part(struct world *w)
{
    send_frame(w, 0, 0x88, "\x03\xe8 reason", 9);
    send_frame(w, 1, 0x83, "", 0);
    turn(w, 4);
    for (int i = 0; i < CLIENTS; i++) {
        if (w->fds[i] >= 0) {
            close(w->fds[i]);
            w->fds[i] = -1;
        }
    }
    turn(w, 6);
}

/* Nothing fails any more. */
static int serve_next(struct world *w)
{
    GUST_TRY(join(w, CLIENTS));
    ask(w, CLIENTS);
    send_frame(w, CLIENTS, 0x81, "served", 6);
    turn(w, 8);
    receive(w, CLIENTS);
    bool is_served = came(w, "HTTP/1.1 101", 12) && came(w, "\x81\x06served", 8);
    return is_served ? 0 : GUST_EPROTO;
}

static void take_down(struct world *w)
{
    gust_httpserver_free(w->server);
    gust_application_free(w->app);
    gust_ioloop_free(w->loop);
    for (int i = 0; i <= CLIENTS; i++) {
        if (w->fds[i] >= 0) {
            close(w->fds[i]);
        }
    }
}

static void quiet(const gust_log_record *record, void *user)
{
    (void)record, (void)user;
}

static void begin(struct world *w, const gust_sys *sys)
{
    *w = (struct world){.sys = sys, .fds = {-1, -1, -1, -1}};
    opens = closes = 0;
    gust_list_init(&members);
    gust_log_set_sink(quiet, NULL);
}

/* What all did get, when nothing failed. */
static void assert_all_went_well(struct world *w)
{
    receive(w, 1);
    assert_true(came(w, "Sec-WebSocket-Protocol: one\r\n", 29));
    assert_true(came(w, "\x8a\x04ping\x81\x09in pieces", 17));
    assert_true(came(w, "\x82\x06to all", 8));
    assert_true(came(w, "\x82\x7e\x23\x28", 4));
}

static int memory_scenario(void *user)
{
    static struct world w;
    bool leave_open = user != NULL;
    begin(&w, NULL);
    int code = build(&w);
    if (code == 0) {
        code = meet(&w);
        talk(&w);
        if (!alloc_sweep_has_failed()) {
            assert_all_went_well(&w);
        }
        if (!leave_open) {
            part(&w);
        }
        alloc_sweep_heal();
        int served = serve_next(&w);
        if (served != 0) {
            fail_msg("the next client was not served: %s", gust_err_name(served));
        }
    }
    take_down(&w);
    assert_int_equal(opens, closes);
    gust_log_set_sink(NULL, NULL);
    return code;
}

static void test_memory__each_allocation_fails(void **state)
{
    (void)state;
    alloc_sweep(memory_scenario, NULL);
}

/* The loop is freed while they are open. */
static void test_memory__each_allocation_fails__left_open(void **state)
{
    (void)state;
    alloc_sweep(memory_scenario, &members);
}

static void calls_scenario(struct faults *faults, void *user)
{
    static struct world w;
    unsigned long *runs = user;
    alloc_count_begin();
    begin(&w, &faults->sys);
    int code = build(&w);
    if (code == 0) {
        (void)meet(&w);
        talk(&w);
        part(&w);
        faults_clear(faults);
        turn(&w, 6);
        int served = serve_next(&w);
        if (served != 0 || w.last_code != 0) {
            fail_msg("%s: %s, loop %s", faults_current(), gust_err_name(served),
                     gust_err_name(w.last_code));
        }
    }
    faults_clear(faults);
    take_down(&w);
    if (opens != closes) {
        fail_msg("%s: %d opens, %d closes", faults_current(), opens, closes);
    }
    alloc_count_end();
    gust_log_set_sink(NULL, NULL);
    ++*runs;
}

static void test_calls__each_fails_in_each_way(void **state)
{
    unsigned long runs = 0;
    (void)state;
    unsigned long swept = faults_sweep(calls_scenario, &runs);
    assert_int_equal(swept, runs);
    assert_true(runs > 200);
}

/* Short counts, EINTR and EAGAIN in any mixture change nothing but the time. */
static void test_calls__random_faults__all_is_served(void **state)
{
    static struct world w;
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct faults faults;
        faults_init(&faults, NULL);
        alloc_count_begin();
        begin(&w, &faults.sys);
        assert_int_equal(build(&w), 0);
        faults_randomly(&faults, seed, 200);
        assert_int_equal(meet(&w), 0);
        talk(&w);
        turn(&w, 3000);
        assert_all_went_well(&w);
        part(&w);
        faults_clear(&faults);
        assert_int_equal(serve_next(&w), 0);
        take_down(&w);
        assert_int_equal(opens, CLIENTS + 1);
        assert_int_equal(closes, CLIENTS + 1);
        assert_true(faults.injected > 10);
        alloc_count_end();
        gust_log_set_sink(NULL, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOPS_CASE(test_memory__each_allocation_fails),
        LOOPS_CASE(test_memory__each_allocation_fails__left_open),
        LOOPS_CASE(test_calls__each_fails_in_each_way),
        LOOPS_CASE(test_calls__random_faults__all_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

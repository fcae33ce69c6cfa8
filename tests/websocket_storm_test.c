/* Four clients and their WebSockets do whatever a seed says, in any order: frames
 * right and wrong, in pieces, pauses, deafness, closes, losses, time. Each open
 * has one on_close, nothing comes after it, messages stay in order, and nothing
 * leaks. A failing seed replays exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/ws_live.h"

enum { SEEDS = 300, STEPS = 150 };

static struct ws_live live;
static uint64_t seed_now;
static uint64_t random_state;
static char much[300000];

/* splitmix64 */
static unsigned draw(unsigned below)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (unsigned)((z ^ (z >> 31)) % below);
}

static void broken(const char *what)
{
    fail_msg("seed %llu: %s", (unsigned long long)seed_now, what);
}

/* ---- the server's side ------------------------------------------------------------------ */

struct socket {
    gust_websocket ws;
    int slot; /* in `sockets` */
    bool is_pending;
    uint32_t heard; /* number of the last message */
};

#define SLOTS 64

static struct socket *sockets[SLOTS];
static int opens, closes;
static bool is_calm; /* callbacks do nothing any more */

static struct socket *self(gust_websocket *ws)
{
    struct socket *s = (struct socket *)(void *)ws;
    if (s->slot < 0 || s->slot >= SLOTS || sockets[s->slot] != s) {
        broken("a callback for one that is not open");
    }
    return s;
}

static int something(gust_websocket *ws)
{
    struct socket *s = self(ws);
    switch (is_calm ? 15 : draw(16)) {
    case 0: return gust_websocket_close(ws, 1000, GUST_STR("enough"));
    case 1: gust_websocket_abort(ws); return 0;
    case 2: return -EIO;
    case 3: s->is_pending = true; return GUST_PENDING;
    case 4: gust_websocket_pause(ws); return 0;
    case 5:
        return gust_websocket_write_message(ws, gust_str_make(much, draw(sizeof(much))),
                                            GUST_WEBSOCKET_BINARY);
    case 6: return gust_websocket_ping(ws, GUST_STR("p")) == 0 ? 0 : GUST_ECLOSED;
    default: return 0;
    }
}

static int on_open(gust_websocket *ws, gust_handler *h)
{
    struct socket *s = (struct socket *)(void *)ws;
    (void)h;
    opens++;
    s->slot = 0;
    while (s->slot < SLOTS && sockets[s->slot] != NULL) {
        s->slot++;
    }
    assert_true(s->slot < SLOTS);
    sockets[s->slot] = s;
    return something(ws);
}

static int on_message(gust_websocket *ws, gust_str message, enum gust_websocket_opcode type)
{
    struct socket *s = self(ws);
    uint32_t number;
    if (s->is_pending) {
        broken("a message while one is pending");
    }
    if (type == GUST_WEBSOCKET_BINARY && message.len == sizeof(number)) {
        memcpy(&number, message.ptr, sizeof(number));
        /* one that was paused when it closed has missed some */
        bool fits = gust_websocket_is_open(ws) ? number == s->heard + 1 : number > s->heard;
        if (!fits) {
            broken("a message is missing, or twice");
        }
        s->heard = number;
    }
    return something(ws);
}

static void on_control(gust_websocket *ws, gust_str data)
{
    (void)self(ws), (void)data;
}

static void on_drain(gust_websocket *ws)
{
    (void)self(ws);
    if (!gust_websocket_is_open(ws)) {
        broken("on_drain of one that closes");
    }
    if (draw(2) == 0) {
        (void)gust_websocket_write_message(ws, gust_str_make(much, draw(100000)),
                                           GUST_WEBSOCKET_BINARY);
    }
}

static void on_close(gust_websocket *ws)
{
    struct socket *s = self(ws);
    closes++;
    sockets[s->slot] = NULL;
    int code = gust_websocket_close_code(ws);
    if (code < 1000 || code == 1004 || code > 4999) {
        broken("a close code that can't be");
    }
}

static const gust_websocket_class cls = {.name = "storm",
                                         .instance_size = sizeof(struct socket),
                                         .open = on_open,
                                         .on_message = on_message,
                                         .on_ping = on_control,
                                         .on_pong = on_control,
                                         .on_drain = on_drain,
                                         .on_close = on_close,
                                         .max_write_buffer = 65536,
                                         .max_message_size = 100000};
static const gust_route routes[] = {GUST_WEBSOCKET_ROUTE("/ws", &cls), {0}};

/* One of those that are open does something of its own accord. */
static void act_on_one(void)
{
    struct socket *s = sockets[draw(8)];
    if (s == NULL) {
        return;
    }
    switch (draw(6)) {
    case 0:
    case 1:
    case 2:
        s->is_pending = false;
        gust_websocket_resume(&s->ws);
        break;
    case 3: gust_websocket_pause(&s->ws); break;
    case 4:
        (void)gust_websocket_write_message(&s->ws, gust_str_make(much, draw(50000)),
                                           GUST_WEBSOCKET_BINARY);
        break;
    default: (void)gust_websocket_close(&s->ws, 1001, GUST_STR("")); break;
    }
}

/* ---- the clients ----------------------------------------------------------------------------- */

static uint32_t said[WS_LIVE_CLIENTS];
static bool is_deaf[WS_LIVE_CLIENTS];

static bool is_there(void)
{
    return live.client->s != NULL && !gust_iostream_is_closed(live.client->s);
}

static void send_some(const unsigned char *bytes, size_t len)
{
    size_t at = 0;
    while (at < len && is_there()) {
        size_t n = 1 + draw((unsigned)len);
        n = n < len - at ? n : len - at;
        (void)gust_iostream_write(live.client->s, gust_str_make((const char *)bytes + at, n), NULL,
                                  NULL);
        at += n;
        ws_live_turn(&live, (int)draw(3));
    }
}

static void send_frame(int i)
{
    static const unsigned controls[] = {0x89, 0x8a, 0x88};
    unsigned char frame[64], payload[40] = {0x03, 0xe8};
    unsigned first = 0x82;
    size_t len = sizeof(uint32_t);
    unsigned kind = draw(20);
    if (kind < 14) {
        said[i]++;
        memcpy(payload, &said[i], sizeof(said[i]));
    } else if (kind < 17) {
        first = controls[draw(3)];
        len = 2 + draw(20);
    } else if (kind == 17) {
        first = draw(256);              /* most are against a rule */
        len = draw(2) * (5 + draw(30)); /* not 4: those are counted */
    } else {
        first = 0x81;
        len = 6 + draw(30);
        memset(payload, kind == 18 ? 'a' : 0xff, len);
    }
    send_some(frame, ws_live_frame_bytes(frame, first, payload, len));
}

static void client_step(int i)
{
    ws_live_use(&live, i);
    if (!is_there()) {
        said[i] = 0;
        is_deaf[i] = false;
        ws_live_request(&live, "/ws", "", NULL, 0);
        return;
    }
    switch (draw(12)) {
    case 0: ws_live_vanish(&live); break;
    case 1: ws_live_half_close(&live); break;
    case 2:
        is_deaf[i] = !is_deaf[i];
        ws_live_deaf(&live, is_deaf[i]);
        break;
    case 3: ws_live_pass(&live, (gust_time)draw(40) * GUST_SECONDS(1)); break;
    default: send_frame(i); break;
    }
}

/* All clients go, and who waits for somebody goes on: then none may be left. */
static void let_all_end(void)
{
    is_calm = true;
    for (int i = 0; i < WS_LIVE_CLIENTS; i++) {
        ws_live_use(&live, i);
        ws_live_vanish(&live);
    }
    for (int i = 0; i < SLOTS; i++) {
        if (sockets[i] != NULL) {
            sockets[i]->is_pending = false;
            gust_websocket_resume(&sockets[i]->ws);
        }
    }
    ws_live_turn(&live, 6);
    if (gust_websocket_count(live.loop) != 0) {
        broken("one is left");
    }
}

static void run(uint64_t seed)
{
    seed_now = random_state = seed;
    is_calm = false;
    opens = closes = 0;
    memset(sockets, 0, sizeof(sockets));
    alloc_count_begin();
    ws_live_start(&live, routes);
    for (int step = 0; step < STEPS; step++) {
        client_step((int)draw(WS_LIVE_CLIENTS));
        act_on_one();
        ws_live_turn(&live, (int)draw(3));
    }
    if (draw(2) == 0) { /* leave all as it is: the loop goes */
        gust_httpserver_free(live.server);
        gust_application_free(live.application);
        gust_ioloop_free(live.loop);
        live.server = NULL;
        live.application = NULL;
        live.loop = NULL;
    } else {
        let_all_end();
    }
    ws_live_stop(&live);
    if (opens == 0 || opens != closes) {
        broken("opens and closes");
    }
    alloc_count_end();
}

static void test_storm__invariants_hold(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_storm__invariants_hold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

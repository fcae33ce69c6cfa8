/* The way into a WebSocket, and the way not in: handshakes over live connections,
 * what is refused and how, origins, subprotocols. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/ws_live.h"

/* Parts of requests. */
#define UP "Upgrade: websocket\r\n"
#define CON "Connection: Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define V13 "Sec-WebSocket-Version: 13\r\n"
#define GET "GET /ws HTTP/1.1"

static struct ws_live live;

static int before(void **state)
{
    (void)state;
    alloc_count_begin();
    return 0;
}

static int after(void **state)
{
    (void)state;
    ws_live_stop(&live);
    alloc_count_end();
    return 0;
}

/* One class at "/ws". */
static void start(const gust_websocket_class *cls)
{
    static gust_route routes[2];
    routes[0] = (gust_route)GUST_WEBSOCKET_ROUTE("/ws", cls);
    ws_live_start(&live, routes);
}

static const gust_websocket_class echo = {.name = "echo",
                                          .open = ws_live_on_open,
                                          .on_message = ws_live_echo,
                                          .on_ping = ws_live_on_ping,
                                          .on_pong = ws_live_on_pong,
                                          .on_close = ws_live_on_close};

/* ---- the way in ------------------------------------------------------------------------ */

static void test_handshake__101_to_the_byte(void **state)
{
    (void)state;
    start(&echo);
    ws_live_request(&live, "/ws", "", NULL, 0);
    const char *text = (const char *)live.client->in;
    assert_int_equal(ws_live_status(&live), 101);
    assert_non_null(strstr(text, "HTTP/1.1 101 Switching Protocols\r\n"));
    assert_string_equal(ws_live_field(&live, "Upgrade"), "websocket");
    assert_string_equal(ws_live_field(&live, "Connection"), "Upgrade");
    assert_string_equal(ws_live_field(&live, "Content-Type"), "");
    assert_string_equal(ws_live_field(&live, "Content-Length"), "");
    assert_string_equal(ws_live_field(&live, "Transfer-Encoding"), "");
    assert_string_equal(ws_live_field(&live, "Sec-WebSocket-Protocol"), "");
    assert_string_equal(ws_live_field(&live, "Sec-WebSocket-Extensions"), "");
    ws_live_expect_101(&live);
    ws_live_expect_nothing(&live);
    assert_int_equal(gust_websocket_count(live.loop), 1);
}

static void test_echo__types_and_bytes_stay(void **state)
{
    (void)state;
    start(&echo);
    ws_live_open(&live, "/ws");
    ws_live_send_text(&live, "hello");
    ws_live_expect(&live, 0x81, "hello");
    ws_live_send_frame(&live, 0x82, "hello \xe9", 7);
    ws_live_expect(&live, 0x82, "hello \xe9");
    ws_live_send_text(&live, "hello \xc3\xa9");
    ws_live_expect(&live, 0x81, "hello \xc3\xa9");
    ws_live_send_close(&live, 1000, "bye");
    ws_live_expect_close(&live, 1000);
    ws_live_expect_end(&live);
    ws_live_vanish(&live);
    ws_live_expect_events(
        &live, "open message(hello) binary(hello \xe9) message(hello \xc3\xa9) close(1000,bye) ");
    assert_int_equal(gust_websocket_count(live.loop), 0);
}

/* Frames in the segment of the request are frames. */
static void test_frames_behind_the_request__are_taken(void **state)
{
    unsigned char frames[64];
    size_t len = ws_live_frame_bytes(frames, 0x81, "first", 5);
    (void)state;
    start(&echo);
    for (size_t cut = 0; cut <= len; cut++) {
        ws_live_request(&live, "/ws", "", frames, cut);
        ws_live_expect_101(&live);
        if (cut < len) {
            ws_live_expect_nothing(&live);
            ws_live_send(&live, frames + cut, len - cut);
        }
        ws_live_expect(&live, 0x81, "first");
        ws_live_vanish(&live);
        ws_live_expect_events(&live, "open message(first) close(1006,) ");
    }
}

static void test_close_behind_the_request__open_then_on_close(void **state)
{
    unsigned char frames[64];
    size_t len = ws_live_frame_bytes(frames, 0x88, "\x03\xe9", 2);
    (void)state;
    start(&echo);
    ws_live_request(&live, "/ws", "", frames, len);
    ws_live_expect_101(&live);
    ws_live_expect_close(&live, 1001);
    ws_live_expect_end(&live);
    ws_live_vanish(&live);
    ws_live_expect_events(&live, "open close(1001,) ");
}

static int set_headers(gust_handler *h)
{
    GUST_TRY(gust_handler_add_header(h, "X-One", GUST_STR("1")));
    return gust_handler_add_header(h, "Set-Cookie", GUST_STR("a=b"));
}

static void test_headers_of_prepare__are_in_the_101(void **state)
{
    static const gust_websocket_class cls = {.prepare = set_headers, .open = ws_live_on_open};
    (void)state;
    start(&cls);
    ws_live_request(&live, "/ws", "", NULL, 0);
    assert_string_equal(ws_live_field(&live, "X-One"), "1");
    assert_string_equal(ws_live_field(&live, "Set-Cookie"), "a=b");
    ws_live_expect_101(&live);
}

static int open_with_args(gust_websocket *ws, gust_handler *h)
{
    gust_str query = {NULL, 0};
    gust_str room = gust_handler_path_arg(h, "room");
    (void)ws;
    GUST_TRY(gust_handler_get_argument(h, "as", &query));
    gust_str agent = gust_request_header(h->request, GUST_HTTP_USER_AGENT);
    ws_live_event("open(%.*s,%.*s,%.*s)", GUST_FMT(room), GUST_FMT(query), GUST_FMT(agent));
    return 0;
}

static void test_open__sees_path_query_and_fields(void **state)
{
    static const gust_websocket_class cls = {.open = open_with_args};
    static const gust_route routes[] = {GUST_WEBSOCKET_ROUTE("/rooms/:room", &cls), {0}};
    (void)state;
    ws_live_start(&live, routes);
    ws_live_request(&live, "/rooms/blue%20one?as=ann", "User-Agent: test\r\n", NULL, 0);
    ws_live_expect_101(&live);
    ws_live_expect_events(&live, "open(blue one,ann,test) ");
}

/* The HTTP answer is given: all that would change it says so, and harms nobody. */
static int open_and_misuse(gust_websocket *ws, gust_handler *h)
{
    assert_int_equal(gust_handler_write(h, GUST_STR("x")), GUST_ESTATE);
    assert_int_equal(gust_handler_flush(h, NULL, NULL), GUST_ESTATE);
    assert_int_equal(gust_handler_finish(h), GUST_ESTATE);
    assert_int_equal(gust_handler_set_status(h, 500, NULL), GUST_ESTATE);
    assert_int_equal(gust_handler_set_header(h, "X", GUST_STR("y")), GUST_ESTATE);
    assert_int_not_equal(gust_handler_redirect(h, GUST_STR("/"), 302), 0);
    gust_handler_send_error(h, 500);
    gust_handler_complete(h, 500);
    gust_iostream_set_nodelay(gust_websocket_stream(ws), true);
    assert_ptr_equal(gust_websocket_loop(ws), live.loop);
    return gust_websocket_write_message(ws, GUST_STR("fine"), GUST_WEBSOCKET_TEXT);
}

static void test_handler_after_the_101__refuses_to_answer(void **state)
{
    static const gust_websocket_class cls = {.open = open_and_misuse, .on_message = ws_live_echo};
    (void)state;
    start(&cls);
    ws_live_open(&live, "/ws");
    ws_live_expect(&live, 0x81, "fine");
    ws_live_send_text(&live, "on");
    ws_live_expect(&live, 0x81, "on");
}

static gust_handler *waiting;

static int wait_in_prepare(gust_handler *h)
{
    waiting = h;
    return GUST_PENDING;
}

static const gust_websocket_class slow_prepare = {.prepare = wait_in_prepare,
                                                  .open = ws_live_on_open,
                                                  .on_message = ws_live_echo,
                                                  .on_close = ws_live_on_close};

static void test_prepare_pending__then_all_goes_on(void **state)
{
    unsigned char frames[64];
    size_t len = ws_live_frame_bytes(frames, 0x81, "early", 5);
    (void)state;
    start(&slow_prepare);
    ws_live_request(&live, "/ws", "", frames, len);
    ws_live_expect_nothing(&live);
    ws_live_expect_events(&live, "");
    gust_handler_complete(waiting, 0);
    ws_live_turn(&live, 4);
    ws_live_expect_101(&live);
    ws_live_expect(&live, 0x81, "early");
    ws_live_expect_events(&live, "open message(early) ");
}

static void test_prepare_pending__refuses_later(void **state)
{
    (void)state;
    start(&slow_prepare);
    ws_live_request(&live, "/ws", "", NULL, 0);
    gust_handler_complete(waiting, 403);
    ws_live_turn(&live, 4);
    assert_int_equal(ws_live_status(&live), 403);
    assert_int_equal(gust_websocket_count(live.loop), 0);
    ws_live_expect_events(&live, "");
}

/* It may only have ended its side: the answer is sent, and then that is all. */
static void test_prepare_pending__the_client_goes(void **state)
{
    (void)state;
    start(&slow_prepare);
    ws_live_request(&live, "/ws", "", NULL, 0);
    ws_live_vanish(&live);
    gust_handler_complete(waiting, 0);
    ws_live_turn(&live, 4);
    assert_int_equal(gust_websocket_count(live.loop), 0);
    ws_live_expect_events(&live, "open close(1006,) ");
}

static void test_prepare_pending__the_connection_breaks(void **state)
{
    (void)state;
    start(&slow_prepare);
    ws_live_request(&live, "/ws", "", NULL, 0);
    gust_httpserver_close_all_connections(live.server);
    ws_live_turn(&live, 4);
    gust_handler_complete(waiting, 0);
    ws_live_turn(&live, 4);
    assert_int_equal(gust_websocket_count(live.loop), 0);
    ws_live_expect_events(&live, "");
}

/* The application is freed while prepare is pending; open asks for its route's
 * arguments all the same. */
static void test_application_freed_in_prepare__open_has_its_route(void **state)
{
    static const gust_websocket_class cls = {.prepare = wait_in_prepare, .open = open_with_args};
    static const gust_route routes[] = {GUST_WEBSOCKET_ROUTE("/rooms/:room", &cls), {0}};
    (void)state;
    ws_live_start(&live, routes);
    ws_live_request(&live, "/rooms/a?as=b", "", NULL, 0);
    gust_application_free(live.application);
    live.application = NULL;
    gust_handler_complete(waiting, 0);
    ws_live_turn(&live, 4);
    ws_live_expect_101(&live);
    ws_live_expect_events(&live, "open(a,b,) ");
}

/* ---- the way not in ---------------------------------------------------------------------- */

static int hello(gust_handler *h)
{
    return gust_handler_write(h, GUST_STR("hello"));
}

static const gust_handler_class hello_class = {.get = hello};

/* The connection serves HTTP on. */
static void assert_still_http(void)
{
    ws_live_forget(&live);
    const char *request = "GET /hello HTTP/1.1\r\nHost: example.org\r\n\r\n";
    ws_live_send(&live, request, strlen(request));
    ws_live_turn(&live, 4);
    assert_int_equal(ws_live_status(&live), 200);
    assert_false(live.client->ended);
}

static void start_with_hello(const gust_websocket_class *cls)
{
    static gust_route routes[3];
    routes[0] = (gust_route)GUST_WEBSOCKET_ROUTE("/ws", cls);
    routes[1] = (gust_route){"/hello", .handler = &hello_class};
    ws_live_start(&live, routes);
}

/* A page, the upgrade and a frame in one segment. */
static void test_upgrade_behind_a_pipelined_request__in_order(void **state)
{
    static const char requests[] = "GET /hello HTTP/1.1\r\nHost: example.org\r\n\r\n" GET
                                   "\r\nHost: example.org\r\n" UP CON KEY V13 "\r\n";
    unsigned char bytes[1024];
    size_t len = sizeof(requests) - 1;
    (void)state;
    start_with_hello(&echo);
    memcpy(bytes, requests, len);
    len += ws_live_frame_bytes(bytes + len, 0x81, "behind", 6);
    for (size_t cut = 1; cut < len; cut++) {
        ws_live_connect(&live);
        ws_live_send(&live, bytes, cut);
        ws_live_turn(&live, 3);
        ws_live_send(&live, bytes + cut, len - cut);
        ws_live_turn(&live, 4);
        assert_int_equal(ws_live_status(&live), 200);
        const char *second = strstr((const char *)live.client->in, "helloHTTP/1.1 101");
        assert_non_null(second);
        live.client->at = (size_t)(second + 5 - (const char *)live.client->in);
        ws_live_expect_101(&live);
        ws_live_expect(&live, 0x81, "behind");
        ws_live_vanish(&live);
    }
}

static int status_to_refuse;

static int refuse_in_prepare(gust_handler *h)
{
    return status_to_refuse != 401
               ? status_to_refuse
               : (gust_handler_set_header(h, "WWW-Authenticate", GUST_STR("Basic")),
                  gust_handler_send_error(h, 401), 0);
}

static void test_prepare_refuses__http_goes_on(void **state)
{
    static const gust_websocket_class cls = {.prepare = refuse_in_prepare, .open = ws_live_on_open};
    static const int statuses[] = {401, 403, 429, 503};
    (void)state;
    start_with_hello(&cls);
    for (size_t i = 0; i < 4; i++) {
        status_to_refuse = statuses[i];
        ws_live_request(&live, "/ws", "", NULL, 0);
        assert_int_equal(ws_live_status(&live), statuses[i]);
        assert_still_http();
    }
    ws_live_expect_events(&live, "");
    assert_int_equal(gust_websocket_count(live.loop), 0);
}

static int redirect_in_prepare(gust_handler *h)
{
    return gust_handler_redirect(h, GUST_STR("/hello"), 302);
}

static void test_prepare_redirects__302(void **state)
{
    static const gust_websocket_class cls = {.prepare = redirect_in_prepare};
    (void)state;
    start_with_hello(&cls);
    ws_live_request(&live, "/ws", "", NULL, 0);
    assert_int_equal(ws_live_status(&live), 302);
    assert_still_http();
}

/* A request of the rules for handshakes, and what it gets. */
struct row {
    const char *name;
    const char *line;   /* "GET /ws HTTP/1.1" */
    const char *fields; /* behind Host */
    int status;
    const char *field; /* that must be in the answer, with its value; NULL: none */
    const char *value;
    bool ends; /* the connection too */
};

static const struct row rows[] = {
    {"plain GET", GET, "", 400, NULL, NULL, false},
    {"all is well", GET, UP CON KEY V13, 101, NULL, NULL, false},
    {"HEAD", "HEAD /ws HTTP/1.1", UP CON KEY V13, 405, "Allow", "GET", false},
    {"POST", "POST /ws HTTP/1.1", "Content-Length: 0\r\n" UP CON KEY V13, 405, "Allow", "GET",
     false},
    {"PUT", "PUT /ws HTTP/1.1", "Content-Length: 0\r\n", 405, "Allow", "GET", false},
    {"DELETE", "DELETE /ws HTTP/1.1", "", 405, "Allow", "GET", false},
    {"PROPFIND", "PROPFIND /ws HTTP/1.1", "", 405, "Allow", "GET", false},
    {"HTTP/1.0", "GET /ws HTTP/1.0", UP CON KEY V13, 400, NULL, NULL, true},
    {"no Upgrade", GET, CON KEY V13, 400, NULL, NULL, false},
    {"another Upgrade", GET, "Upgrade: h2c\r\n" CON KEY V13, 400, NULL, NULL, false},
    {"Upgrade's case", GET, "upgrade: WebSocket\r\n" CON KEY V13, 101, NULL, NULL, false},
    {"Upgrade in a list", GET, "Upgrade: h2c, websocket\r\n" CON KEY V13, 101, NULL, NULL, false},
    {"no Connection", GET, UP KEY V13, 400, NULL, NULL, false},
    {"Connection without it", GET, UP "Connection: keep-alive\r\n" KEY V13, 400, NULL, NULL, false},
    {"Connection as a list", GET, UP "Connection: keep-alive, Upgrade\r\n" KEY V13, 101, NULL, NULL,
     false},
    {"Connection twice", GET, UP "Connection: keep-alive\r\nConnection: upgrade\r\n" KEY V13, 101,
     NULL, NULL, false},
    {"foreign origin", GET, UP CON KEY V13 "Origin: http://evil.example\r\n", 403, NULL, NULL,
     false},
    {"origin before version", GET, UP CON KEY "Origin: http://evil.example\r\n", 403, NULL, NULL,
     false},
    {"no version", GET, UP CON KEY, 426, "Sec-WebSocket-Version", "13", false},
    {"version 12", GET, UP CON KEY "Sec-WebSocket-Version: 12\r\n", 426, "Sec-WebSocket-Version",
     "13", false},
    {"version 8", GET, UP CON KEY "Sec-WebSocket-Version: 8\r\n", 426, "Sec-WebSocket-Version",
     "13", false},
    {"versions 13, 13", GET, UP CON KEY V13 V13, 426, "Sec-WebSocket-Version", "13", false},
    {"no key", GET, UP CON V13, 400, NULL, NULL, false},
    {"two keys", GET, UP CON KEY KEY V13, 400, NULL, NULL, false},
    {"short key", GET, UP CON V13 "Sec-WebSocket-Key: abc\r\n", 400, NULL, NULL, false},
    {"no base64", GET, UP CON V13 "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!==\r\n", 400, NULL,
     NULL, false},
    {"key's spare bits", GET, UP CON V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n", 400,
     NULL, NULL, false},
    {"a body", GET, UP CON KEY V13 "Content-Length: 3\r\n\r\nabc", 400, NULL, NULL, false},
    {"a chunked body", GET, UP CON KEY V13 "Transfer-Encoding: chunked\r\n\r\n0\r\n", 400, NULL,
     NULL, false},
    {"Content-Length: 0", GET, UP CON KEY V13 "Content-Length: 0\r\n", 101, NULL, NULL, false},
    {"subprotocol that is no token", GET, UP CON KEY V13 "Sec-WebSocket-Protocol: a b\r\n", 400,
     NULL, NULL, false},
    {"unknown extension", GET, UP CON KEY V13 "Sec-WebSocket-Extensions: permessage-foo; a\r\n",
     101, "Sec-WebSocket-Extensions", "", false},
};

static size_t write_row(const struct row *row, char *out, size_t cap)
{
    bool body = strstr(row->fields, "\r\n\r\n") != NULL;
    int n = snprintf(out, cap, "%s\r\nHost: example.org\r\n%s%s", row->line, row->fields,
                     body && strstr(row->fields, "abc") != NULL ? "" : "\r\n");
    assert_true(n > 0 && (size_t)n < cap);
    return (size_t)n;
}

static void check_row(const struct row *row)
{
    if (ws_live_status(&live) != row->status) {
        fail_msg("%s: %d\n%s", row->name, ws_live_status(&live), live.client->in);
    }
    if (row->field != NULL) {
        if (strcmp(ws_live_field(&live, row->field), row->value) != 0) {
            fail_msg("%s: %s", row->name, ws_live_field(&live, row->field));
        }
    }
    assert_int_equal(live.client->ended, row->ends);
    assert_int_equal(gust_websocket_count(live.loop), row->status == 101);
    if (row->status != 101 && !row->ends) {
        assert_still_http();
    }
}

/* Whole, byte by byte, and split at each offset. */
static void test_handshake_rows__in_every_cut(void **state)
{
    static const gust_websocket_class quiet = {.name = "quiet"};
    (void)state;
    start_with_hello(&quiet);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char request[1024];
        size_t len = write_row(&rows[i], request, sizeof(request));
        for (size_t cut = 0; cut <= len; cut++) {
            ws_live_connect(&live);
            size_t step = cut == 0 ? 1 : len; /* cut 0: bytewise */
            for (size_t at = 0, n = cut == 0 ? 1 : cut; at < len; at += n, n = step) {
                n = n < len - at ? n : len - at;
                ws_live_send(&live, request + at, n);
                ws_live_turn(&live, 2);
            }
            ws_live_turn(&live, 2);
            check_row(&rows[i]);
            ws_live_vanish(&live);
        }
    }
}

/* ---- origins --------------------------------------------------------------------------------- */

struct origin_row {
    const char *host, *origin;
    bool passes;
};

static const struct origin_row same_rows[] = {
    {"example.org", "http://example.org", true},
    {"example.org", "https://example.org", true},
    {"EXAMPLE.org", "http://example.ORG", true},
    {"example.org:80", "http://example.org", true},
    {"example.org", "http://example.org:80", true},
    {"example.org:443", "https://example.org", true},
    {"example.org:8888", "http://example.org:8888", true},
    {"[::1]:8888", "http://[::1]:8888", true},
    {"example.org:8888", "http://example.org", false},
    {"example.org:8888", "http://example.org:8889", false},
    {"example.org", "http://evil.example", false},
    {"example.org", "http://sub.example.org", false},
    {"sub.example.org", "http://example.org", false},
    {"example.org", "http://evilexample.org", false},
    {"example.org", "http://example.org.evil.example", false},
    {"example.org", "http://example.org@evil.example", false},
    {"example.org", "http://evil.example#example.org", false},
    {"example.org", "null", false},
    {"example.org", "example.org", false},
    {"example.org", "file://", false},
    {"example.org:8888", "127.0.0.1:8888", false},
};

static void ask_with_origin(const char *host, const char *origin)
{
    char request[1024];
    int n = snprintf(request, sizeof(request),
                     "GET /ws HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\n" UP CON KEY V13 "\r\n", host,
                     origin);
    ws_live_connect(&live);
    ws_live_send(&live, request, (size_t)n);
    ws_live_turn(&live, 4);
}

static void check_origins(const struct origin_row *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ask_with_origin(table[i].host, table[i].origin);
        if (ws_live_status(&live) != (table[i].passes ? 101 : 403)) {
            fail_msg("%s at %s: %d", table[i].origin, table[i].host, ws_live_status(&live));
        }
        ws_live_vanish(&live);
    }
}

static void test_origin__same_host_only(void **state)
{
    (void)state;
    start(&echo);
    check_origins(same_rows, sizeof(same_rows) / sizeof(same_rows[0]));
}

static void test_origin__refused__log_names_both(void **state)
{
    (void)state;
    start(&echo);
    ask_with_origin("inner:8080", "https://www.example.org");
    assert_int_equal(ws_live_status(&live), 403);
    assert_non_null(strstr(live.log, "\"https://www.example.org\""));
    assert_non_null(strstr(live.log, "\"inner:8080\""));
    assert_non_null(strstr(live.log, "allowed_origins"));
}

static void test_origin__allow_list(void **state)
{
    static const char *const allowed[] = {"https://www.example.org", "*.example.net", NULL};
    static const gust_websocket_class cls = {.allowed_origins = allowed};
    static const struct origin_row table[] = {
        {"inner", "https://www.example.org", true},
        {"inner", "http://www.example.org", false},
        {"inner", "https://example.org", false},
        {"inner", "https://a.example.net", true},
        {"inner", "http://a.b.example.net", true},
        {"inner", "https://example.net", false},
        {"inner", "https://evilexample.net", false},
        {"inner", "https://a.example.net.evil", false},
        {"inner", "http://inner", true},
        {"inner", "null", false},
    };
    (void)state;
    start(&cls);
    check_origins(table, sizeof(table) / sizeof(table[0]));
}

static bool check_origin(gust_handler *h, gust_str origin)
{
    (void)h;
    ws_live_event("origin(%.*s)", GUST_FMT(origin));
    return gust_str_eq(origin, GUST_STR("null"));
}

static void test_origin__own_check__asked_only_when_there_is_one(void **state)
{
    static const gust_websocket_class cls = {.check_origin = check_origin};
    (void)state;
    start(&cls);
    ws_live_open(&live, "/ws");
    ws_live_expect_events(&live, "");
    ask_with_origin("example.org", "null");
    ws_live_expect_101(&live);
    ask_with_origin("example.org", "http://example.org");
    assert_int_equal(ws_live_status(&live), 403);
    ws_live_expect_events(&live, "origin(null) origin(http://example.org) ");
}

/* ---- long lists: linear ------------------------------------------------------------------------ */

static void test_long_lists__are_read_once(void **state)
{
    static const char *const names[] = {"Upgrade", "Connection", "Sec-WebSocket-Protocol",
                                        "Sec-WebSocket-Extensions", "Origin"};
    static const char *const fills[] = {",", " ,", "\\", "\t", "a,", "\"", ";"};
    static char fields[40000];
    (void)state;
    start(&echo);
    for (size_t i = 0; i < 5; i++) {
        for (size_t k = 0; k < 7; k++) {
            int n = snprintf(fields, sizeof(fields), "%s: x", names[i]);
            size_t step = strlen(fills[k]);
            for (size_t at = (size_t)n; at < (size_t)n + 32768; at += step) {
                memcpy(fields + at, fills[k], step + 1);
            }
            memcpy(fields + strlen(fields), "x\r\n", 4);
            ws_live_request(&live, "/ws", fields, NULL, 0);
            assert_int_not_equal(ws_live_status(&live), 0);
            ws_live_vanish(&live);
        }
    }
}

/* ---- subprotocols --------------------------------------------------------------------------------- */

static void choose(gust_handler *h, const gust_str *offered, size_t count, gust_str *out_chosen)
{
    (void)h;
    ws_live_event("offered(%zu", count);
    for (size_t i = 0; i < count; i++) {
        ws_live_event("%.*s", GUST_FMT(offered[i]));
        if (gust_str_eq(offered[i], GUST_STR("good"))) {
            *out_chosen = offered[i];
        }
    }
    ws_live_event(")");
}

static int open_tell_subprotocol(gust_websocket *ws, gust_handler *h)
{
    (void)h;
    ws_live_event("open(%.*s)", GUST_FMT(gust_websocket_selected_subprotocol(ws)));
    return 0;
}

static const gust_websocket_class choosing = {
    .select_subprotocol = choose, .open = open_tell_subprotocol, .on_message = ws_live_echo};

static void test_subprotocol__chosen_once_before_open(void **state)
{
    (void)state;
    start(&choosing);
    ws_live_request(&live, "/ws", "Sec-WebSocket-Protocol: bad, good\r\n", NULL, 0);
    assert_string_equal(ws_live_field(&live, "Sec-WebSocket-Protocol"), "good");
    ws_live_expect_101(&live);
    ws_live_expect_events(&live, "offered(2 bad good ) open(good) ");
}

static void test_subprotocol__two_fields__one_list(void **state)
{
    (void)state;
    start(&choosing);
    ws_live_request(&live, "/ws", "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: good,b\r\n",
                    NULL, 0);
    ws_live_expect_101(&live);
    ws_live_expect_events(&live, "offered(3 a good b ) open(good) ");
}

static void test_subprotocol__none_offered__asked_all_the_same(void **state)
{
    (void)state;
    start(&choosing);
    ws_live_request(&live, "/ws", "", NULL, 0);
    assert_string_equal(ws_live_field(&live, "Sec-WebSocket-Protocol"), "");
    ws_live_expect_101(&live);
    ws_live_expect_events(&live, "offered(0 ) open() ");
}

static void test_subprotocol__none_chosen__still_101(void **state)
{
    (void)state;
    start(&choosing);
    ws_live_request(&live, "/ws", "Sec-WebSocket-Protocol: bad\r\n", NULL, 0);
    assert_string_equal(ws_live_field(&live, "Sec-WebSocket-Protocol"), "");
    ws_live_expect_101(&live);
    ws_live_expect_events(&live, "offered(1 bad ) open() ");
}

static void choose_other(gust_handler *h, const gust_str *offered, size_t count,
                         gust_str *out_chosen)
{
    (void)h, (void)offered, (void)count;
    *out_chosen = GUST_STR("never-offered");
}

static void test_subprotocol__not_offered__none(void **state)
{
    static const gust_websocket_class cls = {.select_subprotocol = choose_other,
                                             .open = open_tell_subprotocol};
    (void)state;
    start(&cls);
    ws_live_request(&live, "/ws", "Sec-WebSocket-Protocol: a\r\n", NULL, 0);
    assert_string_equal(ws_live_field(&live, "Sec-WebSocket-Protocol"), "");
    ws_live_expect_101(&live);
    ws_live_expect_events(&live, "open() ");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_origin__refused__log_names_both), /* before others use up the log's rate */
        CASE(test_handshake__101_to_the_byte),
        CASE(test_echo__types_and_bytes_stay),
        CASE(test_frames_behind_the_request__are_taken),
        CASE(test_close_behind_the_request__open_then_on_close),
        CASE(test_headers_of_prepare__are_in_the_101),
        CASE(test_open__sees_path_query_and_fields),
        CASE(test_prepare_pending__then_all_goes_on),
        CASE(test_prepare_pending__refuses_later),
        CASE(test_prepare_pending__the_client_goes),
        CASE(test_prepare_pending__the_connection_breaks),
        CASE(test_application_freed_in_prepare__open_has_its_route),
        CASE(test_handler_after_the_101__refuses_to_answer),
        CASE(test_upgrade_behind_a_pipelined_request__in_order),
        CASE(test_prepare_refuses__http_goes_on),
        CASE(test_prepare_redirects__302),
        CASE(test_handshake_rows__in_every_cut),
        CASE(test_origin__same_host_only),
        CASE(test_origin__allow_list),
        CASE(test_origin__own_check__asked_only_when_there_is_one),
        CASE(test_long_lists__are_read_once),
        CASE(test_subprotocol__chosen_once_before_open),
        CASE(test_subprotocol__two_fields__one_list),
        CASE(test_subprotocol__none_offered__asked_all_the_same),
        CASE(test_subprotocol__none_chosen__still_101),
        CASE(test_subprotocol__not_offered__none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

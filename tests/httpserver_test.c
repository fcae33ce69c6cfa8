/* The server's connections: requests and answers, persistence, answers that come
 * later, leaving clients, options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/http_peer.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_CLOSE "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
#define GET_10 "GET / HTTP/1.0\r\n\r\n"
#define GET_10_KEEP "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"

static struct http_site site;
static struct http_peer peer;
static gust_request *kept; /* by a handler that answers later */

static int before(void **state)
{
    (void)state;
    alloc_count_begin();
    kept = NULL;
    http_site_start(&site, NULL);
    return 0;
}

static int after(void **state)
{
    (void)state;
    http_peer_close(&peer);
    http_site_stop(&site);
    alloc_count_end();
    return 0;
}

/* The server again, on a socket and in real time. */
static void restart_on_socket(void)
{
    http_site_stop(&site);
    memset(&site, 0, sizeof(site));
    site.real_time = true;
    assert_int_equal(http_site_init(&site, NULL, &http_site_delegate, NULL), 0);
    assert_int_equal(gust_httpserver_listen(site.server, 0, "127.0.0.1"), 0);
    assert_true(gust_httpserver_port(site.server) > 0);
}

/* The server again, with these options. */
static void restart(const gust_httpserver_options *options)
{
    http_site_stop(&site);
    http_site_start(&site, options);
}

static void open_peer(void)
{
    assert_int_equal(http_peer_open(&peer, &site), 0);
}

static void say(const char *text)
{
    assert_int_equal(http_peer_say(&peer, text), 0);
    http_site_turn(&site, 8);
}

static void keep(struct http_site *s, gust_request *req)
{
    (void)s;
    kept = req;
}

/* Forget what came so far. */
static void forget(void)
{
    peer.len = 0;
    peer.text[0] = '\0';
}

/* ---- one request ------------------------------------------------------------- */

static void test_request__is_told_and_answered(void **state)
{
    (void)state;
    open_peer();
    say(GET);
    assert_string_equal(site.trace, "head finish ");
    assert_int_equal(http_peer_answers(&peer), 1);
    assert_int_equal(http_peer_status(&peer, 0), 200);
    assert_string_equal(http_peer_field(&peer, "Content-Length"), "5");
    assert_string_equal(http_peer_field(&peer, "Content-Type"), "text/plain");
    assert_string_equal(http_peer_field(&peer, "Date"), "Thu, 01 Jan 2026 00:00:00 GMT");
    assert_memory_equal(http_peer_field(&peer, "Server"), "Gust/", 5);
    assert_int_equal(http_peer_field_count(&peer, "Connection"), 0);
    assert_non_null(strstr(peer.text, "\r\n\r\nhello"));
    assert_false(peer.ended);
    assert_int_equal(gust_httpserver_connections(site.server), 1);
}

/* S01 */
static void test_connect_and_leave__nothing_happens(void **state)
{
    (void)state;
    open_peer();
    http_site_turn(&site, 3);
    assert_int_equal(gust_httpserver_connections(site.server), 1);
    http_peer_close(&peer);
    http_site_turn(&site, 3);
    assert_string_equal(site.trace, "close ");
    assert_string_equal(site.log, "");
    assert_int_equal(gust_httpserver_connections(site.server), 0);
}

static gust_str describe(struct http_site *s, gust_request *req, char *out, size_t size)
{
    gust_str name, value;
    bool second = gust_request_header_at(req, 1, &name, &value);
    int n = snprintf(out, size, "%.*s|%.*s|%.*s|%.*s|%d|%.*s|%.*s|%.*s|%.*s|%.*s=%.*s|%d%d",
                     GUST_FMT(gust_request_method_text(req)), GUST_FMT(gust_request_uri(req)),
                     GUST_FMT(gust_request_path(req)), GUST_FMT(gust_request_query(req)),
                     gust_request_version_minor(req), GUST_FMT(gust_request_host(req)),
                     GUST_FMT(gust_request_host_name(req)), GUST_FMT(gust_request_protocol(req)),
                     GUST_FMT(gust_request_remote_ip(req)), GUST_FMT(name), GUST_FMT(value), second,
                     gust_request_loop(req) == s->loop && gust_request_server(req) == s->server);
    return gust_str_make(out, (size_t)n);
}

static void answer_description(struct http_site *s, gust_request *req)
{
    char text[512];
    gust_response response = {.status = 200};
    assert_int_equal(gust_request_respond(req, &response, describe(s, req, text, sizeof(text))), 0);
}

/* R01, R03, S23 */
static void test_request__everything_that_can_be_asked(void **state)
{
    (void)state;
    site.on_finish = answer_description;
    open_peer();
    say("PURGE //double?a=%C3%A9&a= HTTP/1.1\r\nHost: WWW.Example.org:80\r\nX-Y:  z \r\n\r\n");
    assert_non_null(strstr(peer.text, "\r\n\r\nPURGE|//double?a=%C3%A9&a=|//double|a=%C3%A9&a=|1|"
                                      "WWW.Example.org:80|www.example.org|http|0.0.0.0|X-Y=z|11"));
}

static void answer_fields(struct http_site *s, gust_request *req)
{
    char text[512];
    gust_str none;
    (void)s;
    gust_response response = {.status = 200};
    gust_str first = gust_request_header(req, GUST_HTTP_ACCEPT);
    gust_str joined = gust_request_header_joined(req, GUST_HTTP_ACCEPT);
    gust_str one = gust_request_header_joined(req, GUST_HTTP_USER_AGENT);
    gust_str named = gust_request_header_named(req, GUST_STR("x-OTHER"));
    gust_str known = gust_request_header_named(req, GUST_STR("user-agent"));
    assert_null(gust_request_header(req, GUST_HTTP_COOKIE).ptr);
    assert_null(gust_request_header_joined(req, GUST_HTTP_COOKIE).ptr);
    assert_null(gust_request_header_named(req, GUST_STR("X-Othe")).ptr);
    assert_false(gust_request_header_at(req, 5, &none, &none));
    assert_false(gust_request_trailer_at(req, 0, &none, &none));
    assert_null(gust_request_body(req).ptr);
    int n = snprintf(text, sizeof(text), "%.*s|%.*s|%.*s|%.*s|%.*s", GUST_FMT(first),
                     GUST_FMT(joined), GUST_FMT(one), GUST_FMT(named), GUST_FMT(known));
    assert_int_equal(gust_request_respond(req, &response, gust_str_make(text, (size_t)n)), 0);
}

static void test_header_fields__by_id_by_name_joined(void **state)
{
    (void)state;
    site.on_finish = answer_fields;
    open_peer();
    say("GET / HTTP/1.1\r\nHost: a\r\nAccept: x\r\nX-Other: o\r\naccept:\r\nUser-Agent: u\r\n\r\n");
    assert_int_equal(http_peer_status(&peer, 0), 200);
    assert_non_null(strstr(peer.text, "\r\n\r\nx|x, |u|o|u"));
}

static void set_data(struct http_site *s, gust_request *req)
{
    assert_null(gust_request_data(req));
    gust_request_set_data(req, s);
    assert_ptr_equal(gust_request_data(req), s);
    char *memory = gust_arena_alloc(gust_request_arena(req), 100000);
    assert_non_null(memory);
    memset(memory, 1, 100000);
    http_site_hello(s, req);
}

static void test_arena_and_data__are_each_requests_own(void **state)
{
    (void)state;
    site.on_finish = set_data;
    open_peer();
    say(GET GET);
    assert_int_equal(http_peer_answers(&peer), 2);
}

/* S27: a plain function that answers. */
static void only_finish(gust_request *req, void *user)
{
    http_site_hello(user, req);
}

static void test_delegate_with_finish_only__serves(void **state)
{
    static const gust_http_delegate delegate = {.name = "least", .finish = only_finish};
    (void)state;
    http_site_stop(&site);
    assert_int_equal(http_site_init(&site, NULL, &delegate, NULL), 0);
    open_peer();
    say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    say("llo" GET "bad\r\n\r\n");
    assert_int_equal(http_peer_status(&peer, 0), 200);
    assert_int_equal(http_peer_status(&peer, 1), 200);
    assert_int_equal(http_peer_status(&peer, 2), 400);
    http_peer_close(&peer);
    open_peer();
    say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe"); /* and leaves */
}

/* ---- persistence ------------------------------------------------------------- */

/* P01 */
static void test_two_requests__one_connection(void **state)
{
    (void)state;
    open_peer();
    say(GET);
    say(GET);
    assert_int_equal(http_peer_answers(&peer), 2);
    assert_string_equal(site.trace, "head finish head finish ");
    assert_false(peer.ended);
}

/* P02 */
static void test_connection_close__echoed_and_ended(void **state)
{
    (void)state;
    http_peer_ask(&peer, &site, GET_CLOSE);
    assert_int_equal(http_peer_answers(&peer), 1);
    assert_string_equal(http_peer_field(&peer, "Connection"), "close");
    http_site_turn(&site, 4);
    assert_string_equal(site.trace, "head finish close ");
}

/* P03 */
static void test_http_10__ended_without_a_word(void **state)
{
    (void)state;
    http_peer_ask(&peer, &site, GET_10);
    assert_int_equal(http_peer_answers(&peer), 1);
    assert_int_equal(http_peer_field_count(&peer, "Connection"), 0);
}

/* P04 */
static void test_http_10_keep_alive__said_each_time(void **state)
{
    (void)state;
    open_peer();
    say(GET_10_KEEP);
    assert_string_equal(http_peer_field(&peer, "Connection"), "Keep-Alive");
    forget();
    say(GET_10_KEEP);
    assert_string_equal(http_peer_field(&peer, "Connection"), "Keep-Alive");
    assert_false(peer.ended);
    assert_int_equal(gust_httpserver_connections(site.server), 1);
}

/* P05 */
static void test_extra_line_after_request__next_is_answered(void **state)
{
    (void)state;
    open_peer();
    say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab\r\n");
    say(GET);
    assert_int_equal(http_peer_answers(&peer), 2);
}

static void answer_path(struct http_site *s, gust_request *req)
{
    (void)s;
    gust_response response = {.status = 200};
    assert_int_equal(gust_request_respond(req, &response, gust_request_path(req)), 0);
}

/* P06 */
static void test_pipelined__answered_in_order(void **state)
{
    struct http_answer a;
    char want[16];
    (void)state;
    site.on_finish = answer_path;
    open_peer();
    char text[16 * 40] = "";
    for (int i = 0; i < 16; i++) {
        snprintf(text + strlen(text), 40, "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i);
    }
    say(text);
    const char *at = peer.text;
    for (int i = 0; i < 16; i++) {
        assert_true(http_answer_read(at, false, &a));
        snprintf(want, sizeof(want), "/%d", i);
        assert_int_equal(a.body_len, strlen(want));
        assert_memory_equal(a.body, want, a.body_len);
        at = a.end;
    }
    assert_string_equal(at, "");
}

static void test_pipelined__client_leaves_after_the_first(void **state)
{
    (void)state;
    open_peer();
    assert_int_equal(http_peer_say(&peer, GET GET), 0);
    http_site_turn(&site, 1);
    http_peer_close(&peer);
    http_site_turn(&site, 4);
    assert_int_equal(gust_httpserver_connections(site.server), 0);
    assert_string_equal(site.log, "");
}

static void test_bytes_after_close__dropped(void **state)
{
    (void)state;
    http_peer_ask(&peer, &site, GET_CLOSE GET);
    assert_int_equal(http_peer_answers(&peer), 1);
    assert_int_equal(site.heads, 1);
}

static void test_no_keep_alive__ends_each_time(void **state)
{
    (void)state;
    restart(&(gust_httpserver_options){.no_keep_alive = true});
    http_peer_ask(&peer, &site, GET GET);
    assert_int_equal(http_peer_answers(&peer), 1);
    assert_string_equal(http_peer_field(&peer, "Connection"), "close");
    http_peer_close(&peer);
    http_peer_ask(&peer, &site, GET_10_KEEP);
    assert_string_equal(http_peer_field(&peer, "Connection"), "close");
}

static void test_max_requests__the_last_one_says_so(void **state)
{
    (void)state;
    restart(&(gust_httpserver_options){.max_requests_per_connection = 3});
    http_peer_ask(&peer, &site, GET GET GET GET);
    assert_int_equal(http_peer_answers(&peer), 3);
    assert_int_equal(http_peer_field_count(&peer, "Connection"), 0);
    assert_non_null(strstr(peer.text, "Connection: close\r\n"));
    assert_int_equal(site.heads, 3);
}

static void close_after(struct http_site *s, gust_request *req)
{
    gust_request_set_close(req);
    http_site_hello(s, req);
}

static void test_set_close__ends_after_this_response(void **state)
{
    (void)state;
    site.on_finish = close_after;
    http_peer_ask(&peer, &site, GET);
    assert_string_equal(http_peer_field(&peer, "Connection"), "close");
    assert_int_equal(http_peer_answers(&peer), 1);
}

/* ---- later ------------------------------------------------------------------- */

static void test_later__answered_from_a_callback(void **state)
{
    (void)state;
    site.on_finish = keep;
    open_peer();
    say(GET);
    assert_non_null(kept);
    assert_int_equal(peer.len, 0);
    assert_false(gust_request_is_finished(kept));
    assert_true(gust_request_is_connected(kept));
    assert_int_equal(http_site_answer(kept, 200, "late"), 0);
    assert_true(gust_request_is_finished(kept)); /* lives until this turn ends */
    assert_int_equal(gust_request_finish(kept), GUST_ESTATE);
    assert_int_equal(http_site_answer(kept, 200, "twice"), GUST_ESTATE);
    http_site_turn(&site, 4);
    assert_int_equal(http_peer_answers(&peer), 1);
    say(GET);
    assert_int_equal(site.finishes, 2);
    assert_int_equal(http_site_answer(kept, 200, "again"), 0);
    http_site_turn(&site, 4);
    assert_int_equal(http_peer_answers(&peer), 2);
}

static void test_later__pipelined_wait_their_turn(void **state)
{
    (void)state;
    site.on_finish = keep;
    open_peer();
    say(GET GET GET);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(site.heads, i);
        assert_int_equal(http_site_answer(kept, 200, "late"), 0);
        http_site_turn(&site, 4);
        assert_int_equal(http_peer_answers(&peer), i);
    }
    assert_int_equal(site.heads, 3);
}

static void keep_when_gone(struct http_site *s, gust_request *req)
{
    (void)s;
    assert_ptr_equal(req, kept);
}

static void test_later__after_the_client_left(void **state)
{
    (void)state;
    site.on_finish = keep;
    site.on_gone = keep_when_gone;
    open_peer();
    say(GET);
    http_peer_leave(&peer);
    http_site_turn(&site, 6);
    assert_int_equal(site.gones, 1);
    http_peer_close(&peer);
    http_site_turn(&site, 6);
    assert_true(gust_request_server(kept) == site.server);
    (void)gust_request_is_connected(kept);
    assert_int_equal(http_site_answer(kept, 200, "to nobody"), 0);
    http_site_turn(&site, 6);
    assert_int_equal(site.gones, 1);
    assert_int_equal(site.closes, 1);
    assert_int_equal(gust_httpserver_connections(site.server), 0);
}

static void test_later__client_left_over_a_socket(void **state)
{
    (void)state;
    restart_on_socket();
    site.on_finish = keep;
    site.on_gone = keep_when_gone;
    assert_int_equal(http_peer_connect(&peer, &site), 0);
    assert_int_equal(http_peer_say(&peer, GET), 0);
    http_site_until(&site, &site.finishes, 1);
    http_peer_close(&peer);
    http_site_until(&site, &site.gones, 1);
    gust_str ip = gust_request_remote_ip(kept);
    assert_true(gust_str_eq(ip, GUST_STR("127.0.0.1")));
    assert_int_equal(http_site_answer(kept, 200, "to nobody"), 0);
    http_site_until(&site, &site.closes, 1);
    assert_int_equal(gust_httpserver_connections(site.server), 0);
}

static void test_remote_ip__is_kept_when_the_client_left(void **state)
{
    (void)state;
    restart_on_socket();
    site.on_finish = keep;
    site.on_gone = keep_when_gone;
    assert_int_equal(http_peer_connect(&peer, &site), 0);
    assert_int_equal(http_peer_say(&peer, GET), 0);
    http_site_until(&site, &site.finishes, 1);
    gust_httpserver_close_all_connections(site.server);
    http_site_turn(&site, 4);
    assert_int_equal(site.gones, 1);
    assert_false(gust_request_is_connected(kept));
    assert_true(gust_str_eq(gust_request_remote_ip(kept), GUST_STR("127.0.0.1")));
    assert_int_equal(gust_request_finish(kept), 0);
}

/* P08 */
static void answer_gone(struct http_site *s, gust_request *req)
{
    (void)s;
    assert_int_equal(http_site_answer(req, 200, "good bye"), 0);
}

static void test_answer_inside_on_connection_close__harmless(void **state)
{
    (void)state;
    site.on_finish = keep;
    site.on_gone = answer_gone;
    open_peer();
    say(GET);
    http_peer_leave(&peer);
    http_site_turn(&site, 6);
    assert_int_equal(site.gones, 1);
    assert_int_equal(gust_httpserver_connections(site.server), 0);
}

static void test_server_freed__request_still_answered(void **state)
{
    (void)state;
    site.on_finish = keep;
    site.on_gone = keep_when_gone;
    open_peer();
    say(GET);
    gust_httpserver_free(site.server);
    site.server = NULL;
    assert_null(gust_request_server(kept));
    http_site_turn(&site, 4);
    assert_int_equal(site.gones, 1);
    assert_true(peer.ended);
    assert_int_equal(http_site_answer(kept, 200, "to nobody"), 0);
}

static int free_server_on_head(struct http_site *s, gust_request *req)
{
    (void)req;
    gust_httpserver_free(s->server);
    s->server = NULL;
    return 0;
}

static void free_server_on_finish(struct http_site *s, gust_request *req)
{
    if (s->server != NULL) {
        gust_httpserver_free(s->server);
        s->server = NULL;
    }
    http_site_hello(s, req);
}

static void free_server_on_gone(struct http_site *s, gust_request *req)
{
    free_server_on_finish(s, req);
}

static void free_server_on_close(struct http_site *s)
{
    gust_httpserver_free(s->server);
    s->server = NULL;
}

static void test_server_freed__inside_each_function(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        restart(NULL);
        site.on_head = i == 0 ? free_server_on_head : NULL;
        site.on_finish = i == 1 ? free_server_on_finish : i == 2 ? keep : NULL;
        site.on_gone = i == 2 ? free_server_on_gone : NULL;
        site.on_close = i == 3 ? free_server_on_close : NULL;
        open_peer();
        say(GET);
        http_peer_leave(&peer);
        http_site_turn(&site, 6);
        assert_null(site.server);
        assert_int_equal(site.finishes, 1);
        assert_int_equal(site.closes, 1);
        http_peer_close(&peer);
    }
}

/* ---- options ----------------------------------------------------------------- */

static void refuse_options(const gust_httpserver_options *options)
{
    gust_httpserver *server = NULL;
    assert_int_equal(gust_httpserver_new(site.loop, options, &http_site_delegate, NULL, &server),
                     -EINVAL);
    assert_null(server);
}

static void test_options__out_of_range(void **state)
{
    static const gust_http_delegate no_finish = {.name = "none"};
    char long_name[130];
    gust_httpserver *server = NULL;
    (void)state;
    memset(long_name, 'a', sizeof(long_name));
    long_name[129] = '\0';
    refuse_options(&(gust_httpserver_options){.max_headers = 1001});
    refuse_options(&(gust_httpserver_options){.max_header_size = (size_t)1 << 30});
    refuse_options(&(gust_httpserver_options){.server_header = "a\r\nb"});
    refuse_options(&(gust_httpserver_options){.server_header = long_name});
    refuse_options(&(gust_httpserver_options){.linger_bytes = (size_t)1 << 32});
    assert_int_equal(gust_httpserver_new(NULL, NULL, &http_site_delegate, NULL, &server), -EINVAL);
    assert_int_equal(gust_httpserver_new(site.loop, NULL, NULL, NULL, &server), -EINVAL);
    assert_int_equal(gust_httpserver_new(site.loop, NULL, &no_finish, NULL, &server), -EINVAL);
}

/* S11 */
static void test_options__limits_of_the_head(void **state)
{
    char text[2000];
    (void)state;
    restart(&(gust_httpserver_options){
        .max_header_size = 1024, .max_headers = 3, .max_request_line = 20});
    snprintf(text, sizeof(text),
             "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: %0900d\r\n\r\n", 0);
    http_peer_ask(&peer, &site, text);
    assert_int_equal(http_peer_status(&peer, 0), 200);
    http_peer_close(&peer);
    snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\nX: %01000d\r\n\r\n", 0);
    http_peer_ask(&peer, &site, text);
    assert_int_equal(http_peer_status(&peer, 0), 431);
    http_peer_close(&peer);
    http_peer_ask(&peer, &site, "GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\nC:\r\n\r\n");
    assert_int_equal(http_peer_status(&peer, 0), 431);
    http_peer_close(&peer);
    http_peer_ask(&peer, &site, "GET /0123456 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(http_peer_status(&peer, 0), 414);
}

static void answer_protocol(struct http_site *s, gust_request *req)
{
    (void)s;
    gust_response response = {.status = 200};
    assert_int_equal(gust_request_respond(req, &response, gust_request_protocol(req)), 0);
}

static void test_options__names(void **state)
{
    (void)state;
    restart(&(gust_httpserver_options){.server_header = "Mine/1", .protocol = "https"});
    site.on_finish = answer_protocol;
    open_peer();
    say(GET);
    assert_string_equal(http_peer_field(&peer, "Server"), "Mine/1");
    assert_non_null(strstr(peer.text, "\r\n\r\nhttps"));
    http_peer_close(&peer);
    restart(&(gust_httpserver_options){.no_server_header = true});
    open_peer();
    say(GET);
    assert_int_equal(http_peer_field_count(&peer, "Server"), 0);
    assert_int_equal(http_peer_field_count(&peer, "Date"), 1);
}

static void test_serve__on_a_freed_stream(void **state)
{
    gust_iostream *a, *b;
    (void)state;
    assert_int_equal(gust_iostream_pair(site.loop, NULL, &a, &b), 0);
    gust_iostream_ref(a);
    gust_iostream_close(a);
    gust_iostream_close(b);
    assert_int_equal(gust_httpserver_serve(site.server, a, NULL), GUST_ECLOSED);
    assert_int_equal(gust_httpserver_connections(site.server), 0);
    gust_iostream_unref(a);
    http_site_turn(&site, 4);
    assert_int_equal(site.closes, 0);
}

/* Time passes between the head and the end of the response, and no more. */
static void test_request_time__from_head_to_end(void **state)
{
    (void)state;
    site.on_finish = keep;
    open_peer();
    say(GET);
    http_site_pass(&site, GUST_SECONDS(3));
    assert_int_equal(gust_request_time(kept), GUST_SECONDS(3));
    assert_int_equal(http_site_answer(kept, 200, ""), 0);
    clock_advance(&site.clock, GUST_SECONDS(5));
    assert_int_equal(gust_request_time(kept), GUST_SECONDS(3));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_request__is_told_and_answered),
        CASE(test_connect_and_leave__nothing_happens),
        CASE(test_request__everything_that_can_be_asked),
        CASE(test_header_fields__by_id_by_name_joined),
        CASE(test_arena_and_data__are_each_requests_own),
        CASE(test_delegate_with_finish_only__serves),
        CASE(test_two_requests__one_connection),
        CASE(test_connection_close__echoed_and_ended),
        CASE(test_http_10__ended_without_a_word),
        CASE(test_http_10_keep_alive__said_each_time),
        CASE(test_extra_line_after_request__next_is_answered),
        CASE(test_pipelined__answered_in_order),
        CASE(test_pipelined__client_leaves_after_the_first),
        CASE(test_bytes_after_close__dropped),
        CASE(test_no_keep_alive__ends_each_time),
        CASE(test_max_requests__the_last_one_says_so),
        CASE(test_set_close__ends_after_this_response),
        CASE(test_later__answered_from_a_callback),
        CASE(test_later__pipelined_wait_their_turn),
        CASE(test_later__after_the_client_left),
        CASE(test_later__client_left_over_a_socket),
        CASE(test_remote_ip__is_kept_when_the_client_left),
        CASE(test_answer_inside_on_connection_close__harmless),
        CASE(test_server_freed__request_still_answered),
        CASE(test_server_freed__inside_each_function),
        CASE(test_options__out_of_range),
        CASE(test_options__limits_of_the_head),
        CASE(test_options__names),
        CASE(test_serve__on_a_freed_stream),
        CASE(test_request_time__from_head_to_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

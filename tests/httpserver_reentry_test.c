/* Everything that may be done inside a function of the delegate, in each of them:
 * closing, freeing, stopping, answering, writing much, serving another client. No
 * object goes under the feet of a frame, and every request still ends once. */
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
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"

static struct http_site site;
static struct http_peer peer, other;

/* ---- actions -------------------------------------------------------------------- */

static void close_all(gust_request *req)
{
    (void)req;
    if (site.server != NULL) {
        gust_httpserver_close_all_connections(site.server);
    }
}

static void free_server(gust_request *req)
{
    (void)req;
    gust_httpserver_free(site.server);
    site.server = NULL;
}

static void over(gust_httpserver *server, size_t aborted, void *user)
{
    (void)aborted;
    (void)user;
    assert_ptr_equal(server, site.server);
}

static void over_and_free(gust_httpserver *server, size_t aborted, void *user)
{
    over(server, aborted, user);
    free_server(NULL);
}

static void shut_down(gust_request *req)
{
    (void)req;
    if (site.server != NULL) {
        (void)gust_httpserver_shutdown(site.server, 0, over, NULL);
    }
}

static void shut_down_and_free(gust_request *req)
{
    (void)req;
    if (site.server != NULL) {
        (void)gust_httpserver_shutdown(site.server, GUST_SECONDS(1), over_and_free, NULL);
    }
}

static void stop_loop(gust_request *req)
{
    (void)req;
    gust_ioloop_stop(site.loop);
}

static void answer(gust_request *req)
{
    if (req != NULL) {
        (void)http_site_answer(req, 200, "answer");
    }
}

static void answer_and_close(gust_request *req)
{
    if (req != NULL) {
        gust_request_set_close(req);
        (void)http_site_answer(req, 200, "answer");
    }
}

static void finish_unanswered(gust_request *req)
{
    if (req != NULL) {
        (void)gust_request_finish(req);
    }
}

static void abort_answer(gust_request *req)
{
    if (req != NULL) {
        gust_request_abort(req);
    }
}

static void write_much(gust_request *req)
{
    static char much[1 << 20];
    gust_response response = {.status = 200};
    if (req != NULL) {
        (void)gust_request_write_headers(req, &response, GUST_STR("x"));
        (void)gust_request_write(req, gust_str_make(much, sizeof(much)), NULL, NULL);
        gust_request_flush(req);
    }
}

static void resume(gust_request *req)
{
    if (req != NULL) {
        gust_request_resume(req);
    }
}

static void detach(gust_request *req)
{
    gust_iostream *s;
    if (req != NULL && gust_request_detach(req, &s) == 0) {
        gust_iostream_close(s);
    }
}

static void serve_another(gust_request *req)
{
    (void)req;
    if (site.server != NULL && other.s == NULL && http_peer_open(&other, &site) == 0) {
        (void)http_peer_say(&other, GET);
    }
}

static void close_peer(gust_request *req)
{
    (void)req;
    http_peer_leave(&peer);
}

static const struct {
    const char *name;
    void (*act)(gust_request *req);
} actions[] = {
    {"close all", close_all},
    {"free the server", free_server},
    {"shut down", shut_down},
    {"shut down and free", shut_down_and_free},
    {"stop the loop", stop_loop},
    {"answer", answer},
    {"answer and close", answer_and_close},
    {"finish unanswered", finish_unanswered},
    {"abort", abort_answer},
    {"write much", write_much},
    {"resume", resume},
    {"detach", detach},
    {"serve another", serve_another},
    {"close the peer", close_peer},
};
enum { ACTIONS = sizeof(actions) / sizeof(actions[0]) };

/* ---- functions ------------------------------------------------------------------- */

enum where { IN_HEAD, IN_DATA, IN_FINISH, IN_GONE, IN_CLOSE, IN_WRITTEN, IN_CALLBACK, PLACES };

static enum where where;
static size_t first, second; /* the actions to be done there */
static int result;           /* what head and data return */
static int done;             /* how often they were done */
static gust_request *held;   /* waits for resume */

/* Do both, as far as the request is still ours. */
static void act(enum where here, gust_request *req)
{
    if (here != where || done > 0) {
        return;
    }
    done++;
    actions[first].act(req);
    if (req != NULL && gust_request_is_finished(req)) {
        req = NULL; /* lent until we return, but nothing more is to be done with it */
    }
    actions[second].act(req);
}

static int answer_of(enum where here, gust_request *req)
{
    int code = where == here ? result : 0;
    held = code == GUST_PENDING && !gust_request_is_finished(req) ? req : NULL;
    return code;
}

static int on_head(struct http_site *s, gust_request *req)
{
    (void)s;
    gust_request_stream_body(req);
    act(IN_HEAD, req);
    return answer_of(IN_HEAD, req);
}

static int on_data(struct http_site *s, gust_request *req, gust_str chunk)
{
    (void)s;
    (void)chunk;
    act(IN_DATA, req);
    return answer_of(IN_DATA, req);
}

static void end(gust_request *req)
{
    if (!gust_request_is_finished(req)) {
        (void)gust_request_finish(req);
    }
}

static void on_written(gust_request *req, int status, void *user)
{
    (void)status;
    (void)user;
    act(IN_WRITTEN, req);
    end(req);
}

static void on_callback(gust_ioloop *loop, void *user)
{
    gust_request *req = user;
    (void)loop;
    act(IN_CALLBACK, req);
    end(req);
}

static void on_finish(struct http_site *s, gust_request *req)
{
    gust_response response = {.status = 200};
    held = NULL;
    act(IN_FINISH, req);
    if (gust_request_is_finished(req)) {
        return;
    }
    if (where == IN_CALLBACK) {
        s->on_gone = http_site_later; /* the callback ends it */
        assert_int_equal(gust_ioloop_add_callback(s->loop, on_callback, req), 0);
    } else if (where == IN_WRITTEN && !gust_request_headers_sent(req)) {
        s->on_gone = http_site_later;
        assert_int_equal(gust_request_write_headers(req, &response, GUST_STR("")), 0);
        assert_int_equal(gust_request_write(req, GUST_STR("x"), on_written, NULL), 0);
    } else if (where != IN_GONE) {
        end(req);
    }
}

static void on_gone(struct http_site *s, gust_request *req)
{
    (void)s;
    held = NULL;
    act(IN_GONE, req);
    end(req);
}

static void on_close(struct http_site *s)
{
    (void)s;
    act(IN_CLOSE, NULL);
}

static void run(const char *text)
{
    alloc_count_begin();
    http_site_start(&site, NULL);
    site.on_head = on_head;
    site.on_data = on_data;
    site.on_finish = on_finish;
    site.on_gone = on_gone;
    site.on_close = on_close;
    other = (struct http_peer){.site = &site};
    done = 0;
    held = NULL;
    assert_int_equal(http_peer_open(&peer, &site), 0);
    assert_int_equal(http_peer_say(&peer, text), 0);
    http_site_turn(&site, 12);
    for (int i = 0; i < 3 && held != NULL; i++) {
        gust_request_resume(held);
        http_site_turn(&site, 12);
    }
    http_peer_close(&peer);
    http_peer_close(&other);
    http_site_turn(&site, 12);
    clock_advance(&site.clock, GUST_SECONDS(40));
    http_site_turn(&site, 6);
    if (done == 0) {
        fail_msg("place %d was not reached", where);
    }
    http_site_stop(&site);
    alloc_count_end(); /* all requests have ended */
}

static const char *text_for(enum where place)
{
    return place == IN_GONE ? GET : POST "Content-Length: 3\r\n\r\nabc" GET;
}

static void run_all(enum where place)
{
    static const int results[] = {0, GUST_PENDING, -EIO};
    where = place;
    for (first = 0; first < ACTIONS; first++) {
        for (second = 0; second < ACTIONS; second++) {
            for (size_t i = 0; i < (place <= IN_DATA ? 3 : 1); i++) {
                result = results[i];
                run(text_for(place));
            }
        }
    }
}

static void test_in_headers_received(void **state)
{
    (void)state;
    run_all(IN_HEAD);
}

static void test_in_data_received(void **state)
{
    (void)state;
    run_all(IN_DATA);
}

static void test_in_finish(void **state)
{
    (void)state;
    run_all(IN_FINISH);
}

static void test_in_on_connection_close(void **state)
{
    (void)state;
    run_all(IN_GONE);
}

static void test_in_on_close(void **state)
{
    (void)state;
    run_all(IN_CLOSE);
}

static void test_in_written(void **state)
{
    (void)state;
    run_all(IN_WRITTEN);
}

static void test_in_a_callback_of_the_loop(void **state)
{
    (void)state;
    run_all(IN_CALLBACK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_headers_received),
        cmocka_unit_test(test_in_data_received),
        cmocka_unit_test(test_in_finish),
        cmocka_unit_test(test_in_on_connection_close),
        cmocka_unit_test(test_in_on_close),
        cmocka_unit_test(test_in_written),
        cmocka_unit_test(test_in_a_callback_of_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

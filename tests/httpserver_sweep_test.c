/* Exchanges with each allocation failing in turn, with each system call failing
 * in each plausible way, and with a client that leaves after each byte. Whatever
 * happens to one client, every request ends, nothing leaks, and the next client
 * is served. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/faults.h"
#include "tests/support/http_peer.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_4 GET GET GET GET
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define EXPECT "Expect: 100-continue\r\n"
#define LAST "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
#define BODY_100                                                                                   \
    "01234567890123456789012345678901234567890123456789"                                           \
    "01234567890123456789012345678901234567890123456789"
#define BODY_1000                                                                                  \
    BODY_100 BODY_100 BODY_100 BODY_100 BODY_100 BODY_100 BODY_100 BODY_100 BODY_100 BODY_100
#define BODY_3000 BODY_1000 BODY_1000 BODY_1000

/* ---- what the server does --------------------------------------------------------- */

/* Whatever can't be answered is finished all the same. */
static void answer_or_finish(gust_request *req, const char *text)
{
    if (http_site_answer(req, 200, text) != 0 && !gust_request_is_finished(req)) {
        (void)gust_request_finish(req);
    }
}

static void echo(struct http_site *site, gust_request *req)
{
    gust_response response = {.status = 200};
    (void)site;
    if (gust_request_respond(req, &response, gust_request_body(req)) != 0) {
        (void)gust_request_finish(req);
    }
}

static int stream(struct http_site *site, gust_request *req)
{
    (void)site;
    gust_request_stream_body(req);
    return 0;
}

static void resume_later(gust_ioloop *loop, void *user)
{
    struct http_site *site = user;
    (void)loop;
    if (site->req != NULL) {
        gust_request_resume(site->req);
    }
}

/* Wait after each piece; where that can't be, go on. */
static int wait_in_data(struct http_site *site, gust_request *req, gust_str chunk)
{
    (void)req;
    (void)chunk;
    return gust_ioloop_add_callback(site->loop, resume_later, site) == 0 ? GUST_PENDING : 0;
}

static int wait_in_head(struct http_site *site, gust_request *req)
{
    return wait_in_data(site, req, GUST_STR(""));
}

static void answer_in_chunks(struct http_site *site, gust_request *req)
{
    gust_response response = {.status = 200, .content_type = GUST_STR("text/plain")};
    int status = gust_request_write_headers(req, &response, GUST_STR("first"));
    (void)site;
    for (int i = 0; i < 3 && status == 0; i++) {
        status = gust_request_write(req, GUST_STR(BODY_3000), NULL, NULL);
    }
    (void)gust_request_finish(req);
}

static void next_chunk(gust_request *req, int status, void *user)
{
    struct http_site *site = user;
    size_t *left = gust_request_data(req);
    if (status != 0 || (*left)-- == 0 ||
        gust_request_write(req, GUST_STR(BODY_1000), next_chunk, site) != 0) {
        (void)gust_request_finish(req);
    }
}

/* Each chunk when the one before has left. */
static void answer_in_turns(struct http_site *site, gust_request *req)
{
    gust_response response = {.status = 200};
    size_t *left = gust_arena_alloc(gust_request_arena(req), sizeof(*left));
    if (left == NULL || gust_request_write_headers(req, &response, GUST_STR("")) != 0) {
        (void)gust_request_finish(req);
        return;
    }
    *left = 3;
    gust_request_set_data(req, left);
    next_chunk(req, 0, site);
}

static void answer_late(gust_ioloop *loop, void *user)
{
    struct http_site *site = user;
    (void)loop;
    if (site->req != NULL) {
        gust_request *req = site->req;
        site->req = NULL;
        answer_or_finish(req, "late");
    }
}

static void answer_later(struct http_site *site, gust_request *req)
{
    if (gust_ioloop_add_callback(site->loop, answer_late, site) != 0) {
        site->req = NULL;
        answer_or_finish(req, "at once");
    }
}

static int refuse(struct http_site *site, gust_request *req)
{
    (void)site;
    return http_site_answer(req, 403, "no");
}

static void answer_with_much(struct http_site *site, gust_request *req)
{
    gust_headers headers;
    gust_response response = {.status = 200, .headers = &headers};
    (void)site;
    gust_headers_init(&headers, gust_request_arena(req));
    int status = 0;
    for (int i = 0; i < 4 && status == 0; i++) {
        status = gust_headers_add(&headers, GUST_STR("X-Much"), GUST_STR(BODY_1000));
    }
    char *body = status == 0 ? malloc(20000) : NULL;
    if (body != NULL) {
        memset(body, 'b', 20000);
        gust_str bytes = gust_str_make(body, 20000);
        status = gust_request_respond_adopt(req, &response, bytes, free, body);
    }
    if (body == NULL || status != 0) {
        (void)gust_request_finish(req);
    }
}

static const gust_iostream_callbacks raw = {.name = "raw"};

static void detach(struct http_site *site, gust_request *req)
{
    gust_response response = {.status = 101};
    gust_iostream *s;
    (void)site;
    if (gust_request_write_headers(req, &response, GUST_STR("")) != 0 ||
        gust_request_detach(req, &s) != 0) {
        (void)gust_request_finish(req);
        return;
    }
    (void)gust_iostream_set_callbacks(s, &raw, NULL);
    (void)gust_iostream_write(s, GUST_STR("raw"), NULL, NULL);
    gust_iostream_close_after_flush(s);
}

/* ---- the exchanges ------------------------------------------------------------------ */

struct exchange {
    const char *name;
    const char *text;
    int (*on_head)(struct http_site *site, gust_request *req);
    int (*on_data)(struct http_site *site, gust_request *req, gust_str chunk);
    void (*on_finish)(struct http_site *site, gust_request *req);
    size_t answers; /* when nothing fails, 1xx included */
};

static const struct exchange exchanges[] = {
    {"request and answer", LAST, NULL, NULL, NULL, 1},
    {"16 pipelined", GET_4 GET_4 GET_4 GET GET GET LAST, NULL, NULL, NULL, 16},
    {"buffered upload", POST "Content-Length: 3000\r\n\r\n" BODY_3000 LAST, NULL, NULL, echo, 2},
    {"short buffered upload", POST "Content-Length: 100\r\n\r\n" BODY_100 LAST, NULL, NULL, echo,
     2},
    {"streamed upload", POST "Content-Length: 3000\r\n\r\n" BODY_3000 LAST, stream, wait_in_data,
     NULL, 2},
    {"chunked upload",
     POST "Transfer-Encoding: chunked\r\n\r\n3e8\r\n" BODY_1000 "\r\n7d0\r\n" BODY_1000 BODY_1000
          "\r\n0\r\nA: b\r\n\r\n" LAST,
     NULL, NULL, echo, 2},
    {"chunked and streamed upload",
     POST "Transfer-Encoding: chunked\r\n\r\n64\r\n" BODY_100 "\r\n0\r\n\r\n" LAST, stream,
     wait_in_data, NULL, 2},
    {"held upload", POST EXPECT "Content-Length: 100\r\n\r\n" BODY_100 LAST, wait_in_head, NULL,
     NULL, 2},
    {"upload with a large head",
     POST "X: " BODY_1000 BODY_100 BODY_100 BODY_100 BODY_100 BODY_100 BODY_100 BODY_100 BODY_100
          "\r\nContent-Length: 100\r\n\r\n" BODY_100 LAST,
     NULL, NULL, echo, 2},
    {"chunked answer", GET LAST, NULL, NULL, answer_in_chunks, 2},
    {"answer in turns", GET LAST, NULL, NULL, answer_in_turns, 2},
    {"late answer", GET LAST, NULL, NULL, answer_later, 2},
    {"large answer", GET LAST, NULL, NULL, answer_with_much, 2},
    {"refused upload", POST "Content-Length: 100\r\n\r\n" BODY_100 LAST, refuse, NULL, NULL, 2},
    {"malformed request", GET "bad\r\n\r\n", NULL, NULL, NULL, 2},
    {"detached", "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: r\r\n\r\nx", NULL,
     NULL, detach, 1},
};
enum { EXCHANGES = sizeof(exchanges) / sizeof(exchanges[0]) };

static const struct exchange next_client = {"the next client", LAST, NULL, NULL, NULL, 1};

static void take_part(struct http_site *site, const struct exchange *x)
{
    site->on_head = x->on_head;
    site->on_data = x->on_data;
    site->on_finish = x->on_finish;
}

static void on_gone(struct http_site *site, gust_request *req)
{
    if (site->on_finish != answer_later || site->req == NULL) {
        site->req = NULL;
        (void)gust_request_finish(req);
    } /* else its callback finishes it */
}

/* ---- memory --------------------------------------------------------------------------- */

struct plan {
    const struct exchange *x;
    size_t first, step; /* the cut of what is sent */
    bool leaves;        /* when all is sent: reads nothing */
};

static int talk(struct http_site *site, const struct exchange *x, size_t first, size_t step,
                bool leaves)
{
    struct http_peer peer;
    take_part(site, x);
    site->req = NULL;
    int status = http_peer_open(&peer, site);
    if (status == 0) {
        status = http_peer_feed(&peer, x->text, strlen(x->text), first, step);
    }
    for (int i = 0; i < 60 && status == 0 && !leaves && !peer.ended; i++) {
        http_site_turn(site, 1);
    }
    if (status == 0 && !leaves && (!peer.ended || http_peer_answers(&peer) != x->answers)) {
        status = GUST_EPROTO;
    }
    http_peer_close(&peer);
    http_site_turn(site, 8);
    return status;
}

static int scenario(void *user)
{
    const struct plan *plan = user;
    static struct http_site site;
    memset(&site, 0, sizeof(site));
    site.on_gone = on_gone;
    int status = http_site_init(&site, NULL, &http_site_delegate, NULL);
    if (status == 0) {
        status = talk(&site, plan->x, plan->first, plan->step, plan->leaves);
        alloc_sweep_heal();
        clock_advance(&site.clock, GUST_SECONDS(3)); /* of lingering */
        http_site_turn(&site, 4);
        assert_int_equal(gust_httpserver_connections(site.server), 0);
        assert_true(site.gones <= site.heads); /* of what was told of only */
        int served = talk(&site, &next_client, SIZE_MAX, 0, false);
        if (served != 0) {
            fail_msg("%s: the next client got %s", plan->x->name, gust_err_name(served));
        }
    }
    http_site_stop(&site);
    return status;
}

static void sweep_memory(size_t first, size_t step, bool leaves)
{
    for (size_t i = 0; i < EXCHANGES; i++) {
        struct plan plan = {&exchanges[i], first, step, leaves};
        alloc_sweep_sampled(scenario, &plan, 1000);
    }
}

static void test_memory__sent_whole(void **state)
{
    (void)state;
    sweep_memory(SIZE_MAX, 0, false);
}

static void test_memory__sent_in_pieces(void **state)
{
    (void)state;
    sweep_memory(50, 70, false);
}

static void test_memory__client_leaves(void **state)
{
    (void)state;
    sweep_memory(60, 0, true);
}

/* ---- clients that leave ---------------------------------------------------------------- */

/* After each byte that they send, and so many turns. */
static void test_client_leaves__after_each_byte(void **state)
{
    static struct http_site site;
    (void)state;
    alloc_count_begin();
    http_site_start(&site, NULL);
    site.on_gone = on_gone;
    for (size_t i = 0; i < EXCHANGES; i++) {
        const struct exchange *x = &exchanges[i];
        size_t len = strlen(x->text);
        for (size_t n = 0; n <= len; n += len < 500 || n < 200 ? 1 : 97) {
            for (int turns = 0; turns < 4; turns++) {
                struct http_peer peer;
                take_part(&site, x);
                site.req = NULL;
                assert_int_equal(http_peer_open(&peer, &site), 0);
                assert_int_equal(http_peer_send(&peer, x->text, n), 0);
                http_site_turn(&site, turns);
                http_peer_close(&peer);
                http_site_turn(&site, 8);
                assert_int_equal(gust_httpserver_connections(site.server), 0);
            }
        }
    }
    assert_int_equal(talk(&site, &next_client, SIZE_MAX, 0, false), 0);
    http_site_stop(&site);
    alloc_count_end();
}

/* ---- system calls -------------------------------------------------------------------------- */

/* Thousands of connections: over AF_UNIX they use up no ports. */
static int listen_at(struct sockaddr_un *to)
{
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(to->sun_path, sizeof(to->sun_path), "/tmp/gust-sweep-%ld", (long)getpid());
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)to, sizeof(*to)), 0);
    assert_int_equal(listen(fd, 5), 0);
    return fd;
}

/* A client on a plain socket, which has no part in the faults. */
struct client {
    struct http_peer got; /* text and its length only */
    int fd;
    const char *left; /* to be sent */
    bool ended;
};

static void client_connect(struct client *c, const struct sockaddr_un *to, const char *text)
{
    *c = (struct client){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .left = text};
    assert_true(c->fd >= 0);
    assert_int_equal(connect(c->fd, (const struct sockaddr *)to, sizeof(*to)), 0);
    assert_int_equal(fcntl(c->fd, F_SETFL, O_NONBLOCK), 0);
    c->got.cap = 65536;
    c->got.text = calloc(1, c->got.cap);
    assert_non_null(c->got.text);
}

static void client_close(struct client *c)
{
    close(c->fd);
    free(c->got.text);
}

/* Send and read what is possible now. Returns whether there was any. */
static bool client_step(struct client *c)
{
    ssize_t sent = *c->left != '\0' ? send(c->fd, c->left, strlen(c->left), MSG_NOSIGNAL) : 0;
    c->left += sent > 0 ? sent : 0;
    ssize_t n = recv(c->fd, c->got.text + c->got.len, c->got.cap - c->got.len - 1, 0);
    c->got.len += n > 0 ? (size_t)n : 0;
    c->ended = n == 0 || (n < 0 && errno != EAGAIN);
    return sent > 0 || n > 0;
}

/* Until the server has ended it, or nothing has happened for a while. */
static void client_run(struct client *c, struct http_site *site)
{
    for (int idle = 0; idle < 40 && !c->ended;) {
        idle = client_step(c) ? 0 : idle + 1;
        http_site_turn(site, 1);
        if (idle > 10) {
            struct pollfd wait = {.fd = c->fd, .events = POLLIN};
            (void)poll(&wait, 1, 1);
        }
    }
}

static size_t talk_over_socket(struct http_site *site, const struct sockaddr_un *to,
                               const struct exchange *x)
{
    struct client c;
    take_part(site, x);
    site->req = NULL;
    client_connect(&c, to, x->text);
    client_run(&c, site);
    size_t answers = c.ended ? http_peer_answers(&c.got) : 0;
    client_close(&c);
    for (int i = 0; i < 20 && gust_httpserver_connections(site->server) > 0; i++) {
        http_site_turn(site, 1);
        clock_advance(&site->clock, GUST_SECONDS(1)); /* lingering, rests of the acceptor */
    }
    return answers;
}

static void scenario_calls(struct faults *faults, void *user)
{
    const struct exchange *x = user;
    static struct http_site site;
    memset(&site, 0, sizeof(site));
    site.on_gone = on_gone;
    int status = http_site_init(&site, NULL, &http_site_delegate, &faults->sys);
    if (status == 0) {
        struct sockaddr_un to;
        assert_int_equal(gust_httpserver_add_socket(site.server, listen_at(&to)), 0);
        size_t answers = talk_over_socket(&site, &to, x);
        if (faults->injected == 0) {
            assert_int_equal(answers, x->answers);
        }
        faults_clear(faults);
        clock_advance(&site.clock, GUST_SECONDS(80)); /* whoever hangs is idle by now */
        http_site_turn(&site, 4);
        answers = talk_over_socket(&site, &to, &next_client);
        unlink(to.sun_path);
        if (answers != 1 || gust_httpserver_connections(site.server) != 0) {
            fail_msg("%s, %s: the next client got %zu answers, %zu connections are left", x->name,
                     faults_current(), answers, gust_httpserver_connections(site.server));
        }
    }
    http_site_stop(&site);
}

static void test_calls__each_fails_in_each_way(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXCHANGES; i++) {
        struct exchange x = exchanges[i];
        assert_true(faults_sweep(scenario_calls, &x) > 30);
    }
}

static void test_calls__random_faults_that_do_no_harm(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        for (size_t i = 0; i < EXCHANGES; i++) {
            struct exchange x = exchanges[i];
            struct faults faults;
            faults_init(&faults, NULL);
            faults_randomly(&faults, seed, 200);
            scenario_calls(&faults, &x);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory__sent_whole),
        cmocka_unit_test(test_memory__sent_in_pieces),
        cmocka_unit_test(test_memory__client_leaves),
        cmocka_unit_test(test_client_leaves__after_each_byte),
        cmocka_unit_test(test_calls__each_fails_in_each_way),
        cmocka_unit_test(test_calls__random_faults_that_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* An HTTP server under test, and scripted clients of it. */
#include "tests/support/http_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>

#include <gust/log.h>

/* ---- the delegate ------------------------------------------------------------ */

void http_site_note(struct http_site *site, const char *word)
{
    size_t room = sizeof(site->trace) - site->trace_len;
    int n = snprintf(site->trace + site->trace_len, room, "%s ", word);
    if (n > 0 && (size_t)n < room) {
        site->trace_len += (size_t)n;
    } else {
        site->trace[site->trace_len] = '\0';
    }
}

int http_site_answer(gust_request *req, int status, const char *text)
{
    gust_response response = {.status = status, .content_type = GUST_STR("text/plain")};
    return gust_request_respond(req, &response, gust_str_make(text, strlen(text)));
}

void http_site_hello(struct http_site *site, gust_request *req)
{
    (void)site;
    if (http_site_answer(req, 200, "hello") != 0) {
        (void)gust_request_finish(req);
    }
}

void http_site_later(struct http_site *site, gust_request *req)
{
    (void)site;
    (void)req;
}

static int on_head(gust_request *req, void *user)
{
    struct http_site *site = user;
    site->heads++;
    site->req = req;
    http_site_note(site, "head");
    return site->on_head != NULL ? site->on_head(site, req) : 0;
}

static int on_data(gust_request *req, gust_str chunk, void *user)
{
    struct http_site *site = user;
    char word[32];
    site->pieces++;
    snprintf(word, sizeof(word), "data(%zu)", chunk.len);
    http_site_note(site, word);
    return site->on_data != NULL ? site->on_data(site, req, chunk) : 0;
}

static void on_finish(gust_request *req, void *user)
{
    struct http_site *site = user;
    site->finishes++;
    site->req = req;
    http_site_note(site, "finish");
    (site->on_finish != NULL ? site->on_finish : http_site_hello)(site, req);
}

static void on_gone(gust_request *req, void *user)
{
    struct http_site *site = user;
    site->gones++;
    http_site_note(site, "gone");
    if (site->on_gone != NULL) {
        site->on_gone(site, req);
    } else {
        (void)gust_request_finish(req);
    }
}

static void on_close(const void *connection, void *user)
{
    struct http_site *site = user;
    (void)connection;
    site->closes++;
    http_site_note(site, "close");
    if (site->on_close != NULL) {
        site->on_close(site);
    }
}

const gust_http_delegate http_site_delegate = {.name = "site",
                                               .headers_received = on_head,
                                               .data_received = on_data,
                                               .finish = on_finish,
                                               .on_connection_close = on_gone,
                                               .on_close = on_close};

/* ---- the server -------------------------------------------------------------- */

static void keep_line(const gust_log_record *record, void *user)
{
    struct http_site *site = user;
    size_t room = sizeof(site->log) - site->log_len;
    int n = snprintf(site->log + site->log_len, room, "[%c] %.*s\n", "?DIWEC"[record->level / 10],
                     GUST_FMT(record->message));
    if (n > 0 && (size_t)n < room) {
        site->log_len += (size_t)n;
    }
}

int http_site_init(struct http_site *site, const gust_httpserver_options *options,
                   const gust_http_delegate *delegate, const gust_sys *sys)
{
    clock_init(&site->clock, sys);
    gust_log_set_sink(keep_line, site);
    gust_ioloop_options loop_options = {.sys = site->real_time ? sys : &site->clock.sys};
    GUST_TRY(gust_ioloop_new(&loop_options, &site->loop));
    return gust_httpserver_new(site->loop, options, delegate, site, &site->server);
}

void http_site_start(struct http_site *site, const gust_httpserver_options *options)
{
    memset(site, 0, sizeof(*site));
    assert_int_equal(http_site_init(site, options, &http_site_delegate, NULL), 0);
}

void http_site_turn(struct http_site *site, int n)
{
    while (n-- > 0) {
        (void)gust_ioloop_run(site->loop, GUST_RUN_NOWAIT);
    }
}

static void stop_loop(gust_ioloop *loop, void *user)
{
    *(bool *)user = true;
    gust_ioloop_stop(loop);
}

void http_site_pass(struct http_site *site, gust_time time)
{
    bool over = false;
    gust_timeout timeout;
    assert_int_equal(gust_ioloop_call_later(site->loop, time, stop_loop, &over, &timeout), 0);
    while (!over) {
        assert_int_equal(gust_ioloop_start(site->loop), 0);
    }
}

void http_site_until(struct http_site *site, const int *count, int value)
{
    for (int i = 0; i < 10000 && *count < value; i++) {
        http_site_pass(site, GUST_MILLIS(1));
    }
    assert_int_equal(*count, value);
}

void http_site_stop(struct http_site *site)
{
    gust_httpserver_free(site->server);
    site->server = NULL;
    if (site->loop != NULL) {
        http_site_turn(site, 6);
    }
    gust_ioloop_free(site->loop);
    site->loop = NULL;
    gust_log_set_sink(NULL, NULL);
}

/* ---- a client ---------------------------------------------------------------- */

static size_t take(gust_iostream *s, gust_str data, void *user)
{
    struct http_peer *peer = user;
    (void)s;
    if (peer->len + data.len >= peer->cap) {
        peer->cap = (peer->len + data.len + 512) * 2;
        peer->text = realloc(peer->text, peer->cap);
        if (peer->text == NULL) {
            abort();
        }
    }
    memcpy(peer->text + peer->len, data.ptr, data.len);
    peer->len += data.len;
    peer->text[peer->len] = '\0';
    return data.len;
}

static void peer_eof(gust_iostream *s, void *user)
{
    struct http_peer *peer = user;
    (void)s;
    peer->ended = true;
    gust_ioloop_stop(peer->site->loop);
}

static void peer_closed(gust_iostream *s, int status, void *user)
{
    struct http_peer *peer = user;
    (void)s;
    peer->ended = true;
    peer->gone = true;
    peer->code = status;
    gust_ioloop_stop(peer->site->loop);
}

static const gust_iostream_callbacks callbacks = {
    .name = "peer", .reader = take, .on_eof = peer_eof, .on_close = peer_closed};

static int begin(struct http_peer *peer, struct http_site *site, gust_iostream *s)
{
    *peer = (struct http_peer){.site = site, .s = gust_iostream_ref(s)};
    peer->cap = 256;
    peer->text = calloc(1, peer->cap);
    if (peer->text == NULL) {
        abort();
    }
    return gust_iostream_set_callbacks(s, &callbacks, peer);
}

int http_peer_open(struct http_peer *peer, struct http_site *site)
{
    gust_iostream *ours, *theirs;
    *peer = (struct http_peer){.site = site, .gone = true};
    GUST_TRY(gust_iostream_pair(site->loop, &site->stream, &ours, &theirs));
    int status = begin(peer, site, ours);
    if (status == 0) {
        status = gust_httpserver_serve(site->server, theirs, NULL);
    }
    if (status != 0) {
        gust_iostream_close(theirs);
    }
    return status;
}

int http_peer_connect(struct http_peer *peer, struct http_site *site)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    gust_iostream *s;
    *peer = (struct http_peer){.site = site, .gone = true};
    to.sin_port = htons((uint16_t)gust_httpserver_port(site->server));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int status = fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 ? -errno : 0;
    if (status == 0) {
        status = gust_iostream_new(site->loop, fd, NULL, &s);
    }
    if (status != 0) {
        close(fd);
        return status;
    }
    return begin(peer, site, s);
}

int http_peer_send(struct http_peer *peer, const char *bytes, size_t len)
{
    GUST_TRY(gust_iostream_write(peer->s, gust_str_make(bytes, len), NULL, NULL));
    gust_iostream_flush(peer->s);
    return 0;
}

int http_peer_say(struct http_peer *peer, const char *text)
{
    return http_peer_send(peer, text, strlen(text));
}

int http_peer_feed(struct http_peer *peer, const char *bytes, size_t len, size_t first, size_t step)
{
    size_t done = 0;
    while (done < len) {
        size_t n = done == 0 ? first : step == 0 ? len : step;
        n = n > len - done ? len - done : n;
        GUST_TRY(http_peer_send(peer, bytes + done, n));
        done += n;
        http_site_turn(peer->site, 1);
    }
    return 0;
}

void http_peer_end(struct http_peer *peer)
{
    (void)gust_iostream_shutdown_write(peer->s);
    gust_iostream_flush(peer->s);
}

void http_peer_stall(struct http_peer *peer, bool stalled)
{
    if (stalled) {
        gust_iostream_pause(peer->s);
    } else {
        gust_iostream_resume(peer->s);
    }
}

void http_peer_leave(struct http_peer *peer)
{
    if (peer->s != NULL) {
        gust_iostream_close(peer->s);
    }
}

int http_peer_wait(struct http_peer *peer)
{
    bool late = false;
    gust_timeout timeout;
    gust_ioloop *loop = peer->site->loop;
    GUST_TRY(gust_ioloop_call_later(loop, GUST_SECONDS(3600), stop_loop, &late, &timeout));
    int status = 0;
    while (!peer->ended && !late && status == 0) {
        status = gust_ioloop_start(loop);
    }
    gust_ioloop_remove_timeout(loop, timeout);
    return late ? GUST_ETIMEDOUT : status;
}

void http_peer_close(struct http_peer *peer)
{
    if (peer->s != NULL) {
        gust_iostream_close(peer->s);
        for (int i = 0; i < 10 && !peer->gone; i++) {
            http_site_turn(peer->site, 1); /* its callbacks know of *peer */
        }
        gust_iostream_unref(peer->s);
    }
    free(peer->text);
    *peer = (struct http_peer){.site = peer->site};
}

void http_peer_ask(struct http_peer *peer, struct http_site *site, const char *text)
{
    assert_int_equal(http_peer_open(peer, site), 0);
    assert_int_equal(http_peer_say(peer, text), 0);
    assert_int_equal(http_peer_wait(peer), 0);
}

/* ---- answers ----------------------------------------------------------------- */

/* The n-th line of the head at `head` with that name, behind colon and space. */
static const char *field(const char *head, const char *name, int n)
{
    const char *end = strstr(head, "\r\n\r\n");
    size_t len = strlen(name);
    const char *line = strstr(head, "\r\n");
    for (; end != NULL && line != NULL && line < end; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':' && n-- == 0) {
            return line + 2 + len + 2;
        }
    }
    return NULL;
}

/* Behind the last chunk at `at`, or NULL. */
static const char *chunks_end(const char *at)
{
    for (;;) {
        char *line;
        size_t size = strtoul(at, &line, 16);
        if (line == at || strncmp(line, "\r\n", 2) != 0 || strnlen(line + 2, size + 2) < size + 2) {
            return NULL;
        }
        at = line + 2 + size;
        if (strncmp(at, "\r\n", 2) != 0) {
            return NULL;
        }
        at += 2;
        if (size == 0) {
            return at;
        }
    }
}

static const char *body_end(const struct http_answer *a, bool bodiless)
{
    const char *length = field(a->head, "Content-Length", 0);
    if (bodiless || a->status < 200 || a->status == 204 || a->status == 304) {
        return a->body;
    }
    if (field(a->head, "Transfer-Encoding", 0) != NULL) {
        return chunks_end(a->body);
    }
    if (length == NULL) {
        return a->body + strlen(a->body);
    }
    size_t n = strtoul(length, NULL, 10);
    return strnlen(a->body, n) < n ? NULL : a->body + n;
}

bool http_answer_read(const char *at, bool bodiless, struct http_answer *out)
{
    const char *blank = strstr(at, "\r\n\r\n");
    if (strncmp(at, "HTTP/1.1 ", 9) != 0 || blank == NULL) {
        return false;
    }
    *out = (struct http_answer){.status = atoi(at + 9), .head = at, .body = blank + 4};
    out->head_len = (size_t)(out->body - at);
    out->end = body_end(out, bodiless);
    out->body_len = out->end != NULL ? (size_t)(out->end - out->body) : 0;
    return out->end != NULL;
}

size_t http_peer_answers(const struct http_peer *peer)
{
    struct http_answer a;
    size_t n = 0;
    for (const char *at = peer->text; http_answer_read(at, false, &a); at = a.end) {
        n++;
    }
    return n;
}

int http_peer_status(const struct http_peer *peer, size_t n)
{
    struct http_answer a;
    for (const char *at = peer->text; http_answer_read(at, false, &a); at = a.end) {
        if (n-- == 0) {
            return a.status;
        }
    }
    return 0;
}

const char *http_peer_field(const struct http_peer *peer, const char *name)
{
    static char value[4096];
    const char *at = field(peer->text, name, 0);
    size_t len = at != NULL ? strcspn(at, "\r") : 0;
    assert_true(len < sizeof(value));
    memcpy(value, at != NULL ? at : "", len);
    value[len] = '\0';
    return value;
}

int http_peer_field_count(const struct http_peer *peer, const char *name)
{
    int n = 0;
    while (field(peer->text, name, n) != NULL) {
        n++;
    }
    return n;
}

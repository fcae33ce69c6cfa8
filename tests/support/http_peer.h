/* An HTTP server under test and scripted clients of it, in one loop whose time
 * the test owns.
 *
 *     struct http_site site;
 *     struct http_peer peer;
 *     http_site_start(&site, NULL);
 *     http_peer_open(&peer, &site);
 *     http_peer_say(&peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
 *     http_site_turn(&site, 5);
 *     assert_string_equal(site.trace, "head finish ");
 *     http_peer_close(&peer);
 *     http_site_stop(&site);
 *
 * The site's delegate writes down what it is told and does what the test says.
 * Functions that return int return codes of the library, so that they serve in
 * sweeps; the others fail the test. What the test's side keeps is libc's
 * memory. Thread: one at a time. */
#ifndef GUST_TESTS_HTTP_PEER_H
#define GUST_TESTS_HTTP_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include <gust/httpserver.h>

#include "tests/support/clock.h"

#define SITE_TRACE_MAX 4096
#define SITE_LOG_MAX 4096

/* ---- the server -------------------------------------------------------------- */

struct http_site {
    struct clock clock;
    gust_ioloop *loop;
    gust_httpserver *server;
    bool real_time;               /* the kernel's clock, for tests with sockets */
    gust_iostream_options stream; /* of both ends of a pair */
    gust_request *req;            /* the newest that was told of */
    int heads, pieces, finishes, gones, closes;
    char trace[SITE_TRACE_MAX]; /* "head data(5) finish gone close " */
    size_t trace_len;
    char log[SITE_LOG_MAX]; /* "[L] message\n"... */
    size_t log_len;
    void *user; /* the test's */
    /* What the delegate does besides. NULL: nothing, but for finish, which is
     * http_site_hello(), and gone, which finishes the request. */
    int (*on_head)(struct http_site *site, gust_request *req);
    int (*on_data)(struct http_site *site, gust_request *req, gust_str chunk);
    void (*on_finish)(struct http_site *site, gust_request *req);
    void (*on_gone)(struct http_site *site, gust_request *req);
    void (*on_close)(struct http_site *site);
};

/* The delegate that does all this; its user is the site. */
extern const gust_http_delegate http_site_delegate;

/* Make loop and server. sys: what the clock stands on; NULL: the kernel. What
 * the test has set in *site before is kept. */
int http_site_init(struct http_site *site, const gust_httpserver_options *options,
                   const gust_http_delegate *delegate, const gust_sys *sys);

/* The same from zero, with the delegate above. */
void http_site_start(struct http_site *site, const gust_httpserver_options *options);

/* Free the server if it is there, run what is left, free the loop. */
void http_site_stop(struct http_site *site);

/* Let the loop turn n times without waiting. */
void http_site_turn(struct http_site *site, int n);

/* Let so much time pass, as it would on an idle machine. */
void http_site_pass(struct http_site *site, gust_time time);

/* Let the loop run until one of the counts above has come to `value`, 10 s at
 * most; the test fails if it has not. */
void http_site_until(struct http_site *site, const int *count, int value);

/* Add a word to the trace. */
void http_site_note(struct http_site *site, const char *word);

/* 200 with "hello" as text/plain. */
void http_site_hello(struct http_site *site, gust_request *req);

/* Do nothing: the test answers later. */
void http_site_later(struct http_site *site, gust_request *req);

/* Answer with a status and a short text. */
int http_site_answer(gust_request *req, int status, const char *text);

/* ---- a client ---------------------------------------------------------------- */

struct http_peer {
    struct http_site *site;
    gust_iostream *s; /* NULL: none, or given up */
    char *text;       /* all that came, NUL behind it */
    size_t len;
    size_t cap;
    bool ended; /* the server has ended its side */
    bool gone;  /* our stream is closed */
    int code;   /* how: 0, GUST_EOF, -ECONNRESET, ... */
};

/* A connection over a pair of streams; over a socket to the site's port. */
int http_peer_open(struct http_peer *peer, struct http_site *site);
int http_peer_connect(struct http_peer *peer, struct http_site *site);

/* Send bytes; a C string; bytes in pieces: `first`, then `step` at a time (0:
 * all the rest), each of which arrives by itself. */
int http_peer_send(struct http_peer *peer, const char *bytes, size_t len);
int http_peer_say(struct http_peer *peer, const char *text);
int http_peer_feed(struct http_peer *peer, const char *bytes, size_t len, size_t first,
                   size_t step);

/* End our side; read no more, or again; leave. */
void http_peer_end(struct http_peer *peer);
void http_peer_stall(struct http_peer *peer, bool stalled);
void http_peer_leave(struct http_peer *peer);

/* Let the loop run until the server has ended its side, an hour of its time at most.
 * Returns 0, GUST_ETIMEDOUT, or what stopped the loop. */
int http_peer_wait(struct http_peer *peer);

/* Leave, and free what came. Harmless twice. */
void http_peer_close(struct http_peer *peer);

/* Open, send, wait for the end. */
void http_peer_ask(struct http_peer *peer, struct http_site *site, const char *text);

/* One answer in what came. */
struct http_answer {
    int status;
    const char *head; /* lent */
    size_t head_len;  /* with the blank line */
    const char *body; /* as it was sent, chunks and all */
    size_t body_len;
    const char *end; /* what is behind it */
};

/* Read the answer at `at`: a head, and a body framed by Content-Length, chunks or
 * the end. bodiless: it answers HEAD. Returns false where there is no whole one. */
bool http_answer_read(const char *at, bool bodiless, struct http_answer *out);

/* How many whole answers came, 1xx included; the status of the n-th (from 0), or 0. */
size_t http_peer_answers(const struct http_peer *peer);
int http_peer_status(const struct http_peer *peer, size_t n);

/* The value of a field in the first head, "" where there is none; static. How many. */
const char *http_peer_field(const struct http_peer *peer, const char *name);
int http_peer_field_count(const struct http_peer *peer, const char *name);

#endif

/* A web application under test, with a client in the same loop.
 *
 * The client's connection is one end of gust_iostream_pair(): no socket. What
 * the loggers say is kept as text.
 *
 *     struct app app;
 *     app_start(&app, routes, NULL);
 *     app_ask(&app, "GET", "/x", "If-None-Match: *\r\n", "");
 *     assert_int_equal(app.status, 200);
 *     assert_string_equal(app.body, "hello");
 *     app_stop(&app);
 *
 * Functions that return int return codes of the library, so that they serve in
 * sweeps; the others fail the test. Thread: one at a time. */
#ifndef GUST_TESTS_APP_H
#define GUST_TESTS_APP_H

#include <stdbool.h>
#include <stddef.h>

#include <gust/web.h>

#define APP_ANSWER_MAX 524288
#define APP_LOG_MAX 16384

struct app {
    gust_ioloop *loop;
    gust_application *application;
    gust_httpserver *server;
    gust_iostream *client; /* NULL: none, or it has ended */
    bool ended;            /* the server has ended the connection */
    int code;              /* of the connection's end, as read_until_close says */
    char *text;            /* all that came; NUL behind it */
    size_t len;
    int status;       /* of the first answer, 0 where there is none */
    const char *body; /* behind the first blank line; "" where there is none */
    size_t body_len;
    char log[APP_LOG_MAX]; /* "[L logger] message\n" ... */
    size_t log_len;
};

/* Make loop, application and server. */
int app_init(struct app *app, const gust_route *routes, const gust_application_options *options,
             const gust_httpserver_options *server_options);
void app_start(struct app *app, const gust_route *routes, const gust_application_options *options);
void app_stop(struct app *app);

/* A new connection; what came on the one before is forgotten. */
int app_connect(struct app *app);

/* Write to it. */
int app_send(struct app *app, const char *text);
int app_send_bytes(struct app *app, const char *bytes, size_t len);

/* Let the loop turn n times without waiting. */
void app_turn(struct app *app, int n);

/* Let it run until the server ends the connection, at most 10 s. */
int app_wait(struct app *app);

/* One request on a connection of its own, with Host and Connection: close; then
 * the answer is in app. fields: lines that end in CRLF; a body gets its
 * Content-Length. */
int app_try(struct app *app, const char *method, const char *target, const char *fields,
            const char *body);
void app_ask(struct app *app, const char *method, const char *target, const char *fields,
             const char *body);
void app_get(struct app *app, const char *target);

/* The value of a field of the answer, "" where there is none; how many there
 * are. The text is valid until the next call. */
const char *app_field(struct app *app, const char *name);
int app_field_count(struct app *app, const char *name);

#endif

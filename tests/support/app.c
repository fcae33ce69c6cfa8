/* A web application under test. */
#include "tests/support/app.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include <gust/log.h>

/* ---- log ---------------------------------------------------------------------- */

static void keep_line(const gust_log_record *record, void *user)
{
    static const char *const loggers[] = {"access", "application", "general"};
    struct app *app = user;
    size_t room = sizeof(app->log) - app->log_len;
    int n = snprintf(app->log + app->log_len, room, "[%c %s] %.*s\n", "?DIWEC"[record->level / 10],
                     loggers[record->logger], GUST_FMT(record->message));
    if (n > 0 && (size_t)n < room) {
        app->log_len += (size_t)n;
    }
}

/* ---- life --------------------------------------------------------------------- */

int app_init(struct app *app, const gust_route *routes, const gust_application_options *options,
             const gust_httpserver_options *server_options)
{
    memset(app, 0, sizeof(*app));
    app->body = "";
    gust_log_set_sink(keep_line, app);
    GUST_TRY(gust_ioloop_new(NULL, &app->loop));
    GUST_TRY(gust_application_new(routes, options, &app->application));
    return gust_httpserver_new(app->loop, server_options, gust_application_delegate(),
                               app->application, &app->server);
}

void app_start(struct app *app, const gust_route *routes, const gust_application_options *options)
{
    assert_int_equal(app_init(app, routes, options, NULL), 0);
}

static void drop_client(struct app *app)
{
    if (app->client != NULL) {
        gust_iostream_close(app->client);
        gust_iostream_unref(app->client);
        app->client = NULL;
    }
    free(app->text);
    app->text = NULL;
    app->len = app->body_len = 0;
    app->status = app->code = 0;
    app->body = "";
    app->ended = false;
}

void app_stop(struct app *app)
{
    drop_client(app);
    if (app->loop != NULL) {
        app_turn(app, 4);
    }
    gust_httpserver_free(app->server);
    gust_application_free(app->application);
    if (app->loop != NULL) {
        app_turn(app, 4);
    }
    gust_ioloop_free(app->loop);
    gust_log_set_sink(NULL, NULL);
}

void app_turn(struct app *app, int n)
{
    while (n-- > 0) {
        gust_ioloop_run(app->loop, GUST_RUN_NOWAIT);
    }
}

/* ---- the client --------------------------------------------------------------- */

static void split_answer(struct app *app)
{
    app->text[app->len] = '\0';
    if (app->len > 12 && strncmp(app->text, "HTTP/1.1 ", 9) == 0) {
        app->status = atoi(app->text + 9);
    }
    const char *blank = strstr(app->text, "\r\n\r\n");
    app->body = blank != NULL ? blank + 4 : app->text + app->len;
    app->body_len = (size_t)(app->text + app->len - app->body);
}

static size_t take(gust_iostream *s, gust_str data, void *user)
{
    struct app *app = user;
    (void)s;
    size_t n = data.len < APP_ANSWER_MAX - app->len ? data.len : APP_ANSWER_MAX - app->len;
    memcpy(app->text + app->len, data.ptr, n);
    app->len += n;
    split_answer(app);
    return data.len;
}

static void closed(gust_iostream *s, int status, void *user)
{
    struct app *app = user;
    (void)s;
    app->ended = true;
    app->code = status;
    gust_ioloop_stop(app->loop);
}

static const gust_iostream_callbacks client_callbacks = {
    .name = "client", .reader = take, .on_close = closed};

int app_connect(struct app *app)
{
    gust_iostream *server_end;
    drop_client(app);
    app->text = malloc(APP_ANSWER_MAX + 1);
    GUST_TRY(app->text != NULL ? 0 : -ENOMEM);
    app->text[0] = '\0';
    GUST_TRY(gust_iostream_pair(app->loop, NULL, &app->client, &server_end));
    gust_iostream_ref(app->client);
    int status = gust_iostream_set_callbacks(app->client, &client_callbacks, app);
    if (status == 0) {
        status = gust_httpserver_serve(app->server, server_end, NULL);
    }
    if (status != 0) {
        gust_iostream_close(server_end);
    }
    return status;
}

int app_send_bytes(struct app *app, const char *bytes, size_t len)
{
    return gust_iostream_write(app->client, gust_str_make(bytes, len), NULL, NULL);
}

int app_send(struct app *app, const char *text)
{
    return app_send_bytes(app, text, strlen(text));
}

static void too_late(gust_ioloop *loop, void *user)
{
    bool *late = user;
    *late = true;
    gust_ioloop_stop(loop);
}

int app_wait(struct app *app)
{
    bool late = false;
    gust_timeout timeout;
    GUST_TRY(gust_ioloop_call_later(app->loop, GUST_SECONDS(10), too_late, &late, &timeout));
    while (!app->ended && !late) {
        int status = gust_ioloop_start(app->loop);
        if (status != 0) {
            return status;
        }
    }
    gust_ioloop_remove_timeout(app->loop, timeout);
    app_turn(app, 2);
    return late ? GUST_ETIMEDOUT : 0;
}

int app_try(struct app *app, const char *method, const char *target, const char *fields,
            const char *body)
{
    static char request[APP_ANSWER_MAX];
    char length[64] = "";
    if (*body != '\0') {
        snprintf(length, sizeof(length), "Content-Length: %zu\r\n", strlen(body));
    }
    int n = snprintf(request, sizeof(request),
                     "%s %s HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n%s%s\r\n%s",
                     method, target, fields, length, body);
    GUST_TRY(n > 0 && (size_t)n < sizeof(request) ? 0 : -EINVAL);
    GUST_TRY(app_connect(app));
    GUST_TRY(app_send(app, request));
    return app_wait(app);
}

void app_ask(struct app *app, const char *method, const char *target, const char *fields,
             const char *body)
{
    assert_int_equal(app_try(app, method, target, fields, body), 0);
}

void app_get(struct app *app, const char *target)
{
    app_ask(app, "GET", target, "", "");
}

/* ---- the answer --------------------------------------------------------------- */

/* The n-th line of the head with that name, behind its colon; NULL past the last. */
static const char *find_field(struct app *app, const char *name, int n)
{
    size_t len = strlen(name);
    const char *line = app->text;
    while (line != NULL && (line = strstr(line, "\r\n")) != NULL && line + 4 <= app->body) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':' && n-- == 0) {
            return line + len + 2;
        }
    }
    return NULL;
}

const char *app_field(struct app *app, const char *name)
{
    static char value[4096];
    const char *at = find_field(app, name, 0);
    size_t len = at != NULL ? strcspn(at, "\r") : 0;
    assert_true(len < sizeof(value));
    memcpy(value, at != NULL ? at : "", len);
    value[len] = '\0';
    return value;
}

int app_field_count(struct app *app, const char *name)
{
    int n = 0;
    while (find_field(app, name, n) != NULL) {
        n++;
    }
    return n;
}

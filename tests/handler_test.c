/* Handlers: the order of events, what methods return. Bodies that come in, failures, the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/app.h"

static struct app app;

/* Events in their order, as "name " each. */
static char events[1024];

static void event(const char *name)
{
    size_t len = strlen(events);
    snprintf(events + len, sizeof(events) - len, "%s ", name);
}

static int before(void **state)
{
    (void)state;
    events[0] = '\0';
    alloc_count_begin();
    return 0;
}

static int after(void **state)
{
    (void)state;
    app_stop(&app);
    alloc_count_end();
    return 0;
}

/* Start an application with one class at "/". */
static void start(const gust_handler_class *cls)
{
    static gust_route routes[2];
    routes[0] = (gust_route){.pattern = "/", .handler = cls};
    app_start(&app, routes, NULL);
}

/* ---- a handler that does what the test says ----------------------------------- */

static gust_handler_fn *script; /* what get does */

static int run_script(gust_handler *h)
{
    return script(h);
}

static const gust_handler_class scripted = {
    .name = "scripted", .get = run_script, .post = run_script};

static void start_script(gust_handler_fn *fn)
{
    script = fn;
    start(&scripted);
}

static void ask_script(gust_handler_fn *fn)
{
    start_script(fn);
    app_get(&app, "/");
}

/* ---- order of events ---------------------------------------------------------- */

static void log_defaults(gust_handler *h)
{
    (void)h;
    event("defaults");
}

static int log_initialize(gust_handler *h, const void *arg)
{
    (void)h, (void)arg;
    event("initialize");
    return 0;
}

static int log_prepare(gust_handler *h)
{
    event("prepare");
    return gust_request_method(h->request) == GUST_HTTP_PATCH
               ? gust_handler_error(h, 403, "not %s", "today")
               : 0;
}

static int log_method(gust_handler *h)
{
    event("method");
    return gust_handler_write(h, GUST_STR("ok"));
}

static int log_error_page(gust_handler *h, int status)
{
    char name[32];
    snprintf(name, sizeof(name), "error%d", status);
    event(name);
    return gust_handler_write(h, GUST_STR("sorry"));
}

static void log_finish(gust_handler *h)
{
    event("finish");
    if (gust_handler_write(h, GUST_STR("late")) == GUST_ESTATE) {
        event("silent");
    }
}

static int log_data(gust_handler *h, gust_str chunk)
{
    char text[64];
    (void)h;
    snprintf(text, sizeof(text), "data(%.*s)", GUST_FMT(chunk));
    event(text);
    return 0;
}

static void log_gone(gust_handler *h)
{
    (void)h;
    event("gone");
}

static const gust_handler_class logging = {.name = "logging",
                                           .set_default_headers = log_defaults,
                                           .initialize = log_initialize,
                                           .prepare = log_prepare,
                                           .get = log_method,
                                           .post = log_method,
                                           .patch = log_method,
                                           .data_received = log_data,
                                           .write_error = log_error_page,
                                           .on_finish = log_finish,
                                           .on_connection_close = log_gone};

static void test_events__come_in_tornados_order(void **state)
{
    static const struct {
        const char *method, *body, *events;
        int status;
    } rows[] = {
        {"GET", "", "defaults initialize prepare method finish silent ", 200},
        {"POST", "a=1", "defaults initialize prepare method finish silent ", 200},
        {"PATCH", "", "defaults initialize prepare defaults error403 finish silent ", 403},
        {"DELETE", "", "defaults initialize prepare defaults error405 finish silent ", 405},
        {"PROPFIND", "", "defaults initialize defaults error405 finish silent ", 405},
    };
    (void)state;
    start(&logging);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        events[0] = '\0';
        app_ask(&app, rows[i].method, "/", "", rows[i].body);
        assert_string_equal(events, rows[i].events);
        assert_int_equal(app.status, rows[i].status);
        assert_string_equal(app.body, rows[i].status == 200 ? "ok" : "sorry");
    }
}

static int finish_in_prepare(gust_handler *h)
{
    gust_handler_set_status(h, 401, NULL);
    gust_handler_write(h, GUST_STR("who?"));
    return gust_handler_finish(h);
}

static void test_prepare_that_finishes__no_method(void **state)
{
    static const gust_handler_class cls = {.prepare = finish_in_prepare, .get = log_method};
    (void)state;
    start(&cls);
    app_get(&app, "/");
    assert_int_equal(app.status, 401);
    assert_string_equal(app.body, "who?");
    assert_string_equal(events, "");
}

static int refuse_initialize(gust_handler *h, const void *arg)
{
    (void)h, (void)arg;
    return 418;
}

static void test_initialize_that_fails__on_finish_without_prepare(void **state)
{
    static const gust_handler_class cls = {.base = &logging, .initialize = refuse_initialize};
    (void)state;
    start(&cls);
    app_get(&app, "/");
    assert_int_equal(app.status, 418);
    assert_string_equal(events, "defaults defaults error418 finish silent ");
}

/* ---- classes ------------------------------------------------------------------ */

struct counter {
    gust_handler handler;
    int zero;
    int count;
};

static int counter_get(gust_handler *h)
{
    struct counter *c = (struct counter *)(void *)h;
    c->count += 3;
    return gust_handler_writef(h, "%d %d", c->zero, c->count);
}

static void test_class__extends_its_base(void **state)
{
    static const gust_handler_class base = {
        .instance_size = sizeof(struct counter), .get = counter_get, .post = log_method};
    static const gust_handler_class middle = {.base = &base, .post = counter_get};
    static const gust_handler_class top = {.base = &middle, .prepare = log_prepare};
    (void)state;
    start(&top);
    app_get(&app, "/");
    assert_string_equal(app.body, "0 3");
    app_ask(&app, "POST", "/", "", "x");
    assert_string_equal(app.body, "0 3");
    assert_string_equal(events, "prepare prepare ");
}

/* ---- methods ------------------------------------------------------------------ */

static int write_method(gust_handler *h)
{
    return gust_handler_write(h, gust_request_method_text(h->request));
}

static void test_methods__each_goes_to_its_own(void **state)
{
    static const gust_handler_class cls = {.get = write_method,
                                           .post = write_method,
                                           .delete_ = write_method,
                                           .patch = write_method,
                                           .put = write_method,
                                           .options = write_method,
                                           .other = write_method};
    static const char *const methods[] = {"GET", "POST",    "DELETE",   "PATCH",
                                          "PUT", "OPTIONS", "PROPFIND", "TRACE"};
    (void)state;
    start(&cls);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        app_ask(&app, methods[i], "/", "", "");
        assert_int_equal(app.status, 200);
        assert_string_equal(app.body, methods[i]);
    }
}

static void test_no_methods__405_with_allow(void **state)
{
    static const gust_handler_class none = {.name = "none"};
    static const char *const methods[] = {"GET", "HEAD",  "DELETE", "POST",
                                          "PUT", "PATCH", "OTHER",  "TRACE"};
    (void)state;
    start(&none);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        app_ask(&app, methods[i], "/", "", "");
        assert_int_equal(app.status, 405);
        assert_string_equal(app_field(&app, "Allow"), "OPTIONS");
    }
}

static void test_options_and_405__tell_the_methods(void **state)
{
    (void)state;
    start(&scripted);
    app_ask(&app, "OPTIONS", "/", "", "");
    assert_int_equal(app.status, 204);
    assert_string_equal(app_field(&app, "Allow"), "GET, HEAD, POST, OPTIONS");
    app_ask(&app, "PUT", "/", "", "");
    assert_int_equal(app.status, 405);
    assert_string_equal(app_field(&app, "Allow"), "GET, HEAD, POST, OPTIONS");
    assert_string_equal(app_field(&app, "X-Content-Type-Options"), "nosniff");
}

static int hello(gust_handler *h)
{
    return gust_handler_write(h, GUST_STR("hello"));
}

static void test_head__is_get_without_its_body(void **state)
{
    (void)state;
    start_script(hello);
    app_get(&app, "/");
    assert_string_equal(app.body, "hello");
    char etag[64];
    snprintf(etag, sizeof(etag), "%s", app_field(&app, "Etag"));
    app_ask(&app, "HEAD", "/", "", "");
    assert_int_equal(app.status, 200);
    assert_string_equal(app.body, "");
    assert_string_equal(app_field(&app, "Content-Length"), "5");
    assert_string_equal(app_field(&app, "Etag"), etag);
}

/* ---- what methods return ------------------------------------------------------ */

static int fail_with;

static int fail_now(gust_handler *h)
{
    gust_handler_set_header(h, "X-Lost", GUST_STR("1"));
    gust_handler_write(h, GUST_STR("half a page"));
    return fail_with;
}

static void test_status_returned__is_the_answer(void **state)
{
    static const struct {
        int returned, status;
        const char *body;
    } rows[] = {
        {404, 404, "<html><title>404: Not Found</title><body>404: Not Found</body></html>"},
        {503, 503,
         "<html><title>503: Service Unavailable</title>"
         "<body>503: Service Unavailable</body></html>"},
        {435, 435, "<html><title>435: Unknown</title><body>435: Unknown</body></html>"},
        {682, 682, "<html><title>682: Unknown</title><body>682: Unknown</body></html>"},
        {-ENOENT, 500,
         "<html><title>500: Internal Server Error</title>"
         "<body>500: Internal Server Error</body></html>"},
        {7, 500,
         "<html><title>500: Internal Server Error</title>"
         "<body>500: Internal Server Error</body></html>"},
        {304, 304, ""},
    };
    (void)state;
    start_script(fail_now);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fail_with = rows[i].returned;
        app_get(&app, "/");
        assert_int_equal(app.status, rows[i].status);
        assert_string_equal(app.body, rows[i].body);
        assert_string_equal(app_field(&app, "X-Lost"), "");
    }
    assert_non_null(strstr(app.log, "[E application] Uncaught error GET / (0.0.0.0) scripted: "
                                    "ENOENT"));
}

static const char *reason;

static int fail_with_reason(gust_handler *h)
{
    return gust_handler_error_reason(h, 400, reason);
}

static void test_reason__shown_unless_it_is_unsafe(void **state)
{
    static const struct {
        const char *given, *shown, *page;
    } rows[] = {
        {"Foo", "HTTP/1.1 400 Foo\r\n", "400: Foo<"},
        {"a & \"b\"", "HTTP/1.1 400 a & \"b\"\r\n", "400: a &amp; &quot;b&quot;<"},
        {"x\r\nSet-Cookie: a=b", "HTTP/1.1 400 Unknown\r\n", "400: Unknown<"},
        {"<script>", "HTTP/1.1 400 Unknown\r\n", "400: Unknown<"},
    };
    (void)state;
    start_script(fail_with_reason);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        reason = rows[i].given;
        app_get(&app, "/");
        assert_memory_equal(app.text, rows[i].shown, strlen(rows[i].shown));
        assert_non_null(strstr(app.body, rows[i].page));
        assert_null(strstr(app.text, "Set-Cookie"));
    }
}

static int gone_for_good(gust_handler *h)
{
    return gust_handler_error(h, 410, "no longer %s", "here\n\x01");
}

static void test_error__is_logged_quoted(void **state)
{
    (void)state;
    ask_script(gone_for_good);
    assert_int_equal(app.status, 410);
    assert_non_null(strstr(app.log, "[W general] 410 GET / (0.0.0.0): no longer here\\x0A\\x01\n"));
    assert_non_null(strstr(app.log, "[W access] 410 GET / (0.0.0.0) "));
}

static int failing_page(gust_handler *h, int status)
{
    gust_handler_write(h, GUST_STR("half"));
    (void)status;
    return -EIO;
}

static void test_write_error_that_fails__no_body(void **state)
{
    static const gust_handler_class cls = {.base = &scripted, .write_error = failing_page};
    (void)state;
    script = fail_now;
    fail_with = 409;
    start(&cls);
    app_get(&app, "/");
    assert_int_equal(app.status, 409);
    assert_string_equal(app.body, "");
    assert_non_null(strstr(app.log, "Uncaught error in write_error"));
}

/* ---- asynchronous handlers ---------------------------------------------------- */

static gust_handler *pending;

static int stay(gust_handler *h)
{
    pending = h;
    return GUST_PENDING;
}

static void test_pending__finished_later(void **state)
{
    (void)state;
    start_script(stay);
    assert_int_equal(app_connect(&app), 0);
    assert_int_equal(app_send(&app, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 0);
    app_turn(&app, 5);
    assert_int_equal(app.len, 0);
    assert_int_equal(gust_handler_write(pending, GUST_STR("later")), 0);
    assert_int_equal(gust_handler_finish(pending), 0);
    assert_int_equal(gust_handler_finish(pending), GUST_ESTATE);
    assert_int_equal(gust_handler_write(pending, GUST_STR("x")), GUST_ESTATE);
    assert_true(gust_handler_is_finished(pending));
    app_turn(&app, 5);
    assert_string_equal(app.body, "later");
    app_send(&app, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    app_turn(&app, 5);
    gust_handler_complete(pending, 503);
    app_turn(&app, 5);
    assert_non_null(strstr(app.body, "HTTP/1.1 503 "));
}

static int early(gust_handler *h)
{
    gust_handler_write(h, GUST_STR("early"));
    gust_handler_complete(h, 0);
    return GUST_PENDING;
}

static int early_failure(gust_handler *h)
{
    gust_handler_complete(h, 409);
    return GUST_PENDING;
}

static void test_complete_before_pending_is_returned__counts(void **state)
{
    (void)state;
    start_script(early);
    app_get(&app, "/");
    assert_string_equal(app.body, "early");
    script = early_failure;
    app_get(&app, "/");
    assert_int_equal(app.status, 409);
}

static void test_pending_prepare__method_follows(void **state)
{
    static const gust_handler_class cls = {.prepare = stay, .get = log_method};
    (void)state;
    start(&cls);
    assert_int_equal(app_connect(&app), 0);
    app_send(&app, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    app_turn(&app, 5);
    assert_string_equal(events, "");
    gust_handler_complete(pending, 0);
    assert_string_equal(events, "method ");
    app_turn(&app, 5);
    assert_string_equal(app.body, "ok");
}

static void test_client_goes_away__told_once_and_writes_dropped(void **state)
{
    static const gust_handler_class cls = {.base = &logging, .get = stay, .prepare = NULL};
    (void)state;
    start(&cls);
    assert_int_equal(app_connect(&app), 0);
    app_send(&app, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    app_turn(&app, 5);
    gust_iostream_close(app.client);
    app_turn(&app, 5);
    assert_string_equal(events, "defaults initialize prepare gone ");
    assert_int_equal(gust_handler_write(pending, GUST_STR("x")), 0);
    assert_int_equal(gust_handler_flush(pending, NULL, NULL), 0);
    gust_handler_complete(pending, 0);
    assert_string_equal(events, "defaults initialize prepare gone finish silent ");
    assert_null(strstr(app.log, "[E"));
}

static void test_application_freed__pending_handler_lives_on(void **state)
{
    (void)state;
    start_script(stay);
    assert_int_equal(app_connect(&app), 0);
    app_send(&app, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    app_turn(&app, 5);
    gust_httpserver_free(app.server);
    app.server = NULL;
    app_turn(&app, 5);
    gust_application_free(app.application);
    app.application = NULL;
    app_turn(&app, 5);
    assert_int_equal(gust_handler_write(pending, GUST_STR("x")), 0);
    gust_handler_complete(pending, 0);
}

/* ---- bodies that come in ------------------------------------------------------ */

static int write_body(gust_handler *h)
{
    return gust_handler_write(h, gust_request_body(h->request));
}

static void test_post__has_the_body(void **state)
{
    (void)state;
    start_script(write_body);
    app_ask(&app, "POST", "/", "", "some text");
    assert_string_equal(app.body, "some text");
}

static const gust_handler_class streaming = {
    .base = &logging, .stream_request_body = true, .put = log_method};

static void test_streamed_body__prepare_data_method(void **state)
{
    (void)state;
    start(&streaming);
    assert_int_equal(app_connect(&app), 0);
    app_send(&app, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    app_turn(&app, 5);
    assert_string_equal(events, "defaults initialize prepare ");
    app_send(&app, "4\r\nasdf\r\n");
    app_turn(&app, 5);
    assert_string_equal(events, "defaults initialize prepare data(asdf) ");
    app_send(&app, "4\r\nqwer\r\n0\r\n\r\n");
    app_turn(&app, 5);
    assert_string_equal(events,
                        "defaults initialize prepare data(asdf) data(qwer) method finish silent ");
    assert_string_equal(app.body, "ok");
    app_ask(&app, "PATCH", "/", "", "never read");
    assert_int_equal(app.status, 403);
    events[0] = '\0';
    app_ask(&app, "POST", "/", "", "");
    assert_string_equal(events, "defaults initialize prepare method finish silent ");
}

static void test_streamed_body__client_goes_in_the_middle(void **state)
{
    (void)state;
    start(&streaming);
    assert_int_equal(app_connect(&app), 0);
    app_send(&app, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nasdf");
    app_turn(&app, 5);
    gust_iostream_close(app.client);
    app_turn(&app, 5);
    assert_string_equal(events, "defaults initialize prepare data(asdf) gone finish silent ");
    assert_null(strstr(app.log, "[E"));
}

static int slow_data(gust_handler *h, gust_str chunk)
{
    log_data(h, chunk);
    return stay(h);
}

static void test_streamed_body__pending_prepare_and_data(void **state)
{
    static const gust_handler_class cls = {
        .base = &streaming, .prepare = stay, .data_received = slow_data};
    static const gust_route routes[] = {{"/", .handler = &cls}, {0}};
    const gust_httpserver_options options = {.chunk_size = 10};
    (void)state;
    assert_int_equal(app_init(&app, routes, NULL, &options), 0);
    assert_int_equal(app_connect(&app), 0);
    app_send(&app,
             "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 26\r\nExpect: 100-continue\r\n\r\n");
    app_turn(&app, 5);
    assert_string_equal(app.text, ""); /* no 100 yet */
    app_send(&app, "abcdefghijklmnopqrstuvwxyz");
    app_turn(&app, 5);
    assert_string_equal(events, "defaults initialize ");
    gust_handler_complete(pending, 0);
    app_turn(&app, 5);
    assert_string_equal(events, "defaults initialize data(abcdefghij) ");
    gust_handler_complete(pending, 0);
    gust_handler_complete(pending, 0); /* none is pending: ignored */
    app_turn(&app, 5);
    gust_handler_complete(pending, 0);
    app_turn(&app, 5);
    assert_string_equal(events,
                        "defaults initialize data(abcdefghij) data(klmnopqrst) data(uvwxyz) ");
    gust_handler_complete(pending, 0);
    app_turn(&app, 5);
    assert_non_null(strstr(events, "data(uvwxyz) method finish silent "));
    assert_non_null(strstr(app.text, "\r\n\r\nok"));
}

static void test_streamed_body__client_goes_while_data_is_pending(void **state)
{
    static const gust_handler_class cls = {.base = &streaming, .data_received = slow_data};
    (void)state;
    start(&cls);
    assert_int_equal(app_connect(&app), 0);
    app_send(&app, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nasdf");
    app_turn(&app, 5);
    gust_iostream_close(app.client);
    app_turn(&app, 5);
    assert_string_equal(events, "defaults initialize prepare data(asdf) gone ");
    gust_handler_complete(pending, 0);
    assert_true(gust_handler_is_finished(pending));
    assert_string_equal(events, "defaults initialize prepare data(asdf) gone finish silent ");
}

static void test_streamed_body__refused_while_prepare_was_pending(void **state)
{
    static const gust_handler_class cls = {.base = &streaming, .prepare = stay};
    (void)state;
    start(&cls);
    assert_int_equal(app_connect(&app), 0);
    app_send(&app, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n");
    app_turn(&app, 5);
    gust_handler_complete(pending, 401);
    app_turn(&app, 5);
    assert_int_equal(app.status, 401);
    app_send(&app, "bodyGET / HTTP/1.1\r\nHost: x\r\n\r\n"); /* the next request is seen */
    app_turn(&app, 5);
    gust_handler_complete(pending, 0);
    app_turn(&app, 5);
    assert_non_null(strstr(app.text, "HTTP/1.1 200 OK"));
    assert_string_equal(events, "defaults initialize defaults error401 finish silent "
                                "defaults initialize method finish silent ");
}

/* ---- log ---------------------------------------------------------------------- */

static void test_access_log__status_request_time(void **state)
{
    int status = 0;
    char ms[16] = "";
    (void)state;
    start_script(hello);
    app_ask(&app, "GET", "/?a=%22b\"", "", "");
    assert_int_equal(
        sscanf(app.log, "[I access] %d GET /?a=%%22b\\x22 (0.0.0.0) %15s", &status, ms), 2);
    assert_int_equal(status, 200);
    assert_string_equal(strchr(ms, '.') + 3, "ms");
}

static void own_log(gust_handler *h)
{
    char text[32];
    snprintf(text, sizeof(text), "log%d", gust_handler_status(h));
    event(text);
}

static void test_log_request__instead_of_the_line(void **state)
{
    static const gust_route routes[] = {{"/", .handler = &logging}, {0}};
    const gust_application_options options = {.log_request = own_log};
    (void)state;
    app_start(&app, routes, &options);
    app_get(&app, "/");
    assert_string_equal(events, "defaults initialize prepare method log200 finish silent ");
    assert_string_equal(app.log, "");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_events__come_in_tornados_order),
        CASE(test_prepare_that_finishes__no_method),
        CASE(test_initialize_that_fails__on_finish_without_prepare),
        CASE(test_class__extends_its_base),
        CASE(test_methods__each_goes_to_its_own),
        CASE(test_no_methods__405_with_allow),
        CASE(test_options_and_405__tell_the_methods),
        CASE(test_head__is_get_without_its_body),
        CASE(test_status_returned__is_the_answer),
        CASE(test_reason__shown_unless_it_is_unsafe),
        CASE(test_error__is_logged_quoted),
        CASE(test_write_error_that_fails__no_body),
        CASE(test_pending__finished_later),
        CASE(test_complete_before_pending_is_returned__counts),
        CASE(test_pending_prepare__method_follows),
        CASE(test_client_goes_away__told_once_and_writes_dropped),
        CASE(test_application_freed__pending_handler_lives_on),
        CASE(test_post__has_the_body),
        CASE(test_streamed_body__prepare_data_method),
        CASE(test_streamed_body__client_goes_in_the_middle),
        CASE(test_streamed_body__pending_prepare_and_data),
        CASE(test_streamed_body__client_goes_while_data_is_pending),
        CASE(test_streamed_body__refused_while_prepare_was_pending),
        CASE(test_access_log__status_request_time),
        CASE(test_log_request__instead_of_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

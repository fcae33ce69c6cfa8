/* Responses: heads, bodies, flushes, entity tags, redirects, and memory that is short. */
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

static int before(void **state)
{
    (void)state;
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

static int hello(gust_handler *h)
{
    return gust_handler_write(h, GUST_STR("hello"));
}

static int not_there(gust_handler *h)
{
    gust_handler_set_header(h, "X-Lost", GUST_STR("1"));
    gust_handler_write(h, GUST_STR("half a page"));
    return gust_handler_error(h, 404, "not there");
}

/* ---- heads -------------------------------------------------------------------- */

static int some_headers(gust_handler *h)
{
    gust_handler_set_header(h, "X-Foo", GUST_STR("first"));
    gust_handler_set_header(h, "x-foo", GUST_STR("last"));
    gust_handler_add_header(h, "X-Two", GUST_STR("1"));
    gust_handler_add_header(h, "X-Two", GUST_STR("2"));
    gust_handler_set_header(h, "X-Gone", GUST_STR("1"));
    gust_handler_clear_header(h, "X-Gone");
    gust_handler_clear_header(h, "X-Never");
    gust_handler_set_header(h, "X-Empty", GUST_STR(""));
    return gust_handler_set_header(h, "content-type", GUST_STR("text/plain"));
}

static void test_headers__set_added_cleared(void **state)
{
    (void)state;
    ask_script(some_headers);
    assert_int_equal(app_field_count(&app, "X-Foo"), 1);
    assert_string_equal(app_field(&app, "X-Foo"), "last");
    assert_int_equal(app_field_count(&app, "X-Two"), 2);
    assert_int_equal(app_field_count(&app, "X-Gone"), 0);
    assert_int_equal(app_field_count(&app, "X-Empty"), 1);
    assert_int_equal(app_field_count(&app, "Content-Type"), 1);
    assert_string_equal(app_field(&app, "Content-Type"), "text/plain");
    assert_int_equal(app_field_count(&app, "Date"), 1);
    assert_memory_equal(app_field(&app, "Server"), "Gust/", 5);
}

static int unsafe_values(gust_handler *h)
{
    for (int byte = 0; byte < 256; byte++) {
        char value[3] = {'a', (char)byte, 'b'};
        bool safe = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
        int status = gust_handler_set_header(h, "X-Byte", gust_str_make(value, 3));
        int type = gust_handler_set_header(h, "Content-Type", gust_str_make(value, 3));
        if (status != (safe ? 0 : GUST_EHEADER) || type != status) {
            return gust_handler_writef(h, "byte %d: %d, %d", byte, status, type);
        }
    }
    return gust_handler_set_header(h, "X-Byte", GUST_STR("foo\r\nX-Bar: baz"));
}

static void test_unsafe_value__refused_and_500(void **state)
{
    (void)state;
    ask_script(unsafe_values);
    assert_int_equal(app.status, 500);
    assert_null(strstr(app.text, "X-Bar"));
}

static int teapot(gust_handler *h)
{
    gust_handler_set_status(h, 418, "I am <b>");
    int bad = gust_handler_set_status(h, 99, NULL);
    return gust_handler_writef(h, "%d %d", gust_handler_status(h), bad == -EINVAL);
}

static void test_set_status__checks_both(void **state)
{
    (void)state;
    ask_script(teapot);
    assert_memory_equal(app.text, "HTTP/1.1 418 Unknown\r\n", 22);
    assert_string_equal(app.body, "418 1");
}

static int no_content(gust_handler *h)
{
    gust_handler_set_header(h, "Content-Language", GUST_STR("en"));
    return gust_handler_set_status(h, 204, NULL);
}

static void test_204__has_no_body_fields(void **state)
{
    (void)state;
    ask_script(no_content);
    assert_int_equal(app.status, 204);
    assert_int_equal(app_field_count(&app, "Content-Length"), 0);
    assert_int_equal(app_field_count(&app, "Transfer-Encoding"), 0);
    assert_int_equal(app_field_count(&app, "Content-Type"), 0);
    assert_int_equal(app_field_count(&app, "Content-Language"), 0);
}

static int content_with_204(gust_handler *h)
{
    gust_handler_write(h, GUST_STR("oops"));
    return gust_handler_set_status(h, 204, NULL);
}

static void test_204_with_a_body__500(void **state)
{
    (void)state;
    ask_script(content_with_204);
    assert_int_equal(app.status, 500);
    assert_non_null(strstr(app.body, "500: Internal Server Error"));
    assert_non_null(strstr(app.log, "GUST_ELENGTH"));
}

static int wrong_length(gust_handler *h)
{
    gust_str length;
    GUST_TRY(gust_handler_get_argument(h, "n", &length));
    GUST_TRY(gust_handler_set_header(h, "Content-Length", length));
    return gust_handler_write(h, GUST_STR("hello"));
}

static void test_content_length__held_to_the_body(void **state)
{
    (void)state;
    start_script(wrong_length);
    app_get(&app, "/?n=5");
    assert_string_equal(app.body, "hello");
    app_get(&app, "/?n=42");
    assert_int_equal(app.status, 500);
    app_get(&app, "/?n=2");
    assert_int_equal(app.status, 500);
    app_get(&app, "/?n=x");
    assert_int_equal(app.status, 500);
}

static int clear_all(gust_handler *h)
{
    gust_handler_set_status(h, 202, "Later");
    gust_handler_set_header(h, "X-Foo", GUST_STR("1"));
    gust_handler_set_header(h, "Content-Type", GUST_STR("text/plain"));
    gust_handler_write(h, GUST_STR("gone"));
    gust_handler_clear(h);
    return gust_handler_write(h, GUST_STR("kept"));
}

static void test_clear__begins_anew(void **state)
{
    (void)state;
    ask_script(clear_all);
    assert_memory_equal(app.text, "HTTP/1.1 200 OK\r\n", 17);
    assert_string_equal(app_field(&app, "X-Foo"), "");
    assert_string_equal(app_field(&app, "Content-Type"), "text/html; charset=UTF-8");
    assert_string_equal(app.body, "kept");
}

/* ---- bodies ------------------------------------------------------------------- */

static int growing(gust_handler *h)
{
    for (int i = 0; i < 20000; i++) {
        GUST_TRY(gust_handler_writef(h, "%05d\n", i));
        if (i % 100 == 0) {
            GUST_TRY(gust_handler_write(h, GUST_STR("hundred")));
        }
    }
    return 0;
}

static void test_body__grows_from_the_arena_to_its_own(void **state)
{
    (void)state;
    ask_script(growing);
    assert_int_equal(app.body_len, 20000 * 6 + 200 * 7);
    const char *at = app.body;
    for (int i = 0; i < 20000; i++, at += 6) {
        assert_int_equal(atoi(at), i);
        if (i % 100 == 0) {
            assert_memory_equal(at + 6, "hundred", 7);
            at += 7;
        }
    }
}

static int print_edges(gust_handler *h)
{
    /* texts that end one before, at, and one behind the first buffer's end */
    for (int n = 1022; n <= 1026; n++) {
        gust_handler_clear(h);
        GUST_TRY(gust_handler_writef(h, "%*d", n, 7));
        gust_str body = gust_handler_peek(h);
        if (body.len != (size_t)n || body.ptr[n - 1] != '7') {
            return gust_handler_writef(h, "wrong at %d", n);
        }
    }
    return 0;
}

static void test_writef__at_the_edges_of_the_buffer(void **state)
{
    (void)state;
    ask_script(print_edges);
    assert_int_equal(app.body_len, 1026);
}

static int too_much(gust_handler *h)
{
    int status = 0, i;
    for (i = 0; status == 0; i++) {
        status = gust_handler_write(h, GUST_STR("0123456789"));
    }
    gust_handler_clear(h);
    return gust_handler_writef(h, "%d %d", i, status == GUST_EBUFFERFULL);
}

static void test_body_above_max_response__refused(void **state)
{
    static const gust_route routes[] = {{"/", .handler = &scripted}, {0}};
    const gust_application_options options = {.max_response = 4000};
    (void)state;
    script = too_much;
    app_start(&app, routes, &options);
    app_get(&app, "/");
    assert_string_equal(app.body, "401 1");
}

static int answer_json(gust_handler *h)
{
    gust_json_writer w;
    gust_handler_json(h, &w);
    gust_json_begin_object(&w);
    gust_json_member_str(&w, "name", GUST_STR("</script>"));
    gust_json_member_int(&w, "id", 7);
    gust_json_end_object(&w);
    return gust_json_writer_finish(&w);
}

static int broken_json(gust_handler *h)
{
    gust_json_writer w;
    gust_handler_json(h, &w);
    gust_json_begin_object(&w);
    return gust_json_writer_finish(&w);
}

static void test_json__is_written_as_json(void **state)
{
    (void)state;
    start_script(answer_json);
    app_get(&app, "/");
    assert_string_equal(app_field(&app, "Content-Type"), "application/json; charset=UTF-8");
    assert_string_equal(app.body, "{\"name\": \"<\\/script>\", \"id\": 7}");
    script = broken_json;
    app_get(&app, "/");
    assert_int_equal(app.status, 500);
    assert_string_equal(app_field(&app, "Content-Type"), "text/html; charset=UTF-8");
}

/* ---- flush -------------------------------------------------------------------- */

static int flush_ok(gust_handler *h)
{
    gust_handler_flush(h, NULL, NULL);
    gust_handler_flush(h, NULL, NULL);
    gust_handler_write(h, GUST_STR("o"));
    gust_handler_flush(h, NULL, NULL);
    gust_handler_flush(h, NULL, NULL);
    if (gust_handler_set_header(h, "X-Late", GUST_STR("1")) != GUST_ESTATE ||
        gust_handler_set_status(h, 500, NULL) != GUST_ESTATE) {
        return -EINVAL;
    }
    gust_handler_write(h, GUST_STR("k"));
    return gust_handler_finish(h);
}

static void test_flush__chunks_and_no_etag(void **state)
{
    (void)state;
    start_script(flush_ok);
    app_get(&app, "/");
    assert_string_equal(app_field(&app, "Transfer-Encoding"), "chunked");
    assert_string_equal(app.body, "1\r\no\r\n1\r\nk\r\n0\r\n\r\n");
    assert_string_equal(app_field(&app, "Etag"), "");
    app_ask(&app, "HEAD", "/", "", "");
    assert_string_equal(app.body, "");
    assert_int_equal(app_field_count(&app, "Content-Length"), 0);
    assert_int_equal(app_field_count(&app, "Transfer-Encoding"), 0);
}

static int fail_after_flush(gust_handler *h)
{
    gust_handler_write(h, GUST_STR("half"));
    gust_handler_flush(h, NULL, NULL);
    return 500;
}

/* The client gets what was flushed, and no end of the body: it must not take it
 * for a whole answer. */
static void test_failure_after_flush__breaks_off(void **state)
{
    (void)state;
    ask_script(fail_after_flush);
    assert_int_equal(app.status, 200);
    assert_string_equal(app.body, "4\r\nhalf\r\n");
    assert_true(app.ended);
    assert_non_null(strstr(app.log, "Cannot send error response after headers written"));
}

struct pieces {
    gust_handler handler;
    int left;
};

static void piece_flushed(gust_handler *h, int status, void *user)
{
    struct pieces *p = (struct pieces *)(void *)h;
    assert_ptr_equal(user, &app);
    assert_int_equal(status, 0);
    assert_int_equal(gust_handler_flush(h, NULL, NULL), 0);
    if (--p->left == 0) {
        gust_handler_complete(h, 0);
        return;
    }
    gust_handler_writef(h, "%d", p->left);
    assert_int_equal(gust_handler_flush(h, piece_flushed, &app), 0);
    assert_int_equal(gust_handler_flush(h, piece_flushed, &app), -EBUSY);
}

static int pieces_get(gust_handler *h)
{
    ((struct pieces *)(void *)h)->left = 3;
    GUST_TRY(gust_handler_flush(h, piece_flushed, &app));
    return GUST_PENDING;
}

static void test_flush_with_callback__after_the_kernel_took_it(void **state)
{
    static const gust_handler_class cls = {.instance_size = sizeof(struct pieces),
                                           .get = pieces_get};
    (void)state;
    start(&cls);
    app_get(&app, "/");
    assert_string_equal(app.body, "1\r\n2\r\n1\r\n1\r\n0\r\n\r\n");
}

/* ---- etags -------------------------------------------------------------------- */

static int hello_in_english(gust_handler *h)
{
    gust_handler_set_header(h, "Content-Language", GUST_STR("en"));
    return hello(h);
}

static void test_etag__own_one_gives_304(void **state)
{
    char field[128];
    (void)state;
    ask_script(hello_in_english);
    assert_int_equal(strlen(app_field(&app, "Etag")), 34);
    snprintf(field, sizeof(field), "If-None-Match: %s\r\n", app_field(&app, "Etag"));
    app_ask(&app, "GET", "/", field, "");
    assert_int_equal(app.status, 304);
    assert_string_equal(app.body, "");
    assert_int_equal(app_field_count(&app, "Etag"), 1);
    assert_int_equal(app_field_count(&app, "Content-Length"), 0);
    assert_int_equal(app_field_count(&app, "Content-Language"), 0);
    assert_int_equal(app_field_count(&app, "Transfer-Encoding"), 0);
    app_ask(&app, "POST", "/", field, "x");
    assert_int_equal(app.status, 200);
    assert_int_equal(app_field_count(&app, "Etag"), 0);
}

static const char *etag_text;

static int xyzzy(gust_handler *h, gust_str body, gust_str *out_etag)
{
    (void)h, (void)body;
    *out_etag = gust_str_from(etag_text);
    return 0;
}

static void test_if_none_match__compares_weakly(void **state)
{
    static const gust_handler_class cls = {.get = hello, .compute_etag = xyzzy};
    static const struct {
        const char *etag, *field;
        int status;
    } rows[] = {
        {"\"xyzzy\"", "If-None-Match: \"xyzzy\"\r\n", 304},
        {"\"xyzzy\"", "If-None-Match: *\r\n", 304},
        {"\"xyzzy\"", "If-None-Match: W/\"xyzzy\"\r\n", 304},
        {"W/\"xyzzy\"", "If-None-Match: \"xyzzy\"\r\n", 304},
        {"\"xyzzy\"", "If-None-Match: \"a\", \"xyzzy\"\r\n", 304},
        {"\"xyzzy\"", "If-None-Match: \"a\", W/\"xyzzy\" , \"b\"\r\n", 304},
        {"\"xyzzy\"", "If-None-Match: \"a\"\r\nIf-None-Match: \"xyzzy\"\r\n", 304},
        {"\"xyzzy\"", "If-None-Match: \"a,\", junk \"xyzzy\"\r\n", 304},
        {"\"xyzzy\"", "If-None-Match: \"xyzz\"\r\n", 200},
        {"\"xyzzy\"", "If-None-Match: \"yzzyx\", \"yxyzzy\", W/\"a\"\r\n", 200},
        {"\"xyzzy\"", "If-None-Match: xyzzy\r\n", 200},
        {"\"xyzzy\"", "If-None-Match: \"xyzzy\r\n", 200},
        {"\"xyzzy\"", "If-None-Match:\r\n", 200},
        {"\"xyzzy\"", "", 200},
        {"", "If-None-Match: *\r\n", 200},
    };
    (void)state;
    start(&cls);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        etag_text = rows[i].etag;
        app_ask(&app, "GET", "/", rows[i].field, "");
        assert_int_equal(app.status, rows[i].status);
        assert_string_equal(app_field(&app, "Etag"), rows[i].etag);
    }
}

static char seen[64];

/* The automatic one, looked at before the end, then replaced, or taken away. */
static int look_at_etag(gust_handler *h)
{
    GUST_TRY(hello(h));
    assert_null(gust_handler_header(h, "Etag").ptr);
    GUST_TRY(gust_handler_set_etag_header(h));
    gust_str etag = gust_handler_header(h, "ETag");
    snprintf(seen, sizeof(seen), "%.*s", GUST_FMT(etag));
    return 0;
}

static int replace_etag(gust_handler *h)
{
    GUST_TRY(hello(h));
    GUST_TRY(gust_handler_set_etag_header(h));
    GUST_TRY(gust_handler_set_header(h, "ETAG", GUST_STR("\"other\"")));
    assert_int_equal(gust_handler_set_header(h, "Etag", GUST_STR("\"a\r\n\"")), GUST_EHEADER);
    return gust_handler_add_header(h, "Etag", GUST_STR("\"third\""));
}

static int take_etag_away(gust_handler *h)
{
    GUST_TRY(look_at_etag(h));
    return gust_handler_set_header(h, "Etag", GUST_STR(""));
}

static int clear_etag(gust_handler *h)
{
    GUST_TRY(replace_etag(h));
    gust_handler_clear_header(h, "Etag");
    return 0;
}

static void test_etag__seen_replaced_and_taken_away(void **state)
{
    (void)state;
    ask_script(look_at_etag);
    assert_int_equal(strlen(seen), 34);
    assert_string_equal(app_field(&app, "Etag"), seen);
    app_stop(&app);
    ask_script(replace_etag);
    assert_int_equal(app_field_count(&app, "Etag"), 1);
    assert_string_equal(app_field(&app, "Etag"), "\"third\"");
    app_stop(&app);
    ask_script(take_etag_away);
    assert_int_equal(app.status, 200);
    assert_int_equal(app_field_count(&app, "Etag"), 0);
    app_stop(&app);
    ask_script(clear_etag); /* none is set: the automatic one again */
    assert_string_equal(app_field(&app, "Etag"), seen);
}

static int write_twice(gust_handler *h)
{
    GUST_TRY(gust_handler_write(h, GUST_STR("12345")));
    assert_int_equal(gust_handler_write(h, GUST_STR("678901")), GUST_EBUFFERFULL);
    return gust_handler_write(h, GUST_STR("67890"));
}

static void test_max_response__of_few_bytes(void **state)
{
    static const gust_route routes[] = {{"/", .handler = &scripted}, {0}};
    gust_application_options options = {.max_response = 10};
    (void)state;
    script = write_twice;
    app_start(&app, routes, &options);
    app_get(&app, "/");
    assert_string_equal(app.body, "1234567890");
}

static void test_etag__off_and_above_its_limit(void **state)
{
    static const gust_route routes[] = {{"/", .handler = &scripted}, {0}};
    gust_application_options options = {.max_etag_body = 5};
    (void)state;
    script = hello;
    app_start(&app, routes, &options);
    app_get(&app, "/");
    assert_int_equal(app_field_count(&app, "Etag"), 1);
    app_stop(&app);
    options.max_etag_body = 4;
    app_start(&app, routes, &options);
    app_get(&app, "/");
    assert_int_equal(app_field_count(&app, "Etag"), 0);
    app_stop(&app);
    options = (gust_application_options){.no_etag = true};
    app_start(&app, routes, &options);
    app_get(&app, "/");
    assert_int_equal(app_field_count(&app, "Etag"), 0);
}

/* ---- redirects ---------------------------------------------------------------- */

static int redirect_status;
static const char *redirect_url;

static int redirect(gust_handler *h)
{
    gust_handler_write(h, GUST_STR("dropped"));
    return gust_handler_redirect(h, gust_str_from(redirect_url), redirect_status);
}

static void test_redirect__location_and_no_body(void **state)
{
    static const struct {
        int asked, status;
    } rows[] = {{0, 302}, {301, 301}, {307, 307}, {200, 500}, {400, 500}};
    (void)state;
    start_script(redirect);
    redirect_url = "/a?b=c";
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        redirect_status = rows[i].asked;
        app_get(&app, "/");
        assert_int_equal(app.status, rows[i].status);
        if (app.status < 400) {
            assert_string_equal(app_field(&app, "Location"), "/a?b=c");
            assert_string_equal(app.body, "");
        }
    }
    redirect_status = 0;
    redirect_url = "/\r\nSet-Cookie: a=b";
    app_get(&app, "/");
    assert_int_equal(app.status, 500);
    assert_null(strstr(app.text, "Set-Cookie"));
}

/* ---- memory ------------------------------------------------------------------- */

/* A plain page, a large one, JSON, an error page, a 304: whatever fails, the next
 * client is served. */
static int sweep(void *user)
{
    static gust_handler_fn *const scripts[] = {hello, growing, answer_json, not_there,
                                               some_headers};
    static const gust_route routes[] = {{"/", .handler = &scripted}, {0}};
    struct app *a = user;
    int status = app_init(a, routes, NULL, NULL);
    for (size_t i = 0; status == 0 && i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        script = scripts[i];
        status = app_try(a, "GET", "/?a=%20b", "If-None-Match: \"x\"\r\n", "");
    }
    if (a->server != NULL) {
        alloc_sweep_heal();
        script = hello;
        assert_int_equal(app_try(a, "POST", "/", "", "x"), 0);
        assert_string_equal(a->body, "hello");
    }
    app_stop(a);
    return status;
}

static void test_memory_short__next_client_served(void **state)
{
    static struct app a;
    (void)state;
    alloc_sweep_sampled(sweep, &a, 300);
}

/* A plain page's allocations, once the pools are warm. */
static void test_plain_request__no_malloc(void **state)
{
    (void)state;
    start_script(hello);
    assert_int_equal(app_connect(&app), 0);
    for (int i = 0; i < 3; i++) {
        app_send(&app, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        app_turn(&app, 5);
    }
    size_t calls = alloc_count_calls(), len = app.len;
    app_send(&app, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    app_turn(&app, 5);
    assert_true(app.len > len);
    assert_int_equal(alloc_count_calls() - calls, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_headers__set_added_cleared),
        CASE(test_unsafe_value__refused_and_500),
        CASE(test_set_status__checks_both),
        CASE(test_204__has_no_body_fields),
        CASE(test_204_with_a_body__500),
        CASE(test_content_length__held_to_the_body),
        CASE(test_clear__begins_anew),
        CASE(test_body__grows_from_the_arena_to_its_own),
        CASE(test_writef__at_the_edges_of_the_buffer),
        CASE(test_body_above_max_response__refused),
        CASE(test_json__is_written_as_json),
        CASE(test_flush__chunks_and_no_etag),
        CASE(test_failure_after_flush__breaks_off),
        CASE(test_flush_with_callback__after_the_kernel_took_it),
        CASE(test_etag__own_one_gives_304),
        CASE(test_if_none_match__compares_weakly),
        CASE(test_etag__seen_replaced_and_taken_away),
        CASE(test_max_response__of_few_bytes),
        CASE(test_etag__off_and_above_its_limit),
        CASE(test_redirect__location_and_no_body),
        CASE(test_plain_request__no_malloc),
        cmocka_unit_test(test_memory_short__next_client_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

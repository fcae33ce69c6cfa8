/* Routes: which one answers, its arguments, hosts, and the way back to a path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
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

/* Writes the route's arg, then [id] and {rest} where it has them. */
struct named {
    gust_handler handler;
    const char *name;
};

static int named_initialize(gust_handler *h, const void *arg)
{
    ((struct named *)(void *)h)->name = arg;
    return 0;
}

static int named_get(gust_handler *h)
{
    gust_str id = gust_handler_path_arg(h, "id"), rest = gust_handler_path_arg(h, "rest");
    GUST_TRY(gust_handler_write(h, gust_str_from(((struct named *)(void *)h)->name)));
    if (id.ptr != NULL) {
        GUST_TRY(gust_handler_writef(h, "[%.*s]", GUST_FMT(id)));
    }
    return rest.ptr != NULL ? gust_handler_writef(h, "{%.*s}", GUST_FMT(rest)) : 0;
}

static const gust_handler_class named = {.name = "named",
                                         .instance_size = sizeof(struct named),
                                         .initialize = named_initialize,
                                         .get = named_get};

#define ROUTE(pattern, arg_text)                                                                   \
    {                                                                                              \
        pattern, &named, arg_text, arg_text                                                        \
    }

/* ---- matching ----------------------------------------------------------------- */

static void test_routes__first_that_matches(void **state)
{
    static const gust_route routes[] = {
        ROUTE("/", "root"),
        ROUTE("/story/new", "new"),
        ROUTE("/story/:id", "story"),
        ROUTE("/story/old", "never"),
        ROUTE("/story/:id/", "dir"),
        ROUTE("/:id/edit", "edit"),
        ROUTE("/files/*rest", "files"),
        ROUTE("/files/x", "never"),
        ROUTE("/a/b/c/d", "deep"),
        {0},
    };
    static const struct {
        const char *target, *body;
    } rows[] = {
        {"/", "root"},
        {"/?a=b", "root"},
        {"/story/new", "new"},
        {"/story/7", "story[7]"},
        {"/story/old", "story[old]"},
        {"/story/7/", "dir[7]"},
        {"/story/", ""},
        {"/story", ""},
        {"/story/7/x", ""},
        {"/story/edit", "story[edit]"},
        {"/x/edit", "edit[x]"},
        {"/files/", "files{}"},
        {"/files", ""},
        {"/files/x", "files{x}"},
        {"/files/x/y//z", "files{x/y//z}"},
        {"/a/b/c/d", "deep"},
        {"/a/b/c", ""},
        {"//", ""},
        {"//a/b/c/d", ""},
        {"/STORY/new", ""},
        {"/%73tory/new", ""},
        {"http://example.org/story/7?x", "story[7]"},
    };
    (void)state;
    app_start(&app, routes, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        app_get(&app, rows[i].target);
        assert_int_equal(app.status, rows[i].body[0] != '\0' ? 200 : 404);
        if (app.status == 200) {
            assert_string_equal(app.body, rows[i].body);
        }
    }
}

static void test_no_route__404_page_exactly(void **state)
{
    (void)state;
    app_start(&app, NULL, NULL);
    app_get(&app, "/nothing");
    assert_int_equal(app.status, 404);
    assert_string_equal(app.body,
                        "<html><title>404: Not Found</title><body>404: Not Found</body></html>");
    assert_string_equal(app_field(&app, "Content-Type"), "text/html; charset=UTF-8");
    assert_string_equal(app_field(&app, "X-Content-Type-Options"), "nosniff");
    app_ask(&app, "POST", "/nothing", "", "body");
    assert_int_equal(app.status, 404);
    app_ask(&app, "PROPFIND", "/nothing", "", "");
    assert_int_equal(app.status, 404);
}

static void test_default_handler__answers_the_rest(void **state)
{
    const gust_application_options options = {.default_handler = &named, .default_arg = "default"};
    (void)state;
    app_start(&app, NULL, &options);
    app_get(&app, "/anything");
    assert_int_equal(app.status, 200);
    assert_string_equal(app.body, "default");
}

/* ---- the path's arguments ----------------------------------------------------- */

static void test_path_arguments__decoded_after_matching(void **state)
{
    static const gust_route routes[] = {ROUTE("/group/:id", "g"), ROUTE("/x/:id/*rest", "x"), {0}};
    static const struct {
        const char *target, *body;
    } rows[] = {
        {"/group/%3F?%3F=%3F", "g[?]"},
        {"/group/%C3%A9", "g[\xc3\xa9]"},
        {"/group/a%2Fb", "g[a/b]"},
        {"/x/a%2fb/c%2fd/e", "x[a/b]{c/d/e}"},
        {"/x/1%20+%201/", "x[1 + 1]{}"},
        {"/group/%zz%", "g[%zz%]"},
        {"/group/%25%e9", ""},
        {"/group/%FF", ""},
        {"/x/ok/%c0%80", ""},
    };
    (void)state;
    app_start(&app, routes, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        app.log_len = 0;
        app_get(&app, rows[i].target);
        assert_int_equal(app.status, rows[i].body[0] != '\0' ? 200 : 400);
        if (app.status == 200) {
            assert_string_equal(app.body, rows[i].body);
        } else {
            assert_non_null(strstr(app.log, "Invalid unicode in url: "));
        }
    }
}

/* ---- the query's arguments ---------------------------------------------------- */

/* Writes [a] as get_argument, then all values of it, stripped or not. */
static int query_get(gust_handler *h)
{
    const gust_str *values;
    size_t count;
    gust_str value;
    bool strip = gust_request_header_named(h->request, GUST_STR("X-Raw")).ptr == NULL;
    GUST_TRY(gust_handler_get_arguments(h, "a", strip, &values, &count));
    for (size_t i = 0; i < count; i++) {
        GUST_TRY(gust_handler_writef(h, "(%.*s)", GUST_FMT(values[i])));
    }
    GUST_TRY(gust_handler_get_argument_or(h, "a", GUST_STR("default"), &value));
    GUST_TRY(gust_handler_writef(h, "[%.*s]", GUST_FMT(value)));
    return gust_handler_get_argument(h, "a", &value);
}

static const gust_handler_class querying = {.name = "querying", .get = query_get};
static const gust_route query_routes[] = {{"/", .handler = &querying}, {0}};

static void test_query_arguments__last_value_decoded_stripped(void **state)
{
    static const struct {
        const char *query, *body;
    } rows[] = {
        {"a=bar", "(bar)[bar]"},
        {"a=", "()[]"},
        {"a", "()[]"},
        {"a=1&a=2&b=3", "(1)(2)[2]"},
        {"A=1&a=2", "(2)[2]"},
        {"a=1;a=2", "(1;a=2)[1;a=2]"},
        {"a=1+%2B+1", "(1 + 1)[1 + 1]"},
        {"a=%C3%A9", "(\xc3\xa9)[\xc3\xa9]"},
        {"%61=x&&&", "(x)[x]"},
        {"a=%00x%0b%0c%09y+%20", "(x\x0b\x0c\ty)[x\x0b\x0c\ty]"},
        {"a=%E2%80%83x%C2%A0%E3%80%80", "(x)[x]"},
        {"a=+%20", "()[]"},
        {"a=%zz", "(%zz)[%zz]"},
        {"a=b=c", "(b=c)[b=c]"},
    };
    (void)state;
    app_start(&app, query_routes, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char target[128];
        snprintf(target, sizeof(target), "/?%s", rows[i].query);
        app_get(&app, target);
        assert_int_equal(app.status, 200);
        assert_string_equal(app.body, rows[i].body);
    }
    app_ask(&app, "GET", "/?a=%00x%20+", "X-Raw: 1\r\n", "");
    assert_string_equal(app.body, "( x  )[x]");
}

static void test_query_argument__missing_or_no_utf8(void **state)
{
    (void)state;
    app_start(&app, query_routes, NULL);
    app_get(&app, "/?aa=1&b=a");
    assert_int_equal(app.status, 400);
    assert_non_null(strstr(app.log, "400 GET /?aa=1&b=a (0.0.0.0): Missing argument a\n"));
    app_get(&app, "/?=1");
    assert_int_equal(app.status, 400);
    app_get(&app, "/?a=%FF%25s");
    assert_int_equal(app.status, 400);
    assert_non_null(strstr(app.log, "Invalid unicode in a: \\xFF%s\n"));
}

static void test_query_with_too_many_arguments__400(void **state)
{
    static char target[4096] = "/?";
    (void)state;
    app_start(&app, query_routes, NULL);
    for (int i = 0; i < 999; i++) {
        memcpy(target + 2 + 2 * i, "b&", 2);
    }
    memcpy(target + 2 + 2 * 999, "a=1", 4);
    app_get(&app, target);
    assert_int_equal(app.status, 200);
    memcpy(target + 2 + 2 * 999, "b&a=1", 6);
    app_get(&app, target);
    assert_int_equal(app.status, 400);
}

/* ---- hosts -------------------------------------------------------------------- */

static void ask_host(const char *host, const char *target, const char *expected)
{
    char request[256];
    assert_int_equal(app_connect(&app), 0);
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
             target, host);
    assert_int_equal(app_send(&app, request), 0);
    assert_int_equal(app_wait(&app), 0);
    assert_int_equal(app.status, expected[0] != '\0' ? 200 : 404);
    if (app.status == 200) {
        assert_string_equal(app.body, expected);
    }
}

static void test_hosts__before_the_others_in_their_order(void **state)
{
    static const gust_route all[] = {ROUTE("/", "all"), ROUTE("/both", "all"), {0}};
    static const gust_route www[] = {ROUTE("/", "www"), ROUTE("/www", "www"), {0}};
    static const gust_route more[] = {ROUTE("/", "more"), ROUTE("/more", "more"), {0}};
    static const gust_route sub[] = {ROUTE("/both", "sub"), ROUTE("/www", "sub"), {0}};
    (void)state;
    app_start(&app, all, NULL);
    assert_int_equal(gust_application_add_handlers(app.application, "www.example.com", www), 0);
    assert_int_equal(gust_application_add_handlers(app.application, "www.example.com", more), 0);
    assert_int_equal(gust_application_add_handlers(app.application, "*.Example.com", sub), 0);
    ask_host("www.example.com", "/", "www");
    ask_host("WWW.example.COM:8888", "/", "www");
    ask_host("www.example.com", "/more", "more");
    ask_host("www.example.com", "/both", "sub");
    ask_host("a.example.com", "/www", "sub");
    ask_host("a.b.example.com", "/both", "sub");
    ask_host("example.com", "/both", "all");
    ask_host("notexample.com", "/both", "all");
    ask_host("example.org", "/www", "");
    ask_host("example.org", "/", "all");
}

/* ---- the way back ------------------------------------------------------------- */

static void test_reverse_url__encodes_its_arguments(void **state)
{
    static const gust_route routes[] = {ROUTE("/favicon.ico", "icon"),
                                        ROUTE("/decode_arg/:id", "decode"),
                                        ROUTE("/x/:id/in/*rest", "both"),
                                        {0}};
    static const struct {
        const char *name, *args[2];
        size_t count;
        int status;
        const char *path;
    } rows[] = {
        {"icon", {NULL, NULL}, 0, 0, "/favicon.ico"},
        {"decode", {"42", NULL}, 1, 0, "/decode_arg/42"},
        {"decode", {"\xe9", NULL}, 1, 0, "/decode_arg/%E9"},
        {"decode", {"\xc3\xa9", NULL}, 1, 0, "/decode_arg/%C3%A9"},
        {"decode", {"1 + 1", NULL}, 1, 0, "/decode_arg/1%20%2B%201"},
        {"decode", {"a/b", NULL}, 1, 0, "/decode_arg/a%2Fb"},
        {"decode", {"", NULL}, 1, -EINVAL, NULL},
        {"decode", {"1", "2"}, 2, -EINVAL, NULL},
        {"decode", {NULL, NULL}, 0, -EINVAL, NULL},
        {"both", {"a", "b/c"}, 2, 0, "/x/a/in/b/c"},
        {"both", {"a", ""}, 2, 0, "/x/a/in/"},
        {"nobody", {NULL, NULL}, 0, GUST_ENOENT, NULL},
    };
    gust_arena arena = {0};
    (void)state;
    app_start(&app, routes, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gust_str path = {NULL, 0};
        const gust_str args[] = {gust_str_from(rows[i].args[0]), gust_str_from(rows[i].args[1])};
        assert_int_equal(gust_application_reverse_url(app.application, rows[i].name, args,
                                                      rows[i].count, &arena, &path),
                         rows[i].status);
        assert_true(gust_str_eq(path, gust_str_from(rows[i].path)));
    }
    gust_arena_deinit(&arena);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_routes__first_that_matches),
        CASE(test_no_route__404_page_exactly),
        CASE(test_default_handler__answers_the_rest),
        CASE(test_path_arguments__decoded_after_matching),
        CASE(test_query_arguments__last_value_decoded_stripped),
        CASE(test_query_argument__missing_or_no_utf8),
        CASE(test_query_with_too_many_arguments__400),
        CASE(test_hosts__before_the_others_in_their_order),
        CASE(test_reverse_url__encodes_its_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

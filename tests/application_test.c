/* Applications: what can't be made, servers, and settings. */
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

static int settings_get(gust_handler *h)
{
    gust_str path, id = GUST_STR("7 8");
    GUST_TRY(gust_handler_reverse_url(h, "story", &id, 1, &path));
    return gust_handler_writef(h, "%s %.*s", (const char *)gust_handler_settings(h),
                               GUST_FMT(path));
}

static const gust_handler_class settings_handler = {.name = "settings", .get = settings_get};
static const gust_route good[] = {{"/", .handler = &settings_handler},
                                  {"/story/:id", .handler = &settings_handler, .name = "story"},
                                  {0}};

static void test_bad_routes__refused_and_logged(void **state)
{
    static const gust_handler_class base = {.instance_size = 4096};
    static const gust_handler_class small = {.base = &base, .instance_size = 512};
    static const gust_handler_class tiny = {.instance_size = 8};
    static const struct {
        const char *pattern;
        const gust_handler_class *handler;
    } rows[] = {
        {"", &settings_handler},
        {"story", &settings_handler},
        {"*", &settings_handler},
        {"/story/:", &settings_handler},
        {"/story/*", &settings_handler},
        {"/*rest/more", &settings_handler},
        {"/*rest/", &settings_handler},
        {"/:a/:b/:a", &settings_handler},
        {"/:a/*a", &settings_handler},
        {"/:a/:b/:c/:d/:e/:f/:g/:h/:i/:j/:k/:l/:m/:n/:o/:p/:q", &settings_handler},
        {"/", NULL},
        {"/", &small},
        {"/", &tiny},
    };
    (void)state;
    app_start(&app, good, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const gust_route routes[] = {{rows[i].pattern, .handler = rows[i].handler}, {0}};
        gust_application *made = NULL;
        app.log_len = 0;
        assert_int_equal(gust_application_new(routes, NULL, &made), -EINVAL);
        assert_null(made);
        assert_memory_equal(app.log, "[E general] ", 12);
    }
}

static void test_most_arguments__accepted(void **state)
{
    static const gust_route routes[] = {
        {"/:a/:b/:c/:d/:e/:f/:g/:h/:i/:j/:k/:l/:m/:n/:o/*p", .handler = &settings_handler}, {0}};
    (void)state;
    app_start(&app, routes, NULL);
    app_get(&app, "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17");
    assert_int_equal(app.status, 500); /* no route of that name: it came through */
}

static void test_handler__sees_settings_and_names(void **state)
{
    char own[] = "mine";
    const gust_application_options options = {.settings = own};
    (void)state;
    app_start(&app, good, &options);
    app_get(&app, "/");
    assert_string_equal(app.body, "mine /story/7%208");
    assert_ptr_equal(gust_application_settings(app.application), own);
}

static void test_listen__servers_of_both_kinds(void **state)
{
    gust_httpserver *server = NULL;
    (void)state;
    app_start(&app, good, NULL);
    assert_int_equal(gust_application_listen(app.application, app.loop, 0, "127.0.0.1", NULL, NULL),
                     0);
    assert_int_equal(
        gust_application_listen(app.application, app.loop, 0, "127.0.0.1", NULL, &server), 0);
    assert_true(gust_httpserver_port(server) > 0);
    assert_int_not_equal(gust_application_listen(app.application, app.loop,
                                                 gust_httpserver_port(server), "127.0.0.1", NULL,
                                                 NULL),
                         0);
    gust_httpserver_free(server);
}

static int sweep(void *user)
{
    const gust_application_options options = {.settings = user};
    gust_application *made = NULL;
    gust_str path, id = GUST_STR("7");
    gust_arena arena = {0};
    int status = gust_application_new(good, &options, &made);
    if (status == 0) {
        status = gust_application_add_handlers(made, "*.example.org", good);
    }
    if (status == 0) {
        status = gust_application_reverse_url(made, "story", &id, 1, &arena, &path);
    }
    gust_arena_deinit(&arena);
    gust_application_free(made);
    return status;
}

static void test_memory_short__nothing_leaks(void **state)
{
    (void)state;
    alloc_sweep(sweep, NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_bad_routes__refused_and_logged),
        CASE(test_most_arguments__accepted),
        CASE(test_handler__sees_settings_and_names),
        CASE(test_listen__servers_of_both_kinds),
        cmocka_unit_test(test_memory_short__nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

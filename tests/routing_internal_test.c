/* The matcher against the obvious way to match: every rule in order, segment by
 * segment. Tables and paths are drawn from few words, so that much collides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/alloc_sweep.h"
#include "web/web_internal.h"

static const gust_handler_class nobody = {.name = "nobody"};

static uint32_t seed;

static unsigned draw(unsigned n)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 16) % n;
}

/* ---- the obvious way ---------------------------------------------------------- */

static gust_str segment(const char **at)
{
    const char *start = *at + 1;
    size_t len = strcspn(start, "/");
    *at = start + len;
    return gust_str_make(start, len);
}

static bool matches(const char *pattern, const char *path, gust_str *args, size_t *out_count)
{
    size_t count = 0;
    while (*pattern != '\0' && *path != '\0') {
        gust_str want = segment(&pattern), rest = gust_str_from(path + 1), have = segment(&path);
        if (want.len > 0 && want.ptr[0] == '*') {
            args[count++] = rest;
            *out_count = count;
            return true;
        }
        if (want.len > 0 && want.ptr[0] == ':') {
            if (have.len == 0) {
                return false;
            }
            args[count++] = have;
        } else if (!gust_str_eq(want, have)) {
            return false;
        }
    }
    *out_count = count;
    return *pattern == '\0' && *path == '\0';
}

/* ---- drawing ------------------------------------------------------------------ */

static const char *const words[] = {"", "a", "b", "ab", "longer-than-eight", "longer-than-nine!"};

static void draw_text(char *out, size_t size, bool is_pattern)
{
    static const char *const args[] = {":p%u", "*r%u"};
    size_t len = 0, segments = 1 + draw(4);
    for (size_t i = 0; i < segments; i++) {
        unsigned kind = is_pattern ? draw(6) : 5;
        len += (size_t)snprintf(out + len, size - len, "/");
        if (kind < 2 && (kind == 0 || i + 1 == segments)) {
            len += (size_t)snprintf(out + len, size - len, args[kind], (unsigned)i);
        } else {
            len += (size_t)snprintf(out + len, size - len, "%s", words[draw(6)]);
        }
    }
}

#define ROUTES 24

static void check_path(const struct gust__router *router, const gust_route *routes,
                       const char *path)
{
    gust_str found[GUST_MAX_PATH_ARGS], wanted[GUST_MAX_PATH_ARGS];
    size_t count = 0, i = 0;
    const struct gust__rule *rule = gust__router_match(router, gust_str_from(path), found);
    while (routes[i].pattern != NULL && !matches(routes[i].pattern, path, wanted, &count)) {
        i++;
    }
    if (routes[i].pattern == NULL) {
        assert_null(rule);
        return;
    }
    assert_non_null(rule);
    assert_int_equal(rule->order, i);
    assert_int_equal(rule->arg_count, count);
    for (size_t n = 0; n < count; n++) {
        assert_true(gust_str_eq(found[n], wanted[n]));
    }
}

static void test_match__as_trying_every_rule(void **state)
{
    static char patterns[ROUTES][128], path[128];
    (void)state;
    for (seed = 0; seed < 400; seed++) {
        uint32_t round = seed;
        gust_route routes[ROUTES + 1] = {{0}};
        unsigned count = 1 + draw(ROUTES);
        for (unsigned i = 0; i < count; i++) {
            draw_text(patterns[i], sizeof(patterns[i]), true);
            routes[i] = (gust_route){.pattern = patterns[i], .handler = &nobody};
        }
        gust_arena arena = {0};
        struct gust__router router = {0};
        assert_int_equal(gust__router_init(&router, routes, &arena), 0);
        for (int i = 0; i < 300; i++) {
            draw_text(path, sizeof(path), false);
            check_path(&router, routes, path);
        }
        gust_arena_deinit(&arena);
        seed = round;
    }
}

static void test_match__what_is_no_path(void **state)
{
    static const gust_route routes[] = {
        {"/", .handler = &nobody}, {"/:a", .handler = &nobody}, {"/x/*r", .handler = &nobody}, {0}};
    gust_str args[GUST_MAX_PATH_ARGS];
    gust_arena arena = {0};
    struct gust__router router = {0};
    (void)state;
    assert_int_equal(gust__router_init(&router, routes, &arena), 0);
    assert_null(gust__router_match(&router, GUST_STR(""), args));
    assert_null(gust__router_match(&router, GUST_STR("*"), args));
    assert_null(gust__router_match(&router, GUST_STR("x"), args));
    assert_null(gust__router_match(&router, GUST_STR("http://h/x"), args));
    assert_null(gust__router_match(&router, GUST_STR("//"), args));
    gust_arena_deinit(&arena);
}

/* Many alike: each visited node is one of the trie's, so this ends at once. */
static void test_match__many_ways_to_miss(void **state)
{
    static char patterns[257][64];
    static gust_route routes[258];
    gust_str args[GUST_MAX_PATH_ARGS];
    gust_arena arena = {0};
    struct gust__router router = {0};
    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        char *out = patterns[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            out += snprintf(out, 16, (i >> bit & 1) != 0 ? "/:p%u" : "/a", bit);
        }
        routes[i] = (gust_route){.pattern = patterns[i], .handler = &nobody};
    }
    assert_int_equal(gust__router_init(&router, routes, &arena), 0);
    assert_true(router.node_count <= 511);
    for (int i = 0; i < 1000; i++) {
        assert_null(gust__router_match(&router, GUST_STR("/a/a/a/a/a/a/a/a/a"), args));
    }
    const struct gust__rule *rule = gust__router_match(&router, GUST_STR("/a/x/a/a/a/a/a/y"), args);
    assert_string_equal(rule->pattern.ptr, "/a/:p1/a/a/a/a/a/:p7");
    gust_arena_deinit(&arena);
}

static int sweep(void *user)
{
    static const gust_route routes[] = {
        {"/", .handler = &nobody}, {"/a/:b/*c", .handler = &nobody}, {0}};
    gust_arena arena = {0};
    struct gust__router router = {0};
    (void)user;
    int status = gust__router_init(&router, routes, &arena);
    gust_arena_deinit(&arena);
    return status;
}

static void test_memory_short__no_router(void **state)
{
    (void)state;
    alloc_sweep(sweep, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match__as_trying_every_rule),
        cmocka_unit_test(test_match__what_is_no_path),
        cmocka_unit_test(test_match__many_ways_to_miss),
        cmocka_unit_test(test_memory_short__no_router),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

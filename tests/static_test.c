/* Static files: heads, conditions, ranges, and what is never served. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <gust/httpdate.h>
#include <gust/static.h>

#include "tests/support/alloc_sweep.h"
#include "tests/support/app.h"

#define ROBOTS "User-agent: *\nDisallow: /\n" /* 26 bytes */
#define BIG 300000

static struct app app;
static char folder[40], root[64];

/* ---- the files ---------------------------------------------------------------- */

static const char *in_folder(const char *name)
{
    static char path[100];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *bytes, size_t len)
{
    FILE *file = fopen(in_folder(name), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

static void link_to(const char *target, const char *name)
{
    assert_int_equal(symlink(target, in_folder(name)), 0);
}

static void make_special_files(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    assert_int_equal(mkfifo(in_folder("root/fifo"), 0600), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", in_folder("root/socket"));
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    close(fd);
}

static int make_files(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/gust-static-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(root, sizeof(root), "%s/root", folder);
    assert_int_equal(mkdir(in_folder("root"), 0700), 0);
    assert_int_equal(mkdir(in_folder("root/dir"), 0700), 0);
    assert_int_equal(mkdir(in_folder("root-2"), 0700), 0);
    char *big = malloc(BIG);
    for (int i = 0; i < BIG; i++) {
        big[i] = (char)('a' + i % 23);
    }
    put("root/big.bin", big, BIG);
    free(big);
    put_text("root/robots.txt", ROBOTS);
    put_text("root/dir/index.html", "this is the index\n");
    put_text("root/sample.xml", "<x/>");
    put_text("root/sample.xml.gz", "gz");
    put_text("root/sample.xml.bz2", "bz2");
    put_text("root/empty", "");
    put_text("root/.hidden", "secret");
    put_text("root/utf8-\xc3\xa9.html", "H\xc3\xa9llo\n");
    put_text("root/back\\slash", "secret");
    put_text("secret.txt", "secret");
    put_text("root-2/secret.txt", "secret");
    link_to("robots.txt", "root/inside");
    link_to("dir", "root/dirlink");
    link_to("../secret.txt", "root/outside");
    link_to("/etc/passwd", "root/absolute");
    link_to("..", "root/up");
    link_to("/", "root/slash");
    link_to("/proc/self/root", "root/magic");
    make_special_files();
    return 0;
}

static int remove_files(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

/* ---- the application ---------------------------------------------------------- */

static gust_static_options plain = {.root = root};
static gust_static_options indexed = {.root = root, .default_filename = "index.html"};
static gust_static_options no_links = {.root = root, .no_symlinks = true};
static gust_static_options aged = {.root = root, .max_age = 60};
static gust_static_options missing = {.root = "/nonexistent/folder"};

#define FILES(pattern, options)                                                                    \
    {                                                                                              \
        pattern, &gust_static_file_handler, options, NULL                                          \
    }

static const gust_route routes[] = {
    FILES("/robots.txt", &plain),      FILES("/static/*path", &plain),
    FILES("/indexed/*path", &indexed), FILES("/no_links/*path", &no_links),
    FILES("/aged/*path", &aged),       FILES("/missing/*path", &missing),
    FILES("/one/:path", &plain),       FILES("/without", NULL),
    FILES("/*path", &indexed),         {0},
};

static int before(void **state)
{
    (void)state;
    alloc_count_begin();
    app_start(&app, routes, NULL);
    return 0;
}

static int after(void **state)
{
    (void)state;
    app_stop(&app);
    alloc_count_end();
    return 0;
}

static void ask(const char *target, const char *format, ...)
{
    char fields[512];
    va_list args;
    va_start(args, format);
    vsnprintf(fields, sizeof(fields), format, args);
    va_end(args);
    app_ask(&app, "GET", target, fields, "");
}

/* ---- heads -------------------------------------------------------------------- */

static void test_file__served_with_its_head(void **state)
{
    static const char *const targets[] = {"/robots.txt", "/static/robots.txt", "/one/robots.txt",
                                          "/robots.txt?x=y", "/static/%72obots.txt"};
    (void)state;
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        app_get(&app, targets[i]);
        assert_int_equal(app.status, 200);
        assert_string_equal(app.body, ROBOTS);
        assert_string_equal(app_field(&app, "Content-Type"), "text/plain");
        assert_string_equal(app_field(&app, "Content-Length"), "26");
        assert_string_equal(app_field(&app, "Accept-Ranges"), "bytes");
        assert_int_equal(strlen(app_field(&app, "Last-Modified")), 29);
        assert_int_equal(app_field(&app, "Etag")[0], '"');
        assert_string_equal(app_field(&app, "Cache-Control"), "");
    }
}

static void test_content_types__by_extension(void **state)
{
    static const struct {
        const char *target, *type;
    } rows[] = {
        {"/static/sample.xml", "application/xml"},
        {"/static/sample.xml.gz", "application/gzip"},
        {"/static/sample.xml.bz2", "application/octet-stream"},
        {"/static/dir/index.html", "text/html"},
        {"/static/empty", "application/octet-stream"},
        {"/static/utf8-%c3%a9.html", "text/html"},
    };
    static const struct {
        const char *name, *type;
    } names[] = {
        {"a.js", "text/javascript"},
        {"a.JS", "text/javascript"},
        {"a.css", "text/css"},
        {"a.3gp", "video/3gpp"},
        {"a.zip", "application/zip"},
        {"a.b/c", "application/octet-stream"},
        {"a.", "application/octet-stream"},
        {"html", "application/octet-stream"},
        {"a.woff2", "font/woff2"},
        {"a.verylongextension", "application/octet-stream"},
        {"", "application/octet-stream"},
        {"x.wasm", "application/wasm"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        app_get(&app, rows[i].target);
        assert_int_equal(app.status, 200);
        assert_string_equal(app_field(&app, "Content-Type"), rows[i].type);
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        gust_str type = gust_static_content_type(gust_str_from(names[i].name));
        assert_string_equal(type.ptr, names[i].type);
    }
}

static void test_version_argument__may_be_kept_for_years(void **state)
{
    int64_t expires = 0;
    (void)state;
    app_get(&app, "/robots.txt?v=12345");
    assert_string_equal(app_field(&app, "Cache-Control"), "max-age=315360000");
    assert_int_equal(gust_httpdate_parse(gust_str_from(app_field(&app, "Expires")), &expires), 0);
    gust_time now = gust_ioloop_wall_time(app.loop) / 1000000000;
    assert_true(expires > now + 315360000 - 60 && expires <= now + 315360000);
    app_get(&app, "/aged/robots.txt");
    assert_string_equal(app_field(&app, "Cache-Control"), "max-age=60");
}

static void test_head__as_get_without_the_body(void **state)
{
    (void)state;
    app_get(&app, "/static/big.bin");
    char etag[64];
    snprintf(etag, sizeof(etag), "%s", app_field(&app, "Etag"));
    app_ask(&app, "HEAD", "/static/big.bin", "", "");
    assert_int_equal(app.status, 200);
    assert_string_equal(app.body, "");
    assert_string_equal(app_field(&app, "Content-Length"), "300000");
    assert_string_equal(app_field(&app, "Etag"), etag);
    app_ask(&app, "HEAD", "/robots.txt", "Range: bytes=1-4\r\n", "");
    assert_int_equal(app.status, 206);
    assert_string_equal(app_field(&app, "Content-Length"), "4");
    assert_string_equal(app.body, "");
    app_ask(&app, "POST", "/robots.txt", "", "x");
    assert_int_equal(app.status, 405);
    assert_string_equal(app_field(&app, "Allow"), "GET, HEAD, OPTIONS");
}

static void test_large_file__in_pieces(void **state)
{
    (void)state;
    app_get(&app, "/static/big.bin");
    assert_int_equal(app.status, 200);
    assert_int_equal(app.body_len, BIG);
    for (int i = 0; i < BIG; i++) {
        assert_int_equal(app.body[i], 'a' + i % 23);
    }
    ask("/static/big.bin", "Range: bytes=1-200000\r\n");
    assert_int_equal(app.status, 206);
    assert_int_equal(app.body_len, 200000);
    assert_int_equal(app.body[0], 'b');
    assert_int_equal(app.body[199999], 'a' + 200000 % 23);
}

/* ---- conditions --------------------------------------------------------------- */

static void test_if_modified_since__by_the_second(void **state)
{
    int64_t modified = 0;
    char date[30] = "", last[30];
    (void)state;
    app_get(&app, "/robots.txt");
    snprintf(last, sizeof(last), "%s", app_field(&app, "Last-Modified"));
    assert_int_equal(gust_httpdate_parse(gust_str_from(last), &modified), 0);
    ask("/robots.txt", "If-Modified-Since: %s\r\n", last);
    assert_int_equal(app.status, 304);
    assert_int_equal(app_field_count(&app, "Content-Length"), 0);
    assert_int_equal(app_field_count(&app, "Etag"), 1);
    for (int delta = -1; delta <= 1; delta += 2) {
        assert_int_equal(gust_httpdate_format(date, modified + delta), 0);
        ask("/robots.txt", "If-Modified-Since: %s\r\n", date);
        assert_int_equal(app.status, delta < 0 ? 200 : 304);
    }
    ask("/robots.txt", "If-Modified-Since: !nv@l!d\r\n");
    assert_int_equal(app.status, 200);
    ask("/robots.txt", "If-Modified-Since: Fri, 01 Jan 1960 00:00:00 GMT\r\n");
    assert_int_equal(app.status, 200);
    ask("/robots.txt", "If-None-Match: \"x\"\r\nIf-Modified-Since: %s\r\n", last);
    assert_int_equal(app.status, 200);
}

static void test_if_none_match__304_also_for_a_range(void **state)
{
    char etag[64];
    (void)state;
    app_get(&app, "/robots.txt");
    snprintf(etag, sizeof(etag), "%s", app_field(&app, "Etag"));
    ask("/robots.txt", "If-None-Match: %s\r\n", etag);
    assert_int_equal(app.status, 304);
    ask("/robots.txt", "If-None-Match: W/%s\r\nRange: bytes=1-4\r\n", etag);
    assert_int_equal(app.status, 304);
    assert_int_equal(app_field_count(&app, "Content-Length"), 0);
    assert_string_equal(app_field(&app, "Etag"), etag);
}

static void test_file_replaced__new_etag(void **state)
{
    char etag[64];
    (void)state;
    put_text("root/changing", "one");
    app_get(&app, "/static/changing");
    snprintf(etag, sizeof(etag), "%s", app_field(&app, "Etag"));
    put_text("root/new", "two");
    assert_int_equal(unlink(in_folder("root/changing")), 0);
    char to[256];
    snprintf(to, sizeof(to), "%s", in_folder("root/changing"));
    assert_int_equal(rename(in_folder("root/new"), to), 0);
    app_get(&app, "/static/changing");
    assert_string_equal(app.body, "two");
    assert_string_not_equal(app_field(&app, "Etag"), etag);
}

/* ---- ranges ------------------------------------------------------------------- */

static void test_ranges__as_rfc_9110_and_tornado(void **state)
{
    static const struct {
        const char *range;
        int status;
        const char *body, *content_range;
    } rows[] = {
        {"bytes=0-9", 206, "User-agent", "bytes 0-9/26"},
        {"bytes=0-", 200, ROBOTS, ""},
        {"bytes=0-25", 200, ROBOTS, ""},
        {"bytes=0-10000000", 200, ROBOTS, ""},
        {"bytes=1-10000000", 206, &ROBOTS[1], "bytes 1-25/26"},
        {"bytes=22-", 206, ": /\n", "bytes 22-25/26"},
        {"bytes=22", 206, ": /\n", "bytes 22-25/26"},
        {"bytes= 22 - 24 ", 206, ": /", "bytes 22-24/26"},
        {"bytes=25-25", 206, "\n", "bytes 25-25/26"},
        {"bytes=-4", 206, ": /\n", "bytes 22-25/26"},
        {"bytes=-26", 200, ROBOTS, ""},
        {"bytes=-1000000", 200, ROBOTS, ""},
        {"bytes=1-99999999999999999999999", 206, &ROBOTS[1], "bytes 1-25/26"},
        {"asdf", 200, ROBOTS, ""},
        {"bytes=", 200, ROBOTS, ""},
        {"bytes=-", 200, ROBOTS, ""},
        {"bytes=a-b", 200, ROBOTS, ""},
        {"bytes=1-2,6-10", 200, ROBOTS, ""},
        {"Bytes=0-1", 200, ROBOTS, ""},
        {"bytes=+1-2", 200, ROBOTS, ""},
        {"bytes=1_0-11", 200, ROBOTS, ""},
        {"bytes=--4", 200, ROBOTS, ""},
        {"bytes=0--1", 200, ROBOTS, ""},
        {"bytes=0-0x5", 200, ROBOTS, ""},
        {"bytes=-0", 416, "", "bytes */26"},
        {"bytes=26", 416, "", "bytes */26"},
        {"bytes=26-", 416, "", "bytes */26"},
        {"bytes=10-3", 416, "", "bytes */26"},
        {"bytes=99999999999999999999999-", 416, "", "bytes */26"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ask("/robots.txt", "Range: %s\r\n", rows[i].range);
        assert_int_equal(app.status, rows[i].status);
        assert_string_equal(app.body, rows[i].body);
        assert_string_equal(app_field(&app, "Content-Range"), rows[i].content_range);
        assert_int_equal(app_field_count(&app, "Etag"), 1);
        if (app.status == 416) {
            assert_string_equal(app_field(&app, "Content-Type"), "text/plain");
            assert_string_equal(app_field(&app, "Content-Length"), "0");
        }
    }
}

static void test_empty_file__200_or_416(void **state)
{
    (void)state;
    app_get(&app, "/static/empty");
    assert_int_equal(app.status, 200);
    assert_string_equal(app_field(&app, "Content-Length"), "0");
    ask("/static/empty", "Range: bytes=0-\r\n");
    assert_int_equal(app.status, 416);
    assert_string_equal(app_field(&app, "Content-Range"), "bytes */0");
}

static void test_if_range__only_for_the_same_file(void **state)
{
    char etag[64], last[64];
    (void)state;
    app_get(&app, "/robots.txt");
    snprintf(etag, sizeof(etag), "%s", app_field(&app, "Etag"));
    snprintf(last, sizeof(last), "%s", app_field(&app, "Last-Modified"));
    const char *const fresh[] = {etag, last};
    const char *const stale[] = {"\"old\"", "Fri, 01 Jan 1960 00:00:00 GMT", "junk", "W/\"x\""};
    for (size_t i = 0; i < 2; i++) {
        ask("/robots.txt", "Range: bytes=0-3\r\nIf-Range: %s\r\n", fresh[i]);
        assert_int_equal(app.status, 206);
    }
    for (size_t i = 0; i < 4; i++) {
        ask("/robots.txt", "Range: bytes=0-3\r\nIf-Range: %s\r\n", stale[i]);
        assert_int_equal(app.status, 200);
        assert_string_equal(app.body, ROBOTS);
    }
    ask("/robots.txt", "Range: bytes=0-3\r\nIf-Range: W/%s\r\n", etag);
    assert_int_equal(app.status, 200);
}

/* ---- folders ------------------------------------------------------------------ */

static void test_default_filename__and_its_redirect(void **state)
{
    (void)state;
    app_get(&app, "/indexed/dir/");
    assert_int_equal(app.status, 200);
    assert_string_equal(app.body, "this is the index\n");
    assert_string_equal(app_field(&app, "Content-Type"), "text/html");
    app_get(&app, "/indexed/dir");
    assert_int_equal(app.status, 301);
    assert_string_equal(app_field(&app, "Location"), "/indexed/dir/");
    app_get(&app, "/indexed/dir?a=b");
    assert_string_equal(app_field(&app, "Location"), "/indexed/dir/?a=b");
    app_get(&app, "/indexed/");
    assert_int_equal(app.status, 404);
    app_get(&app, "/static/dir/");
    assert_int_equal(app.status, 403);
    app_get(&app, "/static/dir");
    assert_int_equal(app.status, 403);
    app_get(&app, "/static/robots.txt/");
    assert_int_equal(app.status, 404);
    app_get(&app, "/indexed/robots.txt/");
    assert_int_equal(app.status, 404);
}

static void test_redirect__never_to_another_host(void **state)
{
    static const char *const targets[] = {"//evil.com/../dir", "//dir",  "/%2fdir",
                                          "/%5cdir",           "///dir", "//evil.com/%2e%2e/dir"};
    (void)state;
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        app_get(&app, targets[i]);
        assert_true(app.status == 403 || app.status == 404 || app.status == 400);
        assert_string_equal(app_field(&app, "Location"), "");
    }
    app_get(&app, "/dir");
    assert_string_equal(app_field(&app, "Location"), "/dir/");
}

/* ---- what is never served ----------------------------------------------------- */

static void refuse(const char *prefix, const char *name)
{
    char target[512];
    snprintf(target, sizeof(target), "%s%s", prefix, name);
    app_get(&app, target);
    if (app.status != 403 && app.status != 404 && app.status != 400) {
        fail_msg("%s: %d", target, app.status);
    }
    assert_null(strstr(app.text, "secret"));
    assert_null(strstr(app.text, "root:"));
}

static void test_names__that_lead_outside(void **state)
{
    static const char *const dots[] = {"..", "%2e%2e", ".%2e", "%2e.", "%2E%2E", "..%00",
                                       ".",  "%2e",    "...",  "..;",  "..%20"};
    static const char *const slashes[] = {"/", "%2f", "%2F", "\\", "%5c", "//", "/./", "%2f%2f"};
    (void)state;
    for (size_t d = 0; d < sizeof(dots) / sizeof(dots[0]); d++) {
        for (size_t s = 0; s < sizeof(slashes) / sizeof(slashes[0]); s++) {
            char name[128];
            snprintf(name, sizeof(name), "%s%ssecret.txt", dots[d], slashes[s]);
            refuse("/static/", name);
            refuse("/", name);
            snprintf(name, sizeof(name), "dir%s%s%s%s%ssecret.txt", slashes[s], dots[d], slashes[s],
                     dots[d], slashes[s]);
            refuse("/static/", name);
            snprintf(name, sizeof(name), "%s%sroot-2%ssecret.txt", dots[d], slashes[s], slashes[s]);
            refuse("/static/", name);
        }
    }
}

static void test_names__that_are_not_served(void **state)
{
    static const char *const names[] = {"blarg",
                                        "%2fetc%2fpasswd",
                                        "/etc/passwd",
                                        "robots.txt%00",
                                        "robots.txt%00.html",
                                        "back%5cslash",
                                        ".hidden",
                                        "dir/.hidden",
                                        "dir//index.html",
                                        "CON",
                                        "PRN",
                                        "AUX",
                                        "NUL",
                                        "COM1",
                                        "LPT1",
                                        "robots.txt%20",
                                        "%252e%252e/x"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        refuse("/static/", names[i]);
    }
    char longest[400];
    memset(longest, 'x', sizeof(longest));
    longest[399] = '\0';
    refuse("/static/", longest);
    app_get(&app, "/missing/robots.txt");
    assert_int_equal(app.status, 404);
    app_get(&app, "/without");
    assert_int_equal(app.status, 500);
}

static void test_links__inside_only(void **state)
{
    static const char *const outside[] = {"outside",
                                          "absolute",
                                          "up/secret.txt",
                                          "slash/etc/passwd",
                                          "magic/etc/passwd",
                                          "up/root-2/secret.txt",
                                          "up",
                                          "slash",
                                          "up/root/robots.txt"};
    (void)state;
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        refuse("/static/", outside[i]);
        refuse("/indexed/", outside[i]);
        refuse("/no_links/", outside[i]);
    }
    app_get(&app, "/static/inside"); /* 403 where there is no openat2(2): under valgrind */
    assert_string_equal(app.status == 200 ? app.body : ROBOTS, ROBOTS);
    app_get(&app, "/static/dirlink/index.html");
    assert_string_equal(app.status == 200 ? app.body : "this is the index\n",
                        "this is the index\n");
    refuse("/no_links/", "inside");
    refuse("/no_links/", "dirlink/index.html");
    app_get(&app, "/no_links/dir/index.html");
    assert_int_equal(app.status, 200);
}

static void test_special_files__refused_at_once(void **state)
{
    (void)state;
    refuse("/static/", "fifo");
    refuse("/static/", "socket");
    assert_int_equal(app.status, 403);
}

/* ---- endings ------------------------------------------------------------------ */

static void test_file_cut_off_while_sent__connection_ends(void **state)
{
    (void)state;
    char *big = calloc(1, 4 << 20);
    put("root/shrinking", big, 4 << 20);
    free(big);
    assert_int_equal(app_connect(&app), 0);
    app_send(&app, "GET /static/shrinking HTTP/1.1\r\nHost: x\r\n\r\n");
    gust_iostream_pause(app.client);
    app_turn(&app, 20);
    assert_int_equal(truncate(in_folder("root/shrinking"), 100), 0);
    gust_iostream_resume(app.client);
    assert_int_equal(app_wait(&app), 0);
    assert_true(app.ended);
    assert_int_equal(app.status, 200);
    assert_int_equal(unlink(in_folder("root/shrinking")), 0);
}

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

static void test_client_gone__file_closed(void **state)
{
    (void)state;
    int before_it = open_descriptors();
    assert_int_equal(app_connect(&app), 0);
    gust_iostream_pause(app.client);
    app_send(&app, "GET /static/big.bin HTTP/1.1\r\nHost: x\r\n\r\n");
    app_turn(&app, 5);
    assert_int_equal(open_descriptors(), before_it + 1);
    gust_iostream_close(app.client);
    app_turn(&app, 10);
    assert_int_equal(open_descriptors(), before_it);
    for (int i = 0; i < 20; i++) {
        app_get(&app, "/static/robots.txt");
        app_get(&app, "/static/dir");
        app_get(&app, "/indexed/dir/");
        app_get(&app, "/static/fifo");
    }
    assert_int_equal(open_descriptors(), before_it);
}

static int sweep(void *user)
{
    static const char *const targets[] = {"/static/robots.txt?v=1", "/static/big.bin",
                                          "/indexed/dir", "/indexed/dir/", "/static/outside"};
    struct app *a = user;
    int descriptors = open_descriptors();
    int status = app_init(a, routes, NULL, NULL);
    for (size_t i = 0; status == 0 && i < sizeof(targets) / sizeof(targets[0]); i++) {
        status = app_try(a, "GET", targets[i], "Range: bytes=1-\r\n", "");
    }
    if (a->server != NULL) {
        alloc_sweep_heal();
        assert_int_equal(app_try(a, "GET", "/robots.txt", "", ""), 0);
        assert_string_equal(a->body, ROBOTS);
    }
    app_stop(a);
    assert_int_equal(open_descriptors(), descriptors);
    return status;
}

static void test_memory_short__next_client_served(void **state)
{
    static struct app a;
    (void)state;
    alloc_sweep_sampled(sweep, &a, 300);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, before, after)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_file__served_with_its_head),
        CASE(test_content_types__by_extension),
        CASE(test_version_argument__may_be_kept_for_years),
        CASE(test_head__as_get_without_the_body),
        CASE(test_large_file__in_pieces),
        CASE(test_if_modified_since__by_the_second),
        CASE(test_if_none_match__304_also_for_a_range),
        CASE(test_file_replaced__new_etag),
        CASE(test_ranges__as_rfc_9110_and_tornado),
        CASE(test_empty_file__200_or_416),
        CASE(test_if_range__only_for_the_same_file),
        CASE(test_default_filename__and_its_redirect),
        CASE(test_redirect__never_to_another_host),
        CASE(test_names__that_lead_outside),
        CASE(test_names__that_are_not_served),
        CASE(test_links__inside_only),
        CASE(test_special_files__refused_at_once),
        CASE(test_file_cut_off_while_sent__connection_ends),
        CASE(test_client_gone__file_closed),
        cmocka_unit_test(test_memory_short__next_client_served),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}

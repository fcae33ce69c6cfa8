/* Addresses, and sockets that listen. */
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <gust/netutil.h>

#include "tests/support/loops.h"

enum { MAX = 8 };

/* Does this machine have IPv6 on loopback? */
static bool has_ipv6(void)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool works = fd >= 0 && bind(fd, (const struct sockaddr *)&in6, sizeof in6) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return works;
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(close(fds[i]), 0);
    }
}

/* ---- Addresses ------------------------------------------------------------ */

static void test_is_valid_ip__rows(void **state)
{
    static const struct {
        gust_str text;
        bool valid;
    } rows[] = {
        {GUST_STR_INIT("127.0.0.1"), true},
        {GUST_STR_INIT("4.4.4.4"), true},
        {GUST_STR_INIT("::1"), true},
        {GUST_STR_INIT("2620:0:1cfe:face:b00c::3"), true},
        {GUST_STR_INIT("::ffff:1.2.3.4"), true},
        {GUST_STR_INIT("www.google.com"), false},
        {GUST_STR_INIT("localhost"), false},
        {GUST_STR_INIT("4.4.4.4<"), false},
        {GUST_STR_INIT(" 127.0.0.1"), false},
        {GUST_STR_INIT("127.1"), false},
        {GUST_STR_INIT("1"), false},
        {GUST_STR_INIT("256.0.0.1"), false},
        {GUST_STR_INIT("[::1]"), false},
        {GUST_STR_INIT(""), false},
        {GUST_STR_INIT(" "), false},
        {GUST_STR_INIT("\n"), false},
        {GUST_STR_INIT("\0"), false},
        {GUST_STR_INIT("127.0.0.1\0"), false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(gust_is_valid_ip(rows[i].text), rows[i].valid);
    }
    char many[100];
    memset(many, 'a', sizeof many);
    assert_false(gust_is_valid_ip(gust_str_make(many, sizeof many)));
}

static void assert_text(const gust_addr *addr, const char *expected)
{
    char text[GUST_ADDR_TEXT];
    gust_str got = gust_addr_text(addr, text);
    assert_string_equal(got.ptr, expected);
    assert_int_equal(got.len, strlen(expected));
}

static void test_addr__from_each_family(void **state)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(8888)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(65535)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    (void)state;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memset(&in6.sin6_addr, 0xff, sizeof in6.sin6_addr);

    gust_addr addr = gust_addr_from_sockaddr((const struct sockaddr *)&in, sizeof in);
    assert_int_equal(addr.family, AF_INET);
    assert_int_equal(addr.port, 8888);
    assert_text(&addr, "127.0.0.1");

    addr = gust_addr_from_sockaddr((const struct sockaddr *)&in6, sizeof in6);
    assert_int_equal(addr.port, 65535);
    assert_text(&addr, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");

    addr = gust_addr_from_sockaddr((const struct sockaddr *)&un, sizeof un);
    assert_int_equal(addr.family, AF_UNIX);
    assert_text(&addr, "0.0.0.0");

    addr = gust_addr_from_sockaddr((const struct sockaddr *)&in, 4); /* cut off */
    assert_int_equal(addr.family, 0);
    assert_text(&addr, "0.0.0.0");
    assert_text(NULL, "0.0.0.0");
}

/* ---- Listening ------------------------------------------------------------ */

static void test_bind__any_port__the_same_for_both_families(void **state)
{
    int fds[MAX];
    size_t count = 0;
    (void)state;
    assert_int_equal(gust_bind_sockets(0, NULL, NULL, fds, MAX, &count), 0);
    assert_int_equal(count, has_ipv6() ? 2 : 1);
    int port = gust_socket_port(fds[0]);
    assert_true(port > 0);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(gust_socket_port(fds[i]), port);
        assert_true((fcntl(fds[i], F_GETFL) & O_NONBLOCK) != 0);
        assert_true((fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0);
    }
    close_all(fds, count);
}

static void test_bind__one_address_or_family(void **state)
{
    static const struct {
        const char *address;
        int family;
    } rows[] = {{"127.0.0.1", 0}, {NULL, AF_INET}, {"", AF_INET}, {"localhost", AF_INET}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const gust_bind_options options = {.family = rows[i].family};
        int fds[MAX];
        size_t count = 0;
        assert_int_equal(gust_bind_sockets(0, rows[i].address, &options, fds, MAX, &count), 0);
        assert_int_equal(count, 1);
        close_all(fds, count);
    }
}

static void test_bind__port_in_use__refused_and_nothing_open(void **state)
{
    int fds[MAX], others[MAX];
    size_t count = 0, other_count = 99;
    (void)state;
    assert_int_equal(gust_bind_sockets(0, "127.0.0.1", NULL, fds, MAX, &count), 0);
    int port = gust_socket_port(fds[0]);
    int before = loops_descriptors();
    assert_int_equal(gust_bind_sockets(port, "127.0.0.1", NULL, others, MAX, &other_count),
                     -EADDRINUSE);
    assert_int_equal(other_count, 99);
    assert_int_equal(loops_descriptors(), before);
    close_all(fds, count);
}

static void test_bind__reuse_port__twice_on_one_port(void **state)
{
    const gust_bind_options options = {.reuse_port = true};
    int fds[MAX], others[MAX];
    size_t count = 0, other_count = 0;
    (void)state;
    assert_int_equal(gust_bind_sockets(0, "127.0.0.1", &options, fds, MAX, &count), 0);
    int port = gust_socket_port(fds[0]);
    assert_int_equal(gust_bind_sockets(port, "127.0.0.1", &options, others, MAX, &other_count), 0);
    assert_int_equal(gust_socket_port(others[0]), port);
    close_all(fds, count);
    close_all(others, other_count);
}

static void test_bind__what_is_wrong__is_refused(void **state)
{
    int fds[MAX];
    size_t count = 99;
    (void)state;
    int before = loops_descriptors();
    assert_int_equal(gust_bind_sockets(-1, NULL, NULL, fds, MAX, &count), -EINVAL);
    assert_int_equal(gust_bind_sockets(65536, NULL, NULL, fds, MAX, &count), -EINVAL);
    assert_int_equal(gust_bind_sockets(0, NULL, NULL, fds, 0, &count), -EINVAL);
    assert_int_equal(gust_bind_sockets(0, "a..b", NULL, fds, MAX, &count), GUST_ENOENT);
    assert_int_equal(gust_bind_sockets(0, "192.0.2.1", NULL, fds, MAX, &count), -EADDRNOTAVAIL);
    assert_int_equal(count, 99);
    assert_int_equal(gust_socket_port(-1), -EBADF);
    assert_int_equal(loops_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOPS_CASE(test_is_valid_ip__rows),
        LOOPS_CASE(test_addr__from_each_family),
        LOOPS_CASE(test_bind__any_port__the_same_for_both_families),
        LOOPS_CASE(test_bind__one_address_or_family),
        LOOPS_CASE(test_bind__port_in_use__refused_and_nothing_open),
        LOOPS_CASE(test_bind__reuse_port__twice_on_one_port),
        LOOPS_CASE(test_bind__what_is_wrong__is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Listening at names: what the resolver may say, said by a resolver of ours that takes the
 * place of the system's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <gust/netutil.h>

#include "tests/support/loops.h"

static const char *const *answer; /* addresses, NULL behind them */
static int failure;               /* or this */

static struct addrinfo *entry(const char *text)
{
    struct addrinfo *ai = calloc(1, sizeof(*ai) + sizeof(struct sockaddr_in6));
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)(ai + 1);
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)(ai + 1);
    ai->ai_socktype = SOCK_STREAM;
    ai->ai_addr = (struct sockaddr *)(void *)(ai + 1);
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        ai->ai_family = AF_INET;
        ai->ai_addrlen = sizeof(*in);
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
        ai->ai_family = AF_INET6;
        ai->ai_addrlen = sizeof(*in6);
    }
    ai->ai_addr->sa_family = (sa_family_t)ai->ai_family;
    return ai;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    struct addrinfo **end = out;
    assert_string_equal(node, "name");
    assert_string_equal(service, "0");
    assert_int_equal(hints->ai_flags & AI_PASSIVE, AI_PASSIVE);
    if (failure != 0) {
        errno = ENETDOWN;
        return failure;
    }
    *out = NULL;
    for (const char *const *text = answer; *text != NULL; text++) {
        *end = entry(*text);
        end = &(*end)->ai_next;
    }
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        free(list);
        list = next;
    }
}

/* Listen at what the answer says. Returns how many sockets, or the code. */
static int listen_at(const char *const *addresses, int port, size_t max, gust_addr *addrs)
{
    int fds[8];
    size_t count = 0;
    answer = addresses;
    int code = gust_bind_sockets(port, "name", NULL, fds, max, &count);
    if (code != 0) {
        return code;
    }
    for (size_t i = 0; i < count; i++) {
        struct sockaddr_storage sa;
        socklen_t len = sizeof(sa);
        assert_int_equal(getsockname(fds[i], (struct sockaddr *)&sa, &len), 0);
        addrs[i] = gust_addr_from_sockaddr((struct sockaddr *)&sa, len);
        close(fds[i]);
    }
    return (int)count;
}

static bool has_ipv6(void)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&in6, sizeof(in6)) == 0;
    close(fd);
    return has;
}

static void test_bind__an_address_named_twice__once(void **state)
{
    static const char *const twice[] = {"127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.1", NULL};
    gust_addr addrs[8];
    (void)state;
    assert_int_equal(listen_at(twice, 0, 8, addrs), 2);
    assert_int_equal(addrs[0].port, addrs[1].port);
    assert_int_equal(addrs[0].bytes[3], 1);
    assert_int_equal(addrs[1].bytes[3], 2);
    assert_int_equal(listen_at(twice, 0, 1, addrs), 1); /* no more than there is room for */
}

static void test_bind__ipv4_first__in_whatever_order_they_come(void **state)
{
    static const char *const both[] = {"::1", "127.0.0.1", NULL};
    gust_addr addrs[8];
    (void)state;
    assert_int_equal(listen_at(both, 0, 8, addrs), has_ipv6() ? 2 : 1);
    assert_int_equal(addrs[0].family, AF_INET);
    if (has_ipv6()) {
        assert_int_equal(addrs[1].family, AF_INET6);
        assert_int_equal(addrs[0].port, addrs[1].port);
    }
}

/* An IPv6 address that is not here is skipped while there is another; not an IPv4 one. */
static void test_bind__address_that_is_not_here(void **state)
{
    static const char *const v6[] = {"127.0.0.1", "2001:db8::1", NULL};
    static const char *const v6_only[] = {"2001:db8::1", NULL};
    static const char *const v4[] = {"127.0.0.1", "192.0.2.1", NULL};
    gust_addr addrs[8];
    (void)state;
    int before = loops_descriptors();
    assert_int_equal(listen_at(v6, 0, 8, addrs), 1);
    int code = listen_at(v6_only, 0, 8, addrs);
    assert_true(code == -EADDRNOTAVAIL || code == -EAFNOSUPPORT);
    assert_int_equal(listen_at(v4, 0, 8, addrs), -EADDRNOTAVAIL);
    assert_int_equal(loops_descriptors(), before);
}

static void test_bind__resolver_fails(void **state)
{
    static const struct {
        int failure;
        int code;
    } rows[] = {{EAI_NONAME, GUST_ENOENT},
                {EAI_AGAIN, GUST_ENOENT},
                {EAI_MEMORY, -ENOMEM},
                {EAI_SYSTEM, -ENETDOWN}};
    gust_addr addrs[8];
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        failure = rows[i].failure;
        assert_int_equal(listen_at(NULL, 0, 8, addrs), rows[i].code);
        failure = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOPS_CASE(test_bind__an_address_named_twice__once),
        LOOPS_CASE(test_bind__ipv4_first__in_whatever_order_they_come),
        LOOPS_CASE(test_bind__address_that_is_not_here),
        LOOPS_CASE(test_bind__resolver_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

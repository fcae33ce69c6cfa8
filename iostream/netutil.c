/* Addresses and listening sockets. */
#define _DEFAULT_SOURCE 1 /* SO_REUSEPORT, which POSIX has not got */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>

#include <gust/limits.h>
#include <gust/netutil.h>

#include "util/check_internal.h"

/* ---- Addresses ------------------------------------------------------------ */

gust_addr gust_addr_from_sockaddr(const struct sockaddr *sa, socklen_t len)
{
    gust_addr addr = {0};
    if (len < (socklen_t)(offsetof(struct sockaddr, sa_family) + sizeof sa->sa_family)) {
        return addr; /* nothing was filled in */
    }
    if (sa->sa_family == AF_INET && len >= (socklen_t)sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        addr.family = AF_INET;
        addr.port = ntohs(in.sin_port);
        memcpy(addr.bytes, &in.sin_addr, 4);
    } else if (sa->sa_family == AF_INET6 && len >= (socklen_t)sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        addr.family = AF_INET6;
        addr.port = ntohs(in6.sin6_port);
        memcpy(addr.bytes, &in6.sin6_addr, 16);
    } else if (sa->sa_family == AF_UNIX) {
        addr.family = AF_UNIX;
    }
    return addr;
}

gust_str gust_addr_text(const gust_addr *addr, char out[GUST_ADDR_TEXT])
{
    bool ip = addr != NULL && (addr->family == AF_INET || addr->family == AF_INET6);
    if (!ip || inet_ntop(addr->family, addr->bytes, out, GUST_ADDR_TEXT) == NULL) {
        memcpy(out, "0.0.0.0", sizeof "0.0.0.0");
    }
    return gust_str_from(out);
}

bool gust_is_valid_ip(gust_str text)
{
    char copy[64];
    unsigned char bytes[16];
    if (text.len == 0 || text.len >= sizeof copy || gust_str_find_byte(text, '\0') != SIZE_MAX) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return inet_pton(AF_INET, copy, bytes) == 1 || inet_pton(AF_INET6, copy, bytes) == 1;
}

/* ---- Listening ------------------------------------------------------------ */

int gust_socket_port(int fd)
{
    union {
        struct sockaddr sa;
        struct sockaddr_storage storage;
    } u;
    socklen_t len = sizeof u;
    if (getsockname(fd, &u.sa, &len) != 0) {
        return -errno;
    }
    return gust_addr_from_sockaddr(&u.sa, len).port;
}

static int set_option(int fd, int level, int name)
{
    int on = 1;
    return setsockopt(fd, level, name, &on, sizeof on) == 0 ? 0 : -errno;
}

static int set_options(int fd, const struct addrinfo *ai, const gust_bind_options *options)
{
    int code = set_option(fd, SOL_SOCKET, SO_REUSEADDR);
    if (code != 0 && code != -ENOPROTOOPT) {
        return code;
    }
    if (options->reuse_port) {
#ifdef SO_REUSEPORT
        GUST_TRY(set_option(fd, SOL_SOCKET, SO_REUSEPORT));
#else
        return -ENOPROTOOPT;
#endif
    }
    if (ai->ai_family == AF_INET6) {
        GUST_TRY(set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY));
    }
    return set_option(fd, IPPROTO_TCP, TCP_NODELAY); /* accepted sockets inherit it */
}

/* One listening socket at `ai`. */
static int listen_at(const struct addrinfo *ai, const gust_bind_options *options, int *out_fd)
{
    const gust_sys *sys = gust_sys_real();
    int fd = sys->socket(sys, ai->ai_family, SOCK_STREAM, ai->ai_protocol);
    if (fd < 0) {
        return fd;
    }
    int code = set_options(fd, ai, options);
    int backlog = options->backlog > 0 ? options->backlog : GUST_DEFAULT_BACKLOG;
    if (code == 0 && (bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, backlog) != 0)) {
        code = -errno;
    }
    if (code != 0) {
        (void)sys->close(sys, fd);
        return code;
    }
    *out_fd = fd;
    return 0;
}

static void set_port(struct sockaddr *sa, int port)
{
    if (sa->sa_family == AF_INET) {
        ((struct sockaddr_in *)(void *)sa)->sin_port = htons((uint16_t)port);
    } else if (sa->sa_family == AF_INET6) {
        ((struct sockaddr_in6 *)(void *)sa)->sin6_port = htons((uint16_t)port);
    }
}

/* A family that this machine has not got, and ::1 in a container that lacks it,
 * are no reasons to fail while the other family works. */
static bool may_skip(const struct addrinfo *ai, int code)
{
    return code == -EAFNOSUPPORT || (code == -EADDRNOTAVAIL && ai->ai_family == AF_INET6);
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)gust_sys_real()->close(gust_sys_real(), fds[i]);
    }
}

/* Does the same address come earlier in the list? A hosts file may name one twice. */
static bool is_repeated(const struct addrinfo *list, const struct addrinfo *ai)
{
    set_port(ai->ai_addr, 0);
    for (const struct addrinfo *before = list; before != ai; before = before->ai_next) {
        set_port(before->ai_addr, 0);
        if (before->ai_addrlen == ai->ai_addrlen &&
            memcmp(before->ai_addr, ai->ai_addr, ai->ai_addrlen) == 0) {
            return true;
        }
    }
    return false;
}

/* Listen at every address of the list of one family. */
static int listen_family(struct addrinfo *list, int family, const gust_bind_options *options,
                         int *port, int *fds, size_t max, size_t *count)
{
    int skipped = 0;
    for (struct addrinfo *ai = list; ai != NULL && *count < max; ai = ai->ai_next) {
        if (ai->ai_family != family || is_repeated(list, ai)) {
            continue;
        }
        set_port(ai->ai_addr, *port);
        int code = listen_at(ai, options, &fds[*count]);
        if (may_skip(ai, code)) {
            skipped = code;
            continue;
        }
        GUST_TRY(code);
        (*count)++;
        if (*port == 0) {
            *port = gust_socket_port(fds[0]);
        }
    }
    return *count == 0 ? skipped : 0;
}

static int resolve(const char *address, int family, struct addrinfo **out_list)
{
    struct addrinfo hints = {
        .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    int code = getaddrinfo(address != NULL && *address != '\0' ? address : NULL, "0", &hints,
                           out_list);
    if (code == EAI_MEMORY) {
        return -ENOMEM;
    }
    if (code == EAI_SYSTEM) {
        return -errno;
    }
    return code == 0 ? 0 : GUST_ENOENT;
}

/* With port 0 the IPv6 socket wants the port that IPv4 was given; where somebody
 * else has it, both are tried anew. */
#define PORT_TRIES 8

static int listen_all(struct addrinfo *list, int port, const gust_bind_options *options, int *fds,
                      size_t max, size_t *out_count)
{
    int code = 0;
    for (int i = 0; i < PORT_TRIES; i++) {
        size_t count = 0;
        int chosen = port;
        int first = listen_family(list, AF_INET, options, &chosen, fds, max, &count);
        code = first;
        if (first == 0 || may_skip(list, first)) {
            code = listen_family(list, AF_INET6, options, &chosen, fds, max, &count);
        }
        if (code == 0 && count > 0) {
            *out_count = count;
            return 0;
        }
        close_all(fds, count);
        if (port != 0 || code != -EADDRINUSE) {
            break;
        }
    }
    return code != 0 ? code : -EADDRNOTAVAIL;
}

int gust_bind_sockets(int port, const char *address, const gust_bind_options *options, int *out_fds,
                      size_t max, size_t *out_count)
{
    static const gust_bind_options defaults = {0};
    GUST_CHECK(port >= 0 && port <= 65535 && max > 0, -EINVAL);
    struct addrinfo *list;
    if (options == NULL) {
        options = &defaults;
    }
    GUST_TRY(resolve(address, options->family, &list));
    int code = listen_all(list, port, options, out_fds, max, out_count);
    freeaddrinfo(list);
    return code;
}

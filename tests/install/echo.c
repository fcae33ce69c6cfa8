/* A stranger's protocol in C: a server that sends each line back, and a client of it, both on
 * one loop over 127.0.0.1. Status 0 when the line came back as it was sent. */
#include <gust/gust.h>

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct client {
    gust_ioloop *loop;
    char line[64];
    int status;
};

static void echo(gust_iostream *s, int status, gust_str line, void *user)
{
    (void)user;
    if (status == 0) {
        gust_iostream_write(s, line, NULL, NULL);
    }
}

static void serve(gust_tcpserver *server, gust_iostream *s, const gust_addr *addr, void *user)
{
    (void)server;
    (void)addr;
    gust_iostream_read_until(s, GUST_STR("\n"), 1024, echo, user);
}

static void received(gust_iostream *s, int status, gust_str line, void *user)
{
    struct client *c = user;
    c->status = status;
    snprintf(c->line, sizeof c->line, "%.*s", (int)line.len, line.ptr);
    gust_iostream_close(s);
    gust_ioloop_stop(c->loop);
}

static void connected(gust_iostream *s, int status, void *user)
{
    struct client *c = user;
    c->status = status;
    if (status != 0) {
        gust_ioloop_stop(c->loop);
        return;
    }
    gust_iostream_write(s, GUST_STR("hello, stranger\n"), NULL, NULL);
    gust_iostream_read_until(s, GUST_STR("\n"), 1024, received, c);
}

static void too_late(gust_ioloop *loop, void *user)
{
    (void)user;
    gust_ioloop_stop(loop);
}

static int call(struct client *c, int port)
{
    struct sockaddr_in addr;
    memset(&addr, 0, sizeof addr);
    addr.sin_family = AF_INET;
    addr.sin_port = htons((unsigned short)port);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    gust_iostream *s;
    int err = gust_iostream_new(c->loop, socket(AF_INET, SOCK_STREAM, 0), NULL, &s);
    if (err == 0) {
        err = gust_iostream_connect(s, (const struct sockaddr *)&addr, sizeof addr, connected, c);
    }
    return err;
}

int main(void)
{
    struct client c = {.status = -1};
    gust_tcpserver *server;
    int err = gust_ioloop_new(NULL, &c.loop);
    if (err == 0) {
        err = gust_tcpserver_new(c.loop, NULL, serve, NULL, &server);
    }
    if (err == 0) {
        err = gust_tcpserver_listen(server, 0, "127.0.0.1");
    }
    if (err == 0) {
        err = call(&c, gust_tcpserver_port(server));
    }
    if (err != 0) {
        printf("%s\n", gust_err_name(err));
        return 1;
    }
    gust_ioloop_call_later(c.loop, GUST_SECONDS(5), too_late, NULL, NULL);
    gust_ioloop_start(c.loop);
    gust_tcpserver_free(server);
    gust_ioloop_free(c.loop);
    printf("%s", c.line);
    return c.status == 0 && strcmp(c.line, "hello, stranger\n") == 0 ? 0 : 1;
}

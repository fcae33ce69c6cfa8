// A stranger's web application in C++: a handler with an argument from its path, asked once
// over 127.0.0.1 by a stream on the same loop. Status 0 when the page is what it should be.
#include <gust/gust.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdio>
#include <string>

static int get(gust_handler *h)
{
    gust_str name = gust_handler_path_arg(h, "name");
    gust_handler_set_header(h, "Content-Type", GUST_STR("text/plain"));
    return gust_handler_writef(h, "Hello, %.*s\n", GUST_FMT(name));
}

static void received(gust_iostream *s, int, gust_str answer, void *user)
{
    static_cast<std::string *>(user)->assign(answer.ptr, answer.len);
    gust_ioloop_stop(gust_iostream_loop(s));
}

static void too_late(gust_ioloop *loop, void *)
{
    gust_ioloop_stop(loop);
}

static int ask(gust_ioloop *loop, int port, std::string *answer)
{
    sockaddr_in addr{};
    addr.sin_family = AF_INET;
    addr.sin_port = htons(static_cast<unsigned short>(port));
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    gust_iostream *s = nullptr;
    int err = gust_iostream_new(loop, socket(AF_INET, SOCK_STREAM, 0), nullptr, &s);
    if (err == 0) {
        auto to = reinterpret_cast<const sockaddr *>(&addr);
        err = gust_iostream_connect(s, to, sizeof addr, [](gust_iostream *, int, void *) {}, nullptr);
    }
    if (err == 0) {
        gust_str request = GUST_STR("GET /hello/stranger HTTP/1.1\r\n"
                                    "Host: localhost\r\nConnection: close\r\n\r\n");
        err = gust_iostream_write(s, request, nullptr, nullptr);
    }
    return err == 0 ? gust_iostream_read_until_close(s, received, answer) : err;
}

int main()
{
    gust_handler_class hello{};
    hello.name = "hello";
    hello.get = get;
    const gust_route routes[] = {{"/hello/:name", &hello, nullptr, nullptr}, {}};

    gust_ioloop *loop = nullptr;
    gust_application *app = nullptr;
    gust_httpserver *server = nullptr;
    int err = gust_ioloop_new(nullptr, &loop);
    if (err == 0) {
        err = gust_application_new(routes, nullptr, &app);
    }
    if (err == 0) {
        err = gust_application_listen(app, loop, 0, "127.0.0.1", nullptr, &server);
    }
    std::string answer;
    if (err == 0) {
        err = ask(loop, gust_httpserver_port(server), &answer);
    }
    if (err != 0) {
        std::printf("%s\n", gust_err_name(err));
        return 1;
    }
    gust_ioloop_call_later(loop, GUST_SECONDS(5), too_late, nullptr, nullptr);
    gust_ioloop_start(loop);
    gust_httpserver_free(server);
    gust_application_free(app);
    gust_ioloop_free(loop);
    std::printf("%s", answer.c_str());
    const std::string body = "\r\n\r\nHello, stranger\n";
    bool whole = answer.rfind("HTTP/1.1 200 ", 0) == 0 && answer.size() > body.size() &&
                 answer.compare(answer.size() - body.size(), body.size(), body) == 0;
    return whole ? 0 : 1;
}

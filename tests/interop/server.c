/* The server that independent clients are run against.
 *
 *     build/tests/interop_server --port=N [--address=A] [--logging=LEVEL]
 *
 *     GET  /                    "Hello, world" as text/plain
 *     POST /echo                the body
 *     GET  /headers             the fields received, a line each
 *     GET  /slow?ms=N           after N milliseconds
 *     GET  /stream?n=N&size=M   N pieces of M bytes, chunked
 *     /ws                       echoes messages with their type
 *     /ws/broadcast             sends each message to all its sockets
 *
 * It prints `listening on PORT` when it is ready, and leaves by SIGTERM with
 * status 0 when what runs has been answered. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gust/ioloop.h>
#include <gust/list.h>
#include <gust/log.h>
#include <gust/web.h>
#include <gust/websocket.h>

/* ---- plain answers ------------------------------------------------------------ */

static int plain_text(gust_handler *h, const void *arg)
{
    (void)arg;
    return gust_handler_set_header(h, "Content-Type", GUST_STR("text/plain"));
}

static int hello_get(gust_handler *h)
{
    return gust_handler_write(h, GUST_STR("Hello, world"));
}

static const gust_handler_class hello = {
    .name = "hello", .initialize = plain_text, .get = hello_get};

static int echo_post(gust_handler *h)
{
    gust_str type = gust_request_header(h->request, GUST_HTTP_CONTENT_TYPE);
    if (type.ptr != NULL) {
        GUST_TRY(gust_handler_set_header(h, "Content-Type", type));
    }
    return gust_handler_write(h, gust_request_body(h->request));
}

static const gust_handler_class echo = {
    .name = "echo", .initialize = plain_text, .post = echo_post};

static int headers_get(gust_handler *h)
{
    gust_str name, value;
    for (size_t i = 0; gust_request_header_at(h->request, i, &name, &value); i++) {
        GUST_TRY(gust_handler_write(h, name));
        GUST_TRY(gust_handler_write(h, GUST_STR(": ")));
        GUST_TRY(gust_handler_write(h, value));
        GUST_TRY(gust_handler_write(h, GUST_STR("\n")));
    }
    return 0;
}

static const gust_handler_class headers = {
    .name = "headers", .initialize = plain_text, .get = headers_get};

/* The number in argument `name`; 400 where it is none or above max. */
static int number(gust_handler *h, const char *name, uint64_t max, uint64_t *out_value)
{
    gust_str text;
    GUST_TRY(gust_handler_get_argument(h, name, &text));
    return gust_str_to_u64(text, max, out_value) == 0 ? 0 : 400;
}

/* ---- /slow -------------------------------------------------------------------- */

struct slow {
    gust_handler handler;
    gust_timeout timeout;
};

static void slow_done(gust_ioloop *loop, void *user)
{
    gust_handler *h = user;
    (void)loop;
    gust_handler_complete(h, gust_handler_write(h, GUST_STR("slow\n")));
}

static int slow_get(gust_handler *h)
{
    struct slow *slow = (struct slow *)(void *)h;
    uint64_t ms;
    GUST_TRY(number(h, "ms", 600000, &ms));
    GUST_TRY(gust_ioloop_call_later(gust_handler_loop(h), GUST_MILLIS((int64_t)ms), slow_done, h,
                                    &slow->timeout));
    return GUST_PENDING;
}

static const gust_handler_class slow_class = {.name = "slow",
                                              .instance_size = sizeof(struct slow),
                                              .initialize = plain_text,
                                              .get = slow_get};

/* ---- /stream ------------------------------------------------------------------ */

struct stream {
    gust_handler handler;
    uint64_t left, size;
    char *piece;
};

static void stream_flushed(gust_handler *h, int status, void *user);

/* The next piece; another one follows when the client has taken it. */
static int stream_next(gust_handler *h)
{
    struct stream *stream = (struct stream *)(void *)h;
    if (stream->left == 0) {
        return 0;
    }
    stream->left--;
    GUST_TRY(gust_handler_write(h, gust_str_make(stream->piece, (size_t)stream->size)));
    GUST_TRY(gust_handler_flush(h, stream_flushed, NULL));
    return GUST_PENDING;
}

static void stream_flushed(gust_handler *h, int status, void *user)
{
    (void)user;
    int result = status == 0 ? stream_next(h) : 0;
    if (result != GUST_PENDING) {
        gust_handler_complete(h, result);
    }
}

static int stream_get(gust_handler *h)
{
    struct stream *stream = (struct stream *)(void *)h;
    GUST_TRY(number(h, "n", UINT32_MAX, &stream->left));
    GUST_TRY(number(h, "size", 1 << 20, &stream->size));
    stream->piece = malloc((size_t)stream->size + 1);
    if (stream->piece == NULL) {
        return -ENOMEM;
    }
    memset(stream->piece, 'x', (size_t)stream->size);
    return stream_next(h);
}

static void stream_on_finish(gust_handler *h)
{
    free(((struct stream *)(void *)h)->piece);
}

static const gust_handler_class stream_class = {.name = "stream",
                                                .instance_size = sizeof(struct stream),
                                                .initialize = plain_text,
                                                .get = stream_get,
                                                .on_finish = stream_on_finish};

/* ---- WebSocket ---------------------------------------------------------------- */

static int ws_echo(gust_websocket *ws, gust_str message, enum gust_websocket_opcode type)
{
    int status = gust_websocket_write_message(ws, message, type);
    return status < 0 ? status : 0;
}

static const gust_websocket_class ws = {
    .name = "ws", .on_message = ws_echo, .max_write_buffer = 64 << 20};

struct member {
    gust_websocket ws;
    gust_list link;
};

static gust_list members;

static int member_open(gust_websocket *socket, gust_handler *h)
{
    (void)h;
    gust_list_push(&members, &((struct member *)(void *)socket)->link);
    return 0;
}

static int member_message(gust_websocket *socket, gust_str message, enum gust_websocket_opcode type)
{
    gust_websocket_message *shared;
    (void)socket;
    GUST_TRY(gust_websocket_message_new(message, type, &shared));
    for (gust_list *at = members.next; at != &members; at = at->next) {
        char *member = (char *)at - offsetof(struct member, link);
        gust_websocket_write_prepared((gust_websocket *)(void *)member, shared);
    }
    gust_websocket_message_unref(shared);
    return 0;
}

static void member_close(gust_websocket *socket)
{
    gust_list_remove(&((struct member *)(void *)socket)->link);
}

static const gust_websocket_class broadcast = {.name = "broadcast",
                                               .instance_size = sizeof(struct member),
                                               .open = member_open,
                                               .on_message = member_message,
                                               .on_close = member_close};

/* ---- the program -------------------------------------------------------------- */

static const gust_route routes[] = {
    {"/", .handler = &hello},
    {"/echo", .handler = &echo},
    {"/headers", .handler = &headers},
    {"/slow", .handler = &slow_class},
    {"/stream", .handler = &stream_class},
    GUST_WEBSOCKET_ROUTE("/ws", &ws),
    GUST_WEBSOCKET_ROUTE("/ws/broadcast", &broadcast),
    {0},
};

static const char *option(char **args, const char *name, const char *otherwise)
{
    size_t len = strlen(name);
    for (; *args != NULL; args++) {
        if (strncmp(*args, name, len) == 0 && (*args)[len] == '=') {
            otherwise = *args + len + 1;
        }
    }
    return otherwise;
}

static void on_drained(gust_httpserver *server, size_t aborted, void *user)
{
    (void)aborted, (void)user;
    gust_ioloop_stop(gust_httpserver_loop(server));
}

static void on_signal(gust_ioloop *loop, int signo, void *user)
{
    (void)signo;
    gust_websocket_close_all(loop, 1001, GUST_STR("the server stops"));
    if (gust_httpserver_shutdown(user, GUST_SECONDS(5), on_drained, NULL) == -ENOMEM) {
        gust_ioloop_stop(loop);
    }
}

static int serve(gust_ioloop *loop, gust_application *app, char **args)
{
    gust_httpserver *server;
    GUST_TRY(gust_application_listen(app, loop, atoi(option(args, "--port", "8888")),
                                     option(args, "--address", "127.0.0.1"), NULL, &server));
    int status = gust_ioloop_add_signal(loop, SIGTERM, on_signal, server);
    if (status == 0) {
        status = gust_ioloop_add_signal(loop, SIGINT, on_signal, server);
    }
    if (status == 0) {
        printf("listening on %d\n", gust_httpserver_port(server));
        fflush(stdout);
        status = gust_ioloop_start(loop);
    }
    gust_httpserver_free(server);
    return status;
}

int main(int argc, char **argv)
{
    gust_ioloop *loop = NULL;
    gust_application *app = NULL;
    enum gust_log_level level = GUST_LOG_WARNING;
    (void)argc;
    gust_list_init(&members);
    gust_log_level_parse(gust_str_from(option(argv + 1, "--logging", "error")), &level);
    gust_log_enable_pretty(level);
    int status = gust_ioloop_new(NULL, &loop);
    if (status == 0) {
        status = gust_application_new(routes, NULL, &app);
    }
    if (status == 0) {
        status = serve(loop, app, argv + 1);
    }
    gust_application_free(app);
    gust_ioloop_free(loop);
    if (status != 0) {
        fprintf(stderr, "interop_server: %s\n", gust_err_text(status));
    }
    return status != 0;
}

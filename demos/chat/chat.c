/* A chat with rooms, over WebSockets, or by long polling where those do not get through.
 *
 *     chat [--port=8888] [--address=127.0.0.1] [--static=FOLDER] [--logging=info]
 *
 * How to read it: PROTOCOL.md first, for what goes over the wire; then this file from the top. It
 * has a handler class for each address that the page uses, one beneath the other:
 *
 *     /ws         a WebSocket           open, on_message, on_close
 *     /api/poll   what is new           get, which may wait
 *     /api/send   say something         post
 *     all else    the page itself: files of the folder `static`
 *
 * and at its end main(), which puts them together. rooms.c remembers who is where and what was
 * said. It knows people by `struct person`, and reaches them by two functions, `struct transport`:
 * there is one for WebSockets and one for polls, and that is all that differs between the two. */
#include "rooms.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <gust/gust.h>

/* Bytes of an event from a page: a text of MAX_TEXT with every byte escaped, and what is around it.
 */
enum { MAX_SENT = 65536 };

#define HOLD_POLL GUST_SECONDS(25)  /* then it is answered, even if there is nothing to tell */
#define NEXT_POLL GUST_SECONDS(10)  /* who does not ask again by then has left */
#define BROKEN_POLL GUST_SECONDS(2) /* the same, where the page broke off a poll */

/* ---- What a page says ---- */

/* What goes wrong, as the page hears it. */
static const struct refusal {
    int status;
    const char *code, *text;
} refusals[] = {
    {400, "bad_request", "The server can't make sense of this."},
    {409, "no_session", "You are not in this room."},
    {413, "too_long", "This is too long."},
    {503, "full", "The house is full: too many rooms, or too many people in this one."},
    {0, "internal", "Something went wrong in the server."},
};

/* An event of type `error` as the answer. Returns the HTTP status that goes with it. */
static int refuse(struct rooms *rooms, int status, gust_str cid, gust_str *out_answer)
{
    const struct refusal *refusal = refusals;
    while (refusal->status != status && refusal->status != 0) {
        refusal++;
    }
    gust_json_writer *w = event_begin(rooms, "error");
    gust_json_member_str(w, "code", gust_str_from(refusal->code));
    gust_json_member_str(w, "text", gust_str_from(refusal->text));
    if (is_token(cid)) {
        gust_json_member_str(w, "cid", cid);
    }
    *out_answer = event_end(rooms);
    return status;
}

static int heard_message(struct rooms *rooms, struct person *who, const gust_json *event,
                         gust_str *out_answer)
{
    gust_str cid = gust_json_as_str(gust_json_get(event, "cid"), GUST_STR(""));
    gust_str text = gust_json_as_str(gust_json_get(event, "text"), GUST_STR(""));
    char id[MAX_ID + 1];
    if (!is_token(cid) || text.len == 0) {
        return refuse(rooms, 400, cid, out_answer);
    }
    if (text.len > MAX_TEXT) {
        return refuse(rooms, 413, cid, out_answer);
    }
    if (person_say(who, cid, text, id) != 0) {
        return refuse(rooms, 500, cid, out_answer);
    }
    gust_json_writer *w = event_begin(rooms, "ack");
    gust_json_member_str(w, "cid", cid);
    gust_json_member_str(w, "id", gust_str_from(id));
    *out_answer = event_end(rooms);
    return 200;
}

/* Do what the event asks for. Returns an HTTP status; the answer, which may be empty, is lent until
 * the next event is written. The tree of the JSON lives in `arena`, as long as the caller wants. */
static int heard(struct rooms *rooms, struct person *who, gust_str sent, gust_arena *arena,
                 gust_str *out_answer)
{
    const gust_json *event = NULL;
    *out_answer = GUST_STR("");
    if (gust_json_parse(sent, arena, NULL, &event, NULL) != 0) {
        return refuse(rooms, 400, GUST_STR(""), out_answer);
    }
    gust_str type = gust_json_as_str(gust_json_get(event, "type"), GUST_STR(""));
    if (gust_str_eq(type, GUST_STR("message"))) {
        return heard_message(rooms, who, event, out_answer);
    }
    if (gust_str_eq(type, GUST_STR("typing"))) {
        person_is_typing(who);
        return 204;
    }
    if (gust_str_eq(type, GUST_STR("ping"))) {
        event_begin(rooms, "pong");
        *out_answer = event_end(rooms);
        return 200;
    }
    return refuse(rooms, 400, GUST_STR(""), out_answer);
}

/* ---- What all addresses share ---- */

/* Answers are events, also where a method fails: `return 400;` becomes an event of type error. */
static int api_write_error(gust_handler *h, int status)
{
    gust_str answer;
    refuse(gust_handler_settings(h), status, GUST_STR(""), &answer);
    return gust_handler_write(h, answer);
}

static void api_default_headers(gust_handler *h)
{
    (void)gust_handler_set_header(h, "Content-Type", GUST_STR("application/json"));
    (void)gust_handler_set_header(h, "Cache-Control", GUST_STR("no-store"));
}

static const gust_handler_class api = {
    .name = "api",
    .set_default_headers = api_default_headers,
    .write_error = api_write_error,
};

/* Who wants to be where. */
struct visitor {
    gust_str room, name, session;
};

/* The visitor that the query names; a missing argument is a 400 by itself. */
static int get_visitor(gust_handler *h, struct visitor *out)
{
    GUST_TRY(gust_handler_get_query_argument(h, "room", &out->room));
    GUST_TRY(gust_handler_get_query_argument(h, "name", &out->name));
    GUST_TRY(gust_handler_get_query_argument(h, "session", &out->session));
    return is_word(out->room) && is_word(out->name) && is_token(out->session) ? 0 : 400;
}

/* Come into the room. */
static int enter(gust_handler *h, const struct transport *via, void *line, struct person **out_who)
{
    struct visitor visitor;
    GUST_TRY(get_visitor(h, &visitor));
    return person_enter(gust_handler_settings(h), visitor.room, visitor.name, visitor.session, via,
                        line, out_who);
}

/* ---- /ws: a WebSocket ---- */

/* One connection: an instance of the class below lives from open to on_close. */
struct socket {
    gust_websocket ws;
    struct rooms *rooms;
    struct person *who; /* NULL: not in a room, or not by this socket any more */
};

static void socket_send(struct socket *socket, gust_str event)
{
    if (event.len > 0) {
        (void)gust_websocket_write_message(&socket->ws, event, GUST_WEBSOCKET_TEXT);
    }
}

/* All sockets of the room share the frame. A page that reads too slowly is let go (when_full): it
 * comes back, and says what it has. */
static void socket_tell(struct person *who, gust_websocket_message *event)
{
    struct socket *socket = who->line;
    (void)gust_websocket_write_prepared(&socket->ws, event);
}

static void socket_replaced(struct person *who)
{
    struct socket *socket = who->line;
    socket->who = NULL;
    (void)gust_websocket_close(&socket->ws, GUST_WEBSOCKET_CLOSE_NORMAL, GUST_STR("replaced"));
}

static const struct transport by_socket = {socket_tell, socket_replaced};

/* Still HTTP: what is returned here is the answer to the handshake. */
static int socket_prepare(gust_handler *h)
{
    struct visitor visitor;
    return get_visitor(h, &visitor);
}

static int socket_open(gust_websocket *ws, gust_handler *h)
{
    struct socket *socket = (struct socket *)ws;
    gust_str after;
    socket->rooms = gust_handler_settings(h);
    if (gust_handler_get_query_argument_or(h, "after", GUST_STR(""), &after) != 0 ||
        enter(h, &by_socket, socket, &socket->who) != 0) {
        return gust_websocket_close(ws, GUST_WEBSOCKET_CLOSE_TRY_LATER, GUST_STR("full"));
    }
    room_write_history(socket->who->room, after, scratch_begin(socket->rooms));
    socket_send(socket, scratch_end(socket->rooms));
    room_write_presence(socket->who->room, scratch_begin(socket->rooms));
    socket_send(socket, scratch_end(socket->rooms));
    return 0;
}

static int socket_on_message(gust_websocket *ws, gust_str message, enum gust_websocket_opcode type)
{
    struct socket *socket = (struct socket *)ws;
    gust_arena arena = {0};
    gust_str answer;
    (void)type;
    if (socket->who != NULL) {
        heard(socket->rooms, socket->who, message, &arena, &answer);
        socket_send(socket, answer);
    }
    gust_arena_deinit(&arena);
    return 0;
}

static void socket_on_close(gust_websocket *ws)
{
    struct socket *socket = (struct socket *)ws;
    if (socket->who != NULL) {
        person_detach(socket->who, 0);
    }
}

static const gust_websocket_class socket_class = {
    .name = "socket",
    .instance_size = sizeof(struct socket),
    .prepare = socket_prepare,
    .open = socket_open,
    .on_message = socket_on_message,
    .on_close = socket_on_close,
    .max_message_size = MAX_SENT,
    .when_full = GUST_WEBSOCKET_DROP_PEER,
};

/* ---- /api/poll: what is new ---- */

/* One request. It lies in the request's memory and goes with it, when its response is finished. */
struct poll {
    gust_handler handler;
    struct person *who;       /* NULL: not in a room, or not by this poll any more */
    gust_str after, presence; /* what the page knows */
    gust_time grace;          /* how long it may be away after this */
    gust_timer held;
};

static bool poll_has_news(const struct poll *poll)
{
    return room_has_messages(poll->who->room, poll->after) ||
           room_has_people(poll->who->room, poll->presence);
}

/* The response: what the page lacks, which may be nothing. */
static int poll_write(struct poll *poll)
{
    const struct room *room = poll->who != NULL ? poll->who->room : NULL;
    gust_json_writer w;
    gust_handler_json(&poll->handler, &w);
    gust_json_begin_object(&w);
    gust_json_key(&w, GUST_STR("events"));
    gust_json_begin_array(&w);
    if (room != NULL && room_has_messages(room, poll->after)) {
        room_write_history(room, poll->after, &w);
    }
    if (room != NULL && room_has_people(room, poll->presence)) {
        room_write_presence(room, &w);
    }
    gust_json_end_array(&w);
    gust_json_end_object(&w);
    return gust_json_writer_finish(&w);
}

/* It has waited long enough, for whatever reason: gust_handler_complete() ends the method that had
 * returned GUST_PENDING. From here on the poll is no way to the person any more. */
static void poll_end(struct poll *poll)
{
    struct person *who = poll->who;
    int status = poll_write(poll);
    poll->who = NULL;
    if (who != NULL) {
        person_detach(who, poll->grace);
    }
    gust_ioloop_disarm(gust_handler_loop(&poll->handler), &poll->held);
    gust_handler_complete(&poll->handler, status);
}

static void poll_tell(struct person *who, gust_websocket_message *event)
{
    struct poll *poll = who->line;
    (void)event; /* the room knows what the page lacks, this and all before it */
    if (poll_has_news(poll)) {
        poll_end(poll);
    }
}

static void poll_replaced(struct person *who)
{
    struct poll *poll = who->line;
    poll->who = NULL;
    poll_end(poll);
}

static const struct transport by_poll = {poll_tell, poll_replaced};

static void poll_on_held(gust_ioloop *loop, gust_timer *timer)
{
    (void)loop;
    poll_end((struct poll *)((char *)timer - offsetof(struct poll, held)));
}

static int poll_get(gust_handler *h)
{
    struct poll *poll = (struct poll *)h;
    gust_ioloop *loop = gust_handler_loop(h);
    poll->grace = NEXT_POLL;
    GUST_TRY(gust_handler_get_query_argument_or(h, "after", GUST_STR(""), &poll->after));
    GUST_TRY(gust_handler_get_query_argument_or(h, "presence", GUST_STR(""), &poll->presence));
    GUST_TRY(enter(h, &by_poll, poll, &poll->who));
    if (poll_has_news(poll)) {
        return poll_write(poll);
    }
    GUST_TRY(gust_ioloop_arm(loop, &poll->held, gust_ioloop_now(loop) + HOLD_POLL, poll_on_held));
    return GUST_PENDING;
}

static void poll_on_connection_close(gust_handler *h)
{
    struct poll *poll = (struct poll *)h;
    poll->grace = BROKEN_POLL;
    poll_end(poll);
}

/* The one end of every request, also of those that were answered at once or failed. */
static void poll_on_finish(gust_handler *h)
{
    struct poll *poll = (struct poll *)h;
    gust_ioloop_disarm(gust_handler_loop(h), &poll->held);
    if (poll->who != NULL) {
        person_detach(poll->who, poll->grace);
    }
}

static const gust_handler_class poll_class = {
    .name = "poll",
    .base = &api,
    .instance_size = sizeof(struct poll),
    .get = poll_get,
    .on_finish = poll_on_finish,
    .on_connection_close = poll_on_connection_close,
};

/* ---- /api/send: say something ---- */

static int send_initialize(gust_handler *h, const void *arg)
{
    (void)arg;
    gust_request_set_max_body_size(h->request, MAX_SENT);
    return 0;
}

static int send_post(gust_handler *h)
{
    gust_str room, session, answer;
    struct rooms *rooms = gust_handler_settings(h);
    GUST_TRY(gust_handler_get_query_argument(h, "room", &room));
    GUST_TRY(gust_handler_get_query_argument(h, "session", &session));
    struct person *who = person_find(rooms, room, session);
    if (who == NULL) {
        return 409;
    }
    int status = heard(rooms, who, gust_request_body(h->request), gust_handler_arena(h), &answer);
    GUST_TRY(gust_handler_set_status(h, status, NULL));
    return gust_handler_write(h, answer);
}

static const gust_handler_class send_class = {
    .name = "send",
    .base = &api,
    .initialize = send_initialize,
    .post = send_post,
};

/* ---- Putting it together ---- */

struct options {
    uint64_t port;
    const char *address;
    const char *folder;
    enum gust_log_level logging;
};

/* The page's files lie beside this source, which from build/demos/chat is ../../demos/chat. */
static const char *find_folder(const char *program)
{
    static const char from_here[] = "/../../demos/chat/static";
    static char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - sizeof(from_here));
    if (len <= 0) { /* no such thing on this system: then the name that we were started by */
        snprintf(path, sizeof(path) - sizeof(from_here), "%s", program);
    }
    char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return "demos/chat/static";
    }
    memcpy(slash, from_here, sizeof(from_here));
    return path;
}

static bool parse_option(const char *arg, struct options *out)
{
    const char *equals = strchr(arg, '=');
    gust_str name = gust_str_make(arg, equals != NULL ? (size_t)(equals - arg) : 0);
    gust_str value = gust_str_from(equals != NULL ? equals + 1 : "");
    if (gust_str_eq(name, GUST_STR("--port"))) {
        return gust_str_to_u64(value, 65535, &out->port) == 0;
    }
    if (gust_str_eq(name, GUST_STR("--logging"))) {
        return gust_log_level_parse(value, &out->logging) == 0;
    }
    if (gust_str_eq(name, GUST_STR("--address"))) {
        out->address = value.ptr;
        return true;
    }
    out->folder = value.ptr;
    return gust_str_eq(name, GUST_STR("--static"));
}

static int fail(const char *what, int status)
{
    fprintf(stderr, "chat: %s: %s\n", what, gust_err_text(status));
    return 1;
}

static void stop(gust_ioloop *loop, void *user)
{
    (void)user;
    gust_ioloop_stop(loop);
}

/* Say goodbye to the sockets, and give them a moment to answer. */
static void on_signal(gust_ioloop *loop, int signo, void *user)
{
    (void)signo, (void)user;
    size_t count = gust_websocket_close_all(loop, GUST_WEBSOCKET_CLOSE_GOING_AWAY, GUST_STR(""));
    if (count == 0 || gust_ioloop_call_later(loop, GUST_MILLIS(500), stop, NULL, NULL) != 0) {
        gust_ioloop_stop(loop);
    }
}

/* Serve until a signal says to stop. */
static int serve(gust_ioloop *loop, const struct options *options, struct rooms *rooms)
{
    const gust_static_options files = {.root = options->folder, .default_filename = "index.html"};
    const gust_route routes[] = {
        GUST_WEBSOCKET_ROUTE("/ws", &socket_class),
        {.pattern = "/api/poll", .handler = &poll_class},
        {.pattern = "/api/send", .handler = &send_class},
        {.pattern = "/*path", .handler = &gust_static_file_handler, .arg = &files},
        {0},
    };
    const gust_application_options settings = {.settings = rooms};
    gust_application *app = NULL;
    int status = gust_application_new(routes, &settings, &app);
    if (status == 0) {
        status = gust_application_listen(app, loop, (int)options->port, options->address, NULL,
                                         NULL);
    }
    if (status == 0) {
        printf("The chat is at http://%s:%d/\n", options->address, (int)options->port);
        fflush(stdout);
        status = gust_ioloop_start(loop);
    }
    gust_application_free(app);
    return status;
}

int main(int argc, char **argv)
{
    struct options options = {8888, "127.0.0.1", find_folder(argv[0]), GUST_LOG_INFO};
    for (int i = 1; i < argc; i++) {
        if (!parse_option(argv[i], &options)) {
            fprintf(stderr,
                    "usage: %s [--port=8888] [--address=127.0.0.1] [--static=FOLDER] "
                    "[--logging=debug|info|warning|error|none]\n",
                    argv[0]);
            return 2;
        }
    }
    gust_ioloop *loop = NULL;
    struct rooms *rooms = NULL;
    int status = gust_ioloop_new(NULL, &loop);
    if (status != 0 || (status = rooms_new(loop, &rooms)) != 0) {
        return fail("can't begin", status);
    }
    gust_log_enable_pretty(options.logging);
    gust_ioloop_add_signal(loop, SIGINT, on_signal, NULL);
    gust_ioloop_add_signal(loop, SIGTERM, on_signal, NULL);
    status = serve(loop, &options, rooms);
    gust_ioloop_close(loop, false); /* sockets that are left leave their rooms now */
    rooms_free(rooms);
    gust_ioloop_free(loop);
    return status == 0 ? 0 : fail("can't serve", status);
}

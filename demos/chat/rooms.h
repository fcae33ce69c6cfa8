/* Rooms, the people in them, and what was said: the part of the chat that knows no transport.
 *
 * A person is one page that is in a room. How events reach it is a transport's business: two
 * functions that chat.c has once for WebSockets and once for long polling. PROTOCOL.md says what
 * the events are. */
#ifndef CHAT_ROOMS_H
#define CHAT_ROOMS_H

#include <gust/ioloop.h>
#include <gust/json.h>
#include <gust/list.h>
#include <gust/str.h>
#include <gust/websocket.h>

/* All that a client could make grow has a bound, and the product of the bounds is what it can cost
 * us. */
enum {
    MAX_ROOMS = 200,
    MAX_PEOPLE = 200,        /* in one room */
    MAX_WORD = 64,           /* bytes of a room's, a person's or a session's name, and of a cid */
    MIN_TOKEN = 8,           /* bytes of a session or cid: fewer are no random number */
    MAX_TEXT = 8192,         /* bytes of a message's text */
    KEPT_MESSAGES = 100,     /* of one room */
    KEPT_BYTES = 256 * 1024, /* of one room, as JSON */
    MAX_EVENT = 2 * KEPT_BYTES, /* bytes of the longest event that we send: a history */
    MAX_ID = 8 + 1 + 20         /* an epoch in hex, '-', a number */
};

struct rooms;
struct room;
struct person;

/* A way to a person's page.
 *
 * tell      something has happened. The event is framed for WebSockets already, once for all of
 *           them; a transport that sends it holds a reference. `who` may have lost the transport
 *           when this returns, but nobody leaves meanwhile
 * replaced  the page has come by another way, this one is not to be used any more */
struct transport {
    void (*tell)(struct person *who, gust_websocket_message *event);
    void (*replaced)(struct person *who);
};

struct person {
    gust_list link; /* in the room's list */
    struct room *room;
    const struct transport *via; /* NULL: between two polls */
    void *line;                  /* the transport's own: its connection */
    gust_timer absence; /* when it fires, the person has left; far off while there is a transport */
    size_t name_len, session_len;
    char name[MAX_WORD], session[MAX_WORD];
};

int rooms_new(gust_ioloop *loop, struct rooms **out_rooms);
void rooms_free(struct rooms *rooms);

/* Is this fit to be a name, is it fit to be a session or a cid? */
bool is_word(gust_str s);
bool is_token(gust_str s);

/* Come into a room by a transport, or come by another one than before. Returns 0, -ENOMEM, or 503:
 * there is no place. */
int person_enter(struct rooms *rooms, gust_str room, gust_str name, gust_str session,
                 const struct transport *via, void *line, struct person **out_person);

/* The person in that room with that session; NULL where there is none. */
struct person *person_find(struct rooms *rooms, gust_str room, gust_str session);

/* The transport is gone. After `grace` without another one the person has left, and is freed: at
 * once for 0. */
void person_detach(struct person *who, gust_time grace);

/* Say something: everybody in the room is told, unless `cid` was said already. Sets the message's
 * id either way. Returns 0 or -ENOMEM (then nobody was told). */
int person_say(struct person *who, gust_str cid, gust_str text, char id[MAX_ID + 1]);

/* Tell the others that somebody is writing. */
void person_is_typing(struct person *who);

/* Does somebody who knows the messages up to the id `after`, or the list of people of that version,
 * lack anything? Write what they lack, as an event. */
bool room_has_messages(const struct room *room, gust_str after);
bool room_has_people(const struct room *room, gust_str version);
void room_write_history(const struct room *room, gust_str after, gust_json_writer *w);
void room_write_presence(const struct room *room, gust_json_writer *w);

/* Write JSON into the rooms' scratch buffer, and lend it until the next begin. What can't be written
 * is empty. An event is an object whose `type` is written already. */
gust_json_writer *scratch_begin(struct rooms *rooms);
gust_str scratch_end(struct rooms *rooms);
gust_json_writer *event_begin(struct rooms *rooms, const char *type);
gust_str event_end(struct rooms *rooms);

#endif

/* Rooms, the people in them, and what was said: the part of the chat that knows no transport.
 *
 * A person is one page that is in a room. How events reach it is a transport's business: two functions that chat.c has
 * once for WebSockets and once for long polling. PROTOCOL.md says what the events are. */
#ifndef CHAT_ROOMS_H
#define CHAT_ROOMS_H

#include <gust/ioloop.h>
#include <gust/json.h>
#include <gust/list.h>
#include <gust/str.h>

/* All that a client could make grow has a bound, and the product of the bounds is what it can cost us. */
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

/* A way to a person's page. `tell`: something has happened, here is the event; `who` may have no transport any more when
 * this returns, but is still there. `replaced`: the page has come by another way, this one is not to be used any more. */
struct transport {
    void (*tell)(struct person *who, gust_str event);
    void (*replaced)(struct person *who);
};

struct person {
    struct gust_list link; /* in the room's list */
    struct room *room;
    const struct transport *via; /* NULL: between two polls */
    void *line;                  /* the transport's own: its connection */
    gust_timer absence; /* when it fires, the person has left; far off while there is a transport */
    size_t name_len, session_len;
    char name[MAX_WORD], session[MAX_WORD];
};

/* How the people of a room find out what they have missed. */
struct cursor {
    gust_str after;    /* id of the last message that they know */
    gust_str presence; /* version of the list of people that they know */
};

int rooms_new(gust_ioloop *loop, struct rooms **out_rooms);
void rooms_free(struct rooms *rooms);

/* Is this fit to be a name, is it fit to be a session or a cid? */
bool is_word(gust_str s);
bool is_token(gust_str s);

/* Come into a room by a transport, or come by another one than before. Returns 0, -ENOMEM, or 503: there is no place. */
int person_enter(struct rooms *rooms, gust_str room, gust_str name, gust_str session,
                 const struct transport *via, void *line, struct person **out_person);

/* The person in that room with that session; NULL where there is none. */
struct person *person_find(struct rooms *rooms, gust_str room, gust_str session);

/* The transport is gone. After `grace` without another one the person has left, and is freed: at once for 0. */
void person_detach(struct person *who, gust_time grace);

/* Say something: everybody in the room is told, unless `cid` was said already. Sets the message's id either way.
 * Returns 0 or -ENOMEM (then nobody was told). */
int person_say(struct person *who, gust_str cid, gust_str text, char id[MAX_ID + 1]);

/* Tell the others that somebody is writing. */
void person_is_typing(struct person *who);

/* Is there anything behind the cursor? Write it: `history`, `presence`, each only where there is news or `all` is asked for. */
bool room_has_news(const struct room *room, struct cursor at);
void room_write_news(const struct room *room, struct cursor at, bool all, gust_json_writer *w);

/* A writer of one event into the rooms' scratch buffer; what was there before is gone. `sent` is what was written, empty
 * if that failed. */
gust_json_writer *event_begin(struct rooms *rooms, const char *type);
gust_str event_end(struct rooms *rooms);

#endif

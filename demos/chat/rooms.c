#include "rooms.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <gust/hash.h>
#include <gust/utf8.h>

enum { EPOCH_LEN = 8 };

/* Nobody leaves before that. The timer of a person is armed from birth, as moving one, unlike
 * arming it, can't fail. */
#define FAR_OFF GUST_SECONDS(3e9)

/* One message, as the JSON that everybody gets: written once, when it was said. */
struct message {
    size_t cid_len, json_len;
    char bytes[]; /* the cid, then the JSON */
};

/* A room remembers the messages first .. last, each in kept[seq % KEPT_MESSAGES]. */
struct room {
    gust_list link; /* in the list of rooms, the one that was used last at its end */
    gust_list people;
    struct rooms *rooms;
    unsigned people_count;
    uint64_t version; /* counts the changes of `people`, from a random number on */
    uint64_t first, last;
    size_t kept_bytes;
    struct message *kept[KEPT_MESSAGES];
    char epoch[EPOCH_LEN + 1];
    size_t name_len;
    char name[MAX_WORD];
};

struct rooms {
    gust_ioloop *loop;
    gust_list all;
    unsigned count;
    gust_buf scratch;
    gust_json_writer writer;
};

int rooms_new(gust_ioloop *loop, struct rooms **out_rooms)
{
    struct rooms *rooms = calloc(1, sizeof(*rooms));
    if (rooms == NULL) {
        return -ENOMEM;
    }
    rooms->loop = loop;
    gust_list_init(&rooms->all);
    gust_buf_init(&rooms->scratch, MAX_EVENT);
    *out_rooms = rooms;
    return 0;
}

static void drop_oldest(struct room *room)
{
    struct message **oldest = &room->kept[room->first++ % KEPT_MESSAGES];
    room->kept_bytes -= (*oldest)->json_len;
    free(*oldest);
    *oldest = NULL;
}

static void room_free(struct room *room)
{
    while (room->first <= room->last) {
        drop_oldest(room);
    }
    gust_list_remove(&room->link);
    room->rooms->count--;
    free(room);
}

static void person_free(struct person *who)
{
    gust_ioloop_disarm(who->room->rooms->loop, &who->absence);
    gust_list_remove(&who->link);
    who->room->people_count--;
    free(who);
}

/* ---- words ---- */

bool is_word(gust_str s)
{
    return s.len >= 1 && s.len <= MAX_WORD && gust_utf8_is_valid(s);
}

bool is_token(gust_str s)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    for (size_t i = 0; i < s.len; i++) {
        if (memchr(allowed, s.ptr[i], sizeof(allowed) - 1) == NULL) {
            return false;
        }
    }
    return s.len >= MIN_TOKEN && s.len <= MAX_WORD;
}

/* ---- events ---- */

gust_json_writer *scratch_begin(struct rooms *rooms)
{
    gust_buf_reset(&rooms->scratch);
    gust_json_writer_init(&rooms->writer, &rooms->scratch, GUST_JSON_COMPACT | GUST_JSON_RAW_UTF8);
    return &rooms->writer;
}

gust_str scratch_end(struct rooms *rooms)
{
    bool ok = gust_json_writer_finish(&rooms->writer) == 0;
    return ok ? gust_buf_peek(&rooms->scratch) : GUST_STR("");
}

gust_json_writer *event_begin(struct rooms *rooms, const char *type)
{
    gust_json_writer *w = scratch_begin(rooms);
    gust_json_begin_object(w);
    gust_json_member_str(w, "type", gust_str_from(type));
    return w;
}

gust_str event_end(struct rooms *rooms)
{
    gust_json_end_object(&rooms->writer);
    return scratch_end(rooms);
}

/* Tell everybody but one. Who can't be told for lack of memory finds out when they come again. */
static void tell(struct room *room, gust_str event, const struct person *except)
{
    gust_websocket_message *message = NULL;
    if (gust_websocket_message_new(event, GUST_WEBSOCKET_TEXT, &message) != 0) {
        return;
    }
    for (gust_list *link = room->people.next; link != &room->people; link = link->next) {
        struct person *who = (struct person *)link;
        if (who != except && who->via != NULL) {
            who->via->tell(who, message);
        }
    }
    gust_websocket_message_unref(message);
}

static void tell_about(struct person *who, const char *type)
{
    struct rooms *rooms = who->room->rooms;
    gust_json_writer *w = event_begin(rooms, type);
    gust_json_member_str(w, "name", gust_str_make(who->name, who->name_len));
    tell(who->room, event_end(rooms), who);
}

void person_is_typing(struct person *who)
{
    tell_about(who, "typing");
}

/* ---- rooms ---- */

/* The room of that name, which becomes the one that was used last. */
static struct room *room_find(struct rooms *rooms, gust_str name)
{
    for (gust_list *link = rooms->all.prev; link != &rooms->all; link = link->prev) {
        struct room *room = (struct room *)link;
        if (gust_str_eq(name, gust_str_make(room->name, room->name_len))) {
            gust_list_remove(link);
            gust_list_push(&rooms->all, link);
            return room;
        }
    }
    return NULL;
}

/* Where all places are taken, the room that has stood empty for longest makes way. */
static bool make_place(struct rooms *rooms)
{
    gust_list *link = rooms->all.next;
    while (rooms->count >= MAX_ROOMS && link != &rooms->all) {
        struct room *room = (struct room *)link;
        link = link->next;
        if (room->people_count == 0) {
            room_free(room);
        }
    }
    return rooms->count < MAX_ROOMS;
}

static int room_make(struct rooms *rooms, gust_str name, struct room **out_room)
{
    uint8_t random[16];
    GUST_TRY(gust_hash_key(random));
    if (!make_place(rooms)) {
        return 503;
    }
    struct room *room = calloc(1, sizeof(*room));
    if (room == NULL) {
        return -ENOMEM;
    }
    room->rooms = rooms;
    room->first = 1;
    memcpy(&room->version, random + EPOCH_LEN, sizeof(uint32_t));
    room->name_len = name.len;
    memcpy(room->name, name.ptr, name.len);
    snprintf(room->epoch, sizeof(room->epoch), "%02x%02x%02x%02x", random[0], random[1], random[2],
             random[3]);
    gust_list_init(&room->people);
    gust_list_push(&rooms->all, &room->link);
    rooms->count++;
    *out_room = room;
    return 0;
}

/* ---- people ---- */

static struct person *find_in(struct room *room, gust_str session)
{
    for (gust_list *link = room->people.next; link != &room->people; link = link->next) {
        struct person *who = (struct person *)link;
        if (gust_str_eq(session, gust_str_make(who->session, who->session_len))) {
            return who;
        }
    }
    return NULL;
}

struct person *person_find(struct rooms *rooms, gust_str name, gust_str session)
{
    struct room *room = room_find(rooms, name);
    return room != NULL ? find_in(room, session) : NULL;
}

static void leave(struct person *who)
{
    who->room->version++;
    gust_list_remove(&who->link); /* so that pollers are not told that they are still there */
    tell_about(who, "leave");
    person_free(who);
}

static void on_absent(gust_ioloop *loop, gust_timer *timer)
{
    (void)loop;
    leave((struct person *)((char *)timer - offsetof(struct person, absence)));
}

static int person_make(struct room *room, gust_str name, gust_str session, struct person **out_who)
{
    if (room->people_count >= MAX_PEOPLE) {
        return 503;
    }
    gust_ioloop *loop = room->rooms->loop;
    struct person *who = calloc(1, sizeof(*who));
    if (who == NULL || gust_ioloop_arm(loop, &who->absence, FAR_OFF, on_absent) != 0) {
        free(who);
        return -ENOMEM;
    }
    who->room = room;
    who->name_len = name.len;
    who->session_len = session.len;
    memcpy(who->name, name.ptr, name.len);
    memcpy(who->session, session.ptr, session.len);
    gust_list_push(&room->people, &who->link);
    room->people_count++;
    room->version++;
    tell_about(who, "join");
    *out_who = who;
    return 0;
}

static void detach_from_old(struct person *who)
{
    if (who->via != NULL) {
        who->via->replaced(who);
    }
    who->via = NULL;
}

int person_enter(struct rooms *rooms, gust_str room_name, gust_str name, gust_str session,
                 const struct transport *via, void *line, struct person **out_person)
{
    struct room *room = room_find(rooms, room_name);
    if (room == NULL) {
        GUST_TRY(room_make(rooms, room_name, &room));
    }
    struct person *who = find_in(room, session);
    if (who != NULL && !gust_str_eq(name, gust_str_make(who->name, who->name_len))) {
        detach_from_old(who);
        leave(who); /* a new name is a new person */
        who = NULL;
    }
    if (who == NULL) {
        GUST_TRY(person_make(room, name, session, &who));
    } else {
        detach_from_old(who);
    }
    (void)gust_ioloop_arm(rooms->loop, &who->absence, FAR_OFF, on_absent);
    who->via = via;
    who->line = line;
    *out_person = who;
    return 0;
}

void person_detach(struct person *who, gust_time grace)
{
    gust_ioloop *loop = who->room->rooms->loop;
    who->via = NULL;
    if (grace == 0) {
        leave(who);
    } else {
        (void)gust_ioloop_arm(loop, &who->absence, gust_ioloop_now(loop) + grace, on_absent);
    }
}

void rooms_free(struct rooms *rooms)
{
    while (rooms != NULL && !gust_list_is_empty(&rooms->all)) {
        struct room *room = (struct room *)rooms->all.next;
        while (!gust_list_is_empty(&room->people)) {
            struct person *who = (struct person *)room->people.next;
            detach_from_old(who);
            person_free(who);
        }
        room_free(room);
    }
    if (rooms != NULL) {
        gust_buf_deinit(&rooms->scratch);
    }
    free(rooms);
}

/* ---- messages ---- */

static void write_id(const struct room *room, uint64_t seq, char id[MAX_ID + 1])
{
    snprintf(id, MAX_ID + 1, "%s-%" PRIu64, room->epoch, seq);
}

/* The number in an id of this room and epoch; 0 for any other, so that all that is kept comes
 * behind it. */
static uint64_t number_of(const struct room *room, gust_str id)
{
    uint64_t seq = 0;
    if (gust_str_starts_with(id, gust_str_from(room->epoch)) && id.len > EPOCH_LEN &&
        id.ptr[EPOCH_LEN] == '-') {
        (void)gust_str_to_u64(gust_str_skip(id, EPOCH_LEN + 1), room->last, &seq);
    }
    return seq;
}

static struct message *message_new(struct room *room, const struct person *who, gust_str cid,
                                   gust_str text, const char *id)
{
    struct rooms *rooms = room->rooms;
    gust_json_writer *w = event_begin(rooms, "message");
    gust_json_member_str(w, "id", gust_str_from(id));
    gust_json_member_str(w, "name", gust_str_make(who->name, who->name_len));
    gust_json_member_str(w, "text", text);
    gust_json_member_int(w, "time", gust_ioloop_wall_time(rooms->loop) / GUST_MILLIS(1));
    gust_json_member_str(w, "cid", cid);
    gust_str json = event_end(rooms);
    struct message *message = json.len > 0 ? malloc(sizeof(*message) + cid.len + json.len) : NULL;
    if (message != NULL) {
        message->cid_len = cid.len;
        message->json_len = json.len;
        memcpy(message->bytes, cid.ptr, cid.len);
        memcpy(message->bytes + cid.len, json.ptr, json.len);
    }
    return message;
}

static gust_str json_of(const struct message *message)
{
    return gust_str_make(message->bytes + message->cid_len, message->json_len);
}

int person_say(struct person *who, gust_str cid, gust_str text, char id[MAX_ID + 1])
{
    struct room *room = who->room;
    for (uint64_t seq = room->first; seq <= room->last; seq++) {
        const struct message *old = room->kept[seq % KEPT_MESSAGES];
        if (gust_str_eq(cid, gust_str_make(old->bytes, old->cid_len))) {
            write_id(room, seq, id);
            return 0;
        }
    }
    write_id(room, room->last + 1, id);
    struct message *message = message_new(room, who, cid, text, id);
    if (message == NULL) {
        return -ENOMEM;
    }
    room->kept_bytes += message->json_len;
    while (room->first <= room->last &&
           (room->last + 1 - room->first >= KEPT_MESSAGES || room->kept_bytes > KEPT_BYTES)) {
        drop_oldest(room);
    }
    room->kept[++room->last % KEPT_MESSAGES] = message;
    tell(room, json_of(message), NULL);
    return 0;
}

/* ---- news ---- */

bool room_has_messages(const struct room *room, gust_str after)
{
    return room->last > 0 ? number_of(room, after) != room->last
                          : !gust_str_starts_with(after, gust_str_from(room->epoch));
}

bool room_has_people(const struct room *room, gust_str version)
{
    uint64_t number = 0;
    return gust_str_to_u64(version, UINT64_MAX, &number) != 0 || number != room->version;
}

void room_write_history(const struct room *room, gust_str after, gust_json_writer *w)
{
    uint64_t known = number_of(room, after);
    char id[MAX_ID + 1];
    write_id(room, room->last, id);
    gust_json_begin_object(w);
    gust_json_member_str(w, "type", GUST_STR("history"));
    gust_json_member_str(w, "room", gust_str_make(room->name, room->name_len));
    gust_json_member_str(w, "last", gust_str_from(id));
    gust_json_member_bool(w, "gap", known > 0 && known + 1 < room->first);
    gust_json_key(w, GUST_STR("messages"));
    gust_json_begin_array(w);
    for (uint64_t seq = known + 1 > room->first ? known + 1 : room->first; seq <= room->last;
         seq++) {
        gust_json_raw(w, json_of(room->kept[seq % KEPT_MESSAGES]));
    }
    gust_json_end_array(w);
    gust_json_end_object(w);
}

void room_write_presence(const struct room *room, gust_json_writer *w)
{
    char version[20];
    gust_json_begin_object(w);
    gust_json_member_str(w, "type", GUST_STR("presence"));
    gust_json_member_str(w, "version",
                         gust_str_make(version, gust_u64_to_dec(version, room->version)));
    gust_json_key(w, GUST_STR("names"));
    gust_json_begin_array(w);
    for (const gust_list *link = room->people.next; link != &room->people; link = link->next) {
        const struct person *who = (const struct person *)link;
        gust_json_str(w, gust_str_make(who->name, who->name_len));
    }
    gust_json_end_array(w);
    gust_json_end_object(w);
}

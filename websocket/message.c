/* Messages made once for many connections. */
#include <gust/shared.h>

#include "util/alloc_internal.h"
#include "websocket/websocket_internal.h"

/* The frame as it goes to every connection without an extension. */
struct gust_websocket_message {
    size_t refs; /* of the loop's thread only; the bytes are counted on their own */
    gust_shared *frame;
};

int gust__ws_frame_new(enum gust_websocket_opcode opcode, gust_str payload, gust_shared **out_frame)
{
    char header[GUST__WS_HEADER_MAX];
    size_t head = gust__ws_frame_header(header, opcode, true, false, payload.len, NULL);
    size_t size;
    char *bytes;
    if (!gust__size_add(head, payload.len, &size)) {
        return -ENOMEM;
    }
    GUST_TRY(gust_shared_new_uninit(size, &bytes, out_frame));
    memcpy(bytes, header, head);
    if (payload.len > 0) {
        memcpy(bytes + head, payload.ptr, payload.len);
    }
    return 0;
}

int gust_websocket_message_new(gust_str message, enum gust_websocket_opcode type,
                               gust_websocket_message **out_message)
{
    GUST_CHECK(type == GUST_WEBSOCKET_TEXT || type == GUST_WEBSOCKET_BINARY, -EINVAL);
#ifdef GUST_DEBUG
    GUST_CHECK(type != GUST_WEBSOCKET_TEXT || gust_utf8_is_valid(message), GUST_EUTF8);
#endif
    gust_websocket_message *m = gust__malloc(sizeof *m);
    if (m == NULL || gust__ws_frame_new(type, message, &m->frame) != 0) {
        gust__free(m);
        return -ENOMEM;
    }
    m->refs = 1;
    *out_message = m;
    return 0;
}

gust_websocket_message *gust_websocket_message_ref(gust_websocket_message *message)
{
    message->refs++;
    return message;
}

void gust_websocket_message_unref(gust_websocket_message *message)
{
    if (message != NULL && --message->refs == 0) {
        gust_shared_unref(message->frame);
        gust__free(message);
    }
}

int gust_websocket_write_prepared(gust_websocket *ws, gust_websocket_message *message)
{
    size_t size = gust_shared_bytes(message->frame).len;
    GUST_TRY(gust__ws_can_send(ws, size));
    return gust__ws_sent(ws, gust_iostream_write_shared(ws->s, message->frame));
}

/* Messages made once for many connections. */
#include <gust/shared.h>

#include "util/alloc_internal.h"
#include "websocket/websocket_internal.h"

/* The frame as it goes to every connection without an extension. */
struct gust_websocket_message {
    size_t refs; /* of the loop's thread only; the bytes are counted on their own */
    gust_shared *frame;
};

int gust_websocket_message_new(gust_str message, enum gust_websocket_opcode type,
                               gust_websocket_message **out_message)
{
    GUST_CHECK(type == GUST_WEBSOCKET_TEXT || type == GUST_WEBSOCKET_BINARY, -EINVAL);
    char header[GUST__WS_HEADER_MAX];
    size_t head = gust__ws_frame_header(header, type, true, false, message.len, NULL);
    gust_websocket_message *m = gust__malloc(sizeof *m);
    char *bytes;
    if (m == NULL || gust_shared_new_uninit(head + message.len, &bytes, &m->frame) != 0) {
        gust__free(m);
        return -ENOMEM;
    }
    memcpy(bytes, header, head);
    if (message.len > 0) {
        memcpy(bytes + head, message.ptr, message.len);
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

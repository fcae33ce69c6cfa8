/* The chunked coding of a request's body: bytes in, slices of payload out.
 *
 * No I/O, no memory. Payload is lent where it lies in the input; chunk sizes
 * and extensions are kept in the decoder, so all that it takes may be dropped
 * at once. Only trailer fields wait in the input until they are complete, as a
 * head does. Checked byte by byte: the verdict doesn't depend on how the input
 * is cut. RFC 9112 7.1, made narrower by http.md 2.5:
 *   - 1 to 16 hex digits; nothing but ';' or CR behind them
 *   - extensions ";token", ";token=token", ";token="quoted"" are dropped, up to
 *     256 bytes a chunk and 8,192 a body
 *   - CRLF only, compared, never skipped
 *   - the declared size counts against the limit before a byte of it is read
 *   - a body that is mostly overhead is refused
 *
 * Calling sequence
 *     gust__chunked_init(&c, max_body, fields, 100 - used, 65536 - head);
 *     do {
 *         event = gust__chunked_feed(&c, data, len, &taken, &payload);
 *         data += taken, len -= taken;
 *         ... use payload on DATA
 *     } while (event == GUST__CHUNKED_DATA);
 * then MORE: come again with what was not taken and more bytes behind it;
 * END: the body is over, data is the next request; negative: answer with that
 * HTTP status, c.error says why. */
#ifndef GUST_CHUNKED_INTERNAL_H
#define GUST_CHUNKED_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include <gust/str.h>

#include "httpserver/http_parse_internal.h"

#define GUST__CHUNKED_MAX_DIGITS 16u
#define GUST__CHUNKED_MAX_EXTENSION 256u
#define GUST__CHUNKED_MAX_EXTENSIONS 8192u
#define GUST__CHUNKED_OVERHEAD (100u * 1024u)

enum gust__chunked_event { GUST__CHUNKED_MORE, GUST__CHUNKED_DATA, GUST__CHUNKED_END };

struct gust__chunked {
    uint64_t left;       /* size of the chunk while its line is read, then what is to come of it */
    uint64_t total;      /* payload of all chunks so far, as declared */
    uint64_t max_body;   /* 413 above */
    uint64_t overhead;   /* bytes that were no payload, without the trailer's */
    uint32_t extensions; /* bytes of extensions in the body */
    uint16_t line_extension; /* in this size line */
    uint8_t digits;
    uint8_t phase;
    /* After END: trailer.count fields in the array given at init, slices of
     * trailer_data, which lies in the last feed's data. */
    struct gust__http_parser trailer;
    const char *trailer_data;
    int status;
    const char *error;
};

/* Get ready for a body.
 *
 * max_body          bytes of payload; INT64_MAX: no limit
 * fields            room for max_fields trailer fields
 * max_fields        what the head left of max_headers; more are refused: 431
 * max_trailer_size  what the head left of max_header_size; 431 */
void gust__chunked_init(struct gust__chunked *c, int64_t max_body, struct gust__http_field *fields,
                        uint16_t max_fields, size_t max_trailer_size);

/* Decode on.
 *
 * data         what was not taken last time, and more; with
 *              GUST__HTTP_PADDING readable bytes behind it
 * out_taken    bytes to drop; can be less than len after DATA and END, and in a
 *              trailer that isn't complete. At END the trailer's bytes are
 *              taken too: read its fields before they go
 * out_payload  after DATA: 1 or more bytes, lent, in data
 * Returns an event, or a negative HTTP status: -400, -413, -431. Both
 * out-parameters are set in every case. */
int gust__chunked_feed(struct gust__chunked *c, const char *data, size_t len, size_t *out_taken,
                       gust_str *out_payload);

#endif

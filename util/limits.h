/* Every maximum of the library, with its unit and its reason.
 *
 * The names are the defaults of options; what a program sets there counts. A
 * limit that is unset is this one: "none" has to be written by the user. Byte
 * sizes fit a size_t; times are gust_time, nanoseconds.
 *
 * Numbers stand here also for what is not built: TLS, connecting by name,
 * processes, cookies, multipart, the HTTP client, inflating. They limit nothing.
 *
 * "Measured" below means that peers of today have limits of this size, so that
 * traffic that works elsewhere works here. */
#ifndef GUST_LIMITS_H
#define GUST_LIMITS_H

#include <stdint.h>

/* --- streams ------------------------------------------------------------------ */

/* Bytes that one read from the kernel may bring: the loop's shared buffer. */
#define GUST_DEFAULT_READ_CHUNK 65536
/* Bytes that a stream keeps for a reader that doesn't take them: a whole body. */
#define GUST_DEFAULT_MAX_BUFFER_SIZE 10485760
/* Bytes of queued output: above the first the producer is told to pause, at the
 * second to go on, above the third the write fails. A slow reader costs no more. */
#define GUST_DEFAULT_WRITE_HIGH_WATER 1048576
#define GUST_DEFAULT_WRITE_LOW_WATER 65536
#define GUST_DEFAULT_WRITE_HARD_LIMIT 16777216
/* Output that makes no progress at all for so long belongs to a dead peer: the
 * HTTP server's; a stream of your own has none unless its options say so. */
#define GUST_DEFAULT_WRITE_TIMEOUT INT64_C(30000000000)
/* A TLS handshake. */
#define GUST_DEFAULT_TLS_HANDSHAKE_TIMEOUT INT64_C(10000000000)
/* A client's connect. */
#define GUST_DEFAULT_CONNECT_TIMEOUT INT64_C(20000000000)

/* --- accepting ---------------------------------------------------------------- */

/* Connections taken per wake-up; fewer where processes share the socket, so that
 * one does not take all. */
#define GUST_DEFAULT_ACCEPT_BATCH 128
#define GUST_DEFAULT_ACCEPT_BATCH_SHARED 16
/* listen(2)'s queue; the kernel cuts it to its own maximum. */
#define GUST_DEFAULT_BACKLOG 1024
/* Descriptors left for files, pipes and logs: max connections is RLIMIT_NOFILE
 * minus these. */
#define GUST_DEFAULT_SPARE_DESCRIPTORS 64

/* --- memory that is kept for reuse, per HTTP server ------------------------------ */

/* Request objects, and blocks of their arenas. */
#define GUST_DEFAULT_SPARE_CONNECTIONS 64
#define GUST_DEFAULT_SPARE_ARENA_BLOCKS 64
/* Bytes of an arena's block: one holds a plain request. */
#define GUST_DEFAULT_ARENA_BLOCK 4096

/* --- HTTP: the head ------------------------------------------------------------- */

/* Bytes of the request line without CRLF: 414 above. */
#define GUST_DEFAULT_MAX_REQUEST_LINE 8192
/* Bytes of request line and fields with the blank line: 431 above. Tornado's. */
#define GUST_DEFAULT_MAX_HEADER_SIZE 65536
/* Field lines of a head and of its trailer together: 431 above. Measured. */
#define GUST_DEFAULT_MAX_HEADERS 100
/* From the first byte of a head to its blank line: 408. Slow heads are an attack. */
#define GUST_DEFAULT_HEADER_TIMEOUT INT64_C(20000000000)
/* A kept connection without a byte: closed silently. Measured. */
#define GUST_DEFAULT_KEEPALIVE_TIMEOUT INT64_C(75000000000)
/* Pipelined requests answered before other connections get their turn. */
#define GUST_DEFAULT_PIPELINE_BATCH 64

/* --- HTTP: the body -------------------------------------------------------------- */

/* Bytes of a body that is buffered: 413 above. A streamed one has none but the user's. */
#define GUST_DEFAULT_MAX_BODY_SIZE 10485760
/* Bytes handed on at a time. */
#define GUST_DEFAULT_CHUNK_SIZE 65536
/* Without a byte of an announced body: 408. A whole body has no deadline. */
#define GUST_DEFAULT_BODY_IDLE_TIMEOUT INT64_C(30000000000)
/* Bytes of the extensions of one chunk, and of all chunks of a body: 400 above. */
#define GUST_DEFAULT_MAX_CHUNK_EXTENSION 256
#define GUST_DEFAULT_MAX_CHUNK_EXTENSIONS 8192
/* Hexadecimal digits of a chunk's size. */
#define GUST_MAX_CHUNK_SIZE_DIGITS 16
/* Chunks that carry almost nothing: an error once framing exceeds so many bytes
 * while the data is less than a quarter of the input. */
#define GUST_DEFAULT_MAX_CHUNK_OVERHEAD 102400
/* After an error we read on so much and so long, so that the peer sees our answer
 * instead of a reset. Many clients look only when their body is sent: a photograph
 * or two. */
#define GUST_DEFAULT_LINGER_BYTES 4194304
#define GUST_DEFAULT_LINGER_TIMEOUT INT64_C(2000000000)
/* Requests in flight at a graceful stop get so long. */
#define GUST_DEFAULT_SHUTDOWN_GRACE INT64_C(30000000000)

/* --- HTTP: what is made of it ------------------------------------------------------ */

/* Arguments of query and form together: 400 above. */
#define GUST_DEFAULT_MAX_ARGUMENTS 1000
/* Cookies that are read of a request; the rest is ignored. */
#define GUST_DEFAULT_MAX_COOKIES 100
/* Bytes of a body that gets an automatic ETag; hashing more costs too much. */
#define GUST_DEFAULT_MAX_ETAG_BODY 1048576
/* Multipart: parts; bytes of a part's head, of a name, of a field that is no file. */
#define GUST_DEFAULT_MAX_PARTS 100
#define GUST_DEFAULT_MAX_PART_HEADER_SIZE 10240
#define GUST_DEFAULT_MAX_PART_NAME 1024
#define GUST_DEFAULT_MAX_PART_FIELD 1048576

/* --- HTTP client -------------------------------------------------------------------- */

#define GUST_DEFAULT_REQUEST_TIMEOUT INT64_C(20000000000)
#define GUST_DEFAULT_MAX_REDIRECTS 5
/* Bytes of a response's body: Tornado's. */
#define GUST_DEFAULT_MAX_RESPONSE_BODY 104857600
/* 1xx answers before the real one. */
#define GUST_DEFAULT_MAX_INFORMATIONAL 10
/* Connections to one host, kept in all, and how long. */
#define GUST_DEFAULT_MAX_CLIENTS_PER_HOST 10
#define GUST_DEFAULT_MAX_CLIENTS 100
#define GUST_DEFAULT_POOL_IDLE_TIMEOUT INT64_C(60000000000)

/* --- WebSocket ------------------------------------------------------------------------ */

/* Bytes of a message after inflating: 1009 above. Tornado's. */
#define GUST_DEFAULT_WS_MAX_MESSAGE_SIZE 10485760
/* Frames of one message, and those of them that are empty: 1008 above. */
#define GUST_DEFAULT_WS_MAX_FRAGMENTS 131072
#define GUST_DEFAULT_WS_MAX_EMPTY_FRAGMENTS 1024
/* Control frames while one message is open: 1008 above. */
#define GUST_DEFAULT_WS_MAX_CONTROLS 1000
/* Between two pieces of a message that has begun: 1008. */
#define GUST_DEFAULT_WS_FRAGMENT_TIMEOUT INT64_C(60000000000)
/* A ping after so long; no byte from the peer for the second: dropped, 1006. */
#define GUST_DEFAULT_WS_PING_INTERVAL INT64_C(60000000000)
#define GUST_DEFAULT_WS_PING_TIMEOUT INT64_C(60000000000)
/* From our Close to the peer's, and from both to the end of the connection. */
#define GUST_DEFAULT_WS_CLOSE_TIMEOUT INT64_C(5000000000)
/* Inflated bytes per turn of the loop: a bomb must not stop the others. */
#define GUST_DEFAULT_INFLATE_PER_TURN 262144

/* --- JSON ------------------------------------------------------------------------------- */

/* Bytes of a text; containers in containers; members of one object; values in all
 * (a value takes 24 bytes or 40 where its text took 2). */
#define GUST_DEFAULT_JSON_MAX_BYTES 10485760
#define GUST_DEFAULT_JSON_MAX_DEPTH 128
#define GUST_DEFAULT_JSON_MAX_MEMBERS 10000
#define GUST_DEFAULT_JSON_MAX_VALUES 1000000

/* --- log ------------------------------------------------------------------------------------ */

/* Bytes of one quoted field, and of a whole message. */
#define GUST_MAX_LOG_FIELD 1024
#define GUST_MAX_LOG_MESSAGE 4096
/* Lines a second of one place in the code, from warning up. */
#define GUST_DEFAULT_LOG_RATE 10

#endif

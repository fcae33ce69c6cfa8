/* Error codes.
 *
 * A function that can fail returns int: 0 or a count on success, a negative
 * code on failure. A failure of the system is -errno, as the kernel gave it
 * (-ECONNRESET, -ENOMEM, ...). What the system has no number for has one of
 * the codes below; they start at -20000, which no errno reaches.
 *
 * Codes are stable numbers: they may be logged, compared and stored.
 * Thread: any. */
#ifndef GUST_ERRORS_H
#define GUST_ERRORS_H

#include <errno.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, number, sentence): the one list that the enum, gust_err_name() and
 * gust_err_text() are made of. */
#define GUST_ERRORS(X)                                                                             \
    X(GUST_EOF, -20000, "the peer ended the stream")                                               \
    X(GUST_ECLOSED, -20001, "the object is closed")                                                \
    X(GUST_ECANCELED, -20002, "the operation was cancelled")                                       \
    X(GUST_ETIMEDOUT, -20003, "the deadline passed")                                               \
    X(GUST_EUNSATISFIABLE, -20004, "the limit was reached before the delimiter")                   \
    X(GUST_EBUFFERFULL, -20005, "the buffer has reached its maximum")                              \
    X(GUST_ETOOBIG, -20006, "the value is larger than its limit")                                  \
    X(GUST_EPROTO, -20007, "the peer broke the protocol")                                          \
    X(GUST_ETLS, -20008, "the TLS library reported an error")                                      \
    X(GUST_ESTATE, -20009, "the call is not allowed in this state")                                \
    X(GUST_ETHREAD, -20010, "the call came from another thread than the loop's")                   \
    X(GUST_ESYNTAX, -20011, "the text does not follow its grammar")                                \
    X(GUST_EUTF8, -20012, "the bytes are not UTF-8")                                               \
    X(GUST_EHEADER, -20013, "a byte is not allowed in a header")                                   \
    X(GUST_ELENGTH, -20014, "the body does not have the length that was announced")                \
    X(GUST_EDROPPED, -20015, "the message was dropped: the peer reads too slowly")                 \
    X(GUST_ENOENT, -20016, "no such entry")

enum gust_err {
#define GUST__X(name, number, text) name = number,
    GUST_ERRORS(GUST__X)
#undef GUST__X
};

/* The name of a code: "GUST_EOF" or, for a system error, "ECONNRESET".
 *
 * 0 gives "OK", unknown codes "unknown". The string is static, never NULL. */
const char *gust_err_name(int code);

/* One sentence about a code, lower case, without a full stop.
 *
 * For a system error the words of POSIX; "success" for 0, "unknown error" for
 * what is no code. The string is static, never NULL. */
const char *gust_err_text(int code);

/* Return from the calling function with the value of `call` unless it is 0.
 * A handler's method passes on an HTTP status (positive) as well as a code. */
#define GUST_TRY(call)                                                                             \
    do {                                                                                           \
        int gust_try_code_ = (call);                                                               \
        if (gust_try_code_ != 0) {                                                                 \
            return gust_try_code_;                                                                 \
        }                                                                                          \
    } while (0)

#ifdef __cplusplus
}
#endif

#endif

/* Names and sentences of error codes.
 *
 * strerror(3) is not used: its string is not const, may be translated and may
 * be overwritten by another thread. */
#include <gust/errors.h>

#include <stddef.h>

/* The errors of POSIX.1-2008 that every system we build on has. Where two share
 * a number (EAGAIN and EWOULDBLOCK; on some, ENOTSUP and EOPNOTSUPP) the first
 * one in the list names it. */
#define SYSTEM_ERRORS(X)                                                                           \
    X(E2BIG, "argument list too long")                                                             \
    X(EACCES, "permission denied")                                                                 \
    X(EADDRINUSE, "address in use")                                                                \
    X(EADDRNOTAVAIL, "address not available")                                                      \
    X(EAFNOSUPPORT, "address family not supported")                                                \
    X(EAGAIN, "resource unavailable, try again")                                                   \
    X(EALREADY, "connection already in progress")                                                  \
    X(EBADF, "bad file descriptor")                                                                \
    X(EBADMSG, "bad message")                                                                      \
    X(EBUSY, "device or resource busy")                                                            \
    X(ECANCELED, "operation canceled")                                                             \
    X(ECHILD, "no child processes")                                                                \
    X(ECONNABORTED, "connection aborted")                                                          \
    X(ECONNREFUSED, "connection refused")                                                          \
    X(ECONNRESET, "connection reset")                                                              \
    X(EDEADLK, "resource deadlock would occur")                                                    \
    X(EDESTADDRREQ, "destination address required")                                                \
    X(EDOM, "mathematics argument out of domain of function")                                      \
    X(EDQUOT, "disk quota exceeded")                                                               \
    X(EEXIST, "file exists")                                                                       \
    X(EFAULT, "bad address")                                                                       \
    X(EFBIG, "file too large")                                                                     \
    X(EHOSTUNREACH, "host is unreachable")                                                         \
    X(EIDRM, "identifier removed")                                                                 \
    X(EILSEQ, "illegal byte sequence")                                                             \
    X(EINPROGRESS, "operation in progress")                                                        \
    X(EINTR, "interrupted function")                                                               \
    X(EINVAL, "invalid argument")                                                                  \
    X(EIO, "input/output error")                                                                   \
    X(EISCONN, "socket is connected")                                                              \
    X(EISDIR, "is a directory")                                                                    \
    X(ELOOP, "too many levels of symbolic links")                                                  \
    X(EMFILE, "too many open files")                                                               \
    X(EMLINK, "too many links")                                                                    \
    X(EMSGSIZE, "message too large")                                                               \
    X(ENAMETOOLONG, "filename too long")                                                           \
    X(ENETDOWN, "network is down")                                                                 \
    X(ENETRESET, "connection aborted by network")                                                  \
    X(ENETUNREACH, "network unreachable")                                                          \
    X(ENFILE, "too many files open in system")                                                     \
    X(ENOBUFS, "no buffer space available")                                                        \
    X(ENODEV, "no such device")                                                                    \
    X(ENOENT, "no such file or directory")                                                         \
    X(ENOEXEC, "executable file format error")                                                     \
    X(ENOLCK, "no locks available")                                                                \
    X(ENOMEM, "not enough space")                                                                  \
    X(ENOMSG, "no message of the desired type")                                                    \
    X(ENOPROTOOPT, "protocol not available")                                                       \
    X(ENOSPC, "no space left on device")                                                           \
    X(ENOSYS, "functionality not supported")                                                       \
    X(ENOTCONN, "the socket is not connected")                                                     \
    X(ENOTDIR, "not a directory")                                                                  \
    X(ENOTEMPTY, "directory not empty")                                                            \
    X(ENOTRECOVERABLE, "state not recoverable")                                                    \
    X(ENOTSOCK, "not a socket")                                                                    \
    X(ENOTSUP, "not supported")                                                                    \
    X(ENOTTY, "inappropriate I/O control operation")                                               \
    X(ENXIO, "no such device or address")                                                          \
    X(EOPNOTSUPP, "operation not supported on socket")                                             \
    X(EOVERFLOW, "value too large to be stored in data type")                                      \
    X(EOWNERDEAD, "previous owner died")                                                           \
    X(EPERM, "operation not permitted")                                                            \
    X(EPIPE, "broken pipe")                                                                        \
    X(EPROTO, "protocol error")                                                                    \
    X(EPROTONOSUPPORT, "protocol not supported")                                                   \
    X(EPROTOTYPE, "protocol wrong type for socket")                                                \
    X(ERANGE, "result too large")                                                                  \
    X(EROFS, "read-only file system")                                                              \
    X(ESPIPE, "invalid seek")                                                                      \
    X(ESRCH, "no such process")                                                                    \
    X(ESTALE, "stale file handle")                                                                 \
    X(ETIMEDOUT, "connection timed out")                                                           \
    X(ETXTBSY, "text file busy")                                                                   \
    X(EWOULDBLOCK, "operation would block")                                                        \
    X(EXDEV, "cross-device link")

struct entry {
    int code;
    const char *name;
    const char *text;
};

static const struct entry entries[] = {{0, "OK", "success"},
#define OWN(name, number, text) {name, #name, text},
                                       GUST_ERRORS(OWN)
#undef OWN
#define SYSTEM(name, text) {-(name), #name, text},
                                           SYSTEM_ERRORS(SYSTEM)
#undef SYSTEM
};

static const struct entry *find(int code)
{
    static const struct entry unknown = {0, "unknown", "unknown error"};
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        if (entries[i].code == code) {
            return &entries[i];
        }
    }
    return &unknown;
}

const char *gust_err_name(int code)
{
    return find(code)->name;
}

const char *gust_err_text(int code)
{
    return find(code)->text;
}

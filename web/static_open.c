/* From a name to a descriptor, without leaving the folder.
 *
 * openat2(2) lets the kernel itself refuse every way out: "..", absolute links,
 * links and mounts of /proc. A check of names before open(2) can't do that, for
 * a folder may be replaced by a link in between. Where there is no openat2 the
 * name is walked segment by segment with O_NOFOLLOW, which refuses links within
 * root as well. O_NONBLOCK keeps a FIFO from holding up the loop. */
#define _GNU_SOURCE 1 /* O_PATH, syscall(2) */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include "util/check_internal.h"
#include "web/static_internal.h"

#ifdef O_PATH
#define FOLDER_FLAGS (O_PATH | O_DIRECTORY | O_CLOEXEC)
#else
#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#endif
#define FILE_FLAGS (O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)

bool gust__static_name_is_fit(gust_str name)
{
    gust_str segment;
    bool first = true;
    if (name.len == 0) {
        return true; /* root itself */
    }
    if (memchr(name.ptr, '\0', name.len) != NULL || memchr(name.ptr, '\\', name.len) != NULL) {
        return false;
    }
    while (gust_str_split(&name, '/', &segment)) {
        bool last = name.ptr == NULL;
        if ((segment.len == 0 && (!last || first)) || (segment.len > 0 && segment.ptr[0] == '.')) {
            return false;
        }
        first = false;
    }
    return true;
}

/* ---- by walking --------------------------------------------------------------- */

static int open_at(int folder, const char *name, int flags)
{
    int fd;
    do {
        fd = openat(folder, name, flags);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

int gust__static_walk(int root, char *name, int *out_fd)
{
    int folder = root;
    for (;;) {
        char *slash = strchr(name, '/');
        bool last = slash == NULL || slash[1] == '\0';
        if (slash != NULL) {
            *slash = '\0';
        }
        int flags = last && slash == NULL ? FILE_FLAGS
                    : last                ? O_RDONLY | O_DIRECTORY | O_CLOEXEC
                                          : FOLDER_FLAGS;
        int fd = open_at(folder, name, flags | O_NOFOLLOW);
        if (folder != root) {
            close(folder);
        }
        if (fd < 0 || last) {
            *out_fd = fd < 0 ? *out_fd : fd;
            return fd < 0 ? fd : 0;
        }
        folder = fd;
        name = slash + 1;
    }
}

/* ---- by the kernel ------------------------------------------------------------ */

#if defined(__linux__) && defined(SYS_openat2)

/* linux/openat2.h, which older headers lack. */
struct how {
    uint64_t flags, mode, resolve;
};
enum { NO_MAGICLINKS = 0x02, NO_SYMLINKS = 0x04, BENEATH = 0x08 };

/* EAGAIN means that something was renamed meanwhile: try again, not for ever. */
static int open_beneath(int root, const char *name, bool no_symlinks, int *out_fd)
{
    struct how how = {.flags = FILE_FLAGS, .resolve = BENEATH | NO_MAGICLINKS};
    how.resolve |= no_symlinks ? NO_SYMLINKS : 0;
    for (int tries = 0; tries < 16; tries++) {
        long fd = syscall(SYS_openat2, root, name, &how, sizeof(how));
        if (fd >= 0) {
            *out_fd = (int)fd;
            return 0;
        }
        if (errno != EAGAIN && errno != EINTR) {
            return -errno;
        }
    }
    return -EXDEV;
}

#else

static int open_beneath(int root, const char *name, bool no_symlinks, int *out_fd)
{
    (void)root, (void)name, (void)no_symlinks, (void)out_fd;
    return -ENOSYS;
}

#endif

int gust__static_open(const char *root, gust_str name, bool no_symlinks, gust_arena *arena,
                      int *out_fd, struct stat *out_stat)
{
    int fd = -1;
    gust_str path = gust_arena_copy(arena, name.len > 0 ? name : GUST_STR("."));
    GUST_CHECK(path.ptr != NULL, -ENOMEM);
    int folder = open_at(AT_FDCWD, root, FOLDER_FLAGS);
    GUST_CHECK(folder >= 0, folder);
    int status = open_beneath(folder, path.ptr, no_symlinks, &fd);
    if (status == -ENOSYS || status == -EPERM) {
        status = gust__static_walk(folder, (char *)(uintptr_t)path.ptr, &fd);
    }
    close(folder);
    GUST_TRY(status);
    if (fstat(fd, out_stat) != 0) {
        status = -errno;
        close(fd);
        return status;
    }
    *out_fd = fd;
    return 0;
}

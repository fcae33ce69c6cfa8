/* Opening files below a folder: the kernel's way and the walk, which must agree on
 * what is outside; and while another thread swaps a file for a link. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "web/static_internal.h"

static char folder[40], root[64];

static const char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(in_folder(name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int make_files(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/gust-open-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(root, sizeof(root), "%s/root", folder);
    assert_int_equal(mkdir(root, 0700), 0);
    assert_int_equal(mkdir(in_folder("root/dir"), 0700), 0);
    put("root/file", "inside");
    put("root/dir/file", "inside");
    put("secret", "secret");
    assert_int_equal(symlink("../secret", in_folder("root/outside")), 0);
    assert_int_equal(symlink("..", in_folder("root/up")), 0);
    assert_int_equal(symlink("/", in_folder("root/slash")), 0);
    assert_int_equal(symlink("dir", in_folder("root/dirlink")), 0);
    return 0;
}

static int remove_files(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

/* What opening `name` comes to: a code, or the kind and the bytes. */
struct outcome {
    int code;
    bool is_folder;
    char text[16];
};

static struct outcome look(int code, int fd)
{
    struct outcome o = {.code = code};
    struct stat st;
    if (code == 0) {
        assert_int_equal(fstat(fd, &st), 0);
        o.is_folder = S_ISDIR(st.st_mode);
        ssize_t n = read(fd, o.text, sizeof(o.text) - 1);
        o.text[n > 0 ? n : 0] = '\0';
        assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        close(fd);
    }
    return o;
}

static struct outcome by_kernel(const char *name, bool no_symlinks)
{
    gust_arena arena = {0};
    struct stat st;
    int fd = -1;
    int code = gust__static_open(root, gust_str_from(name), no_symlinks, &arena, &fd, &st);
    gust_arena_deinit(&arena);
    return look(code, fd);
}

static struct outcome by_walking(const char *name)
{
    char copy[64];
    int fd = -1;
    snprintf(copy, sizeof(copy), "%s", name);
    int start = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code = gust__static_walk(start, copy, &fd);
    assert_int_equal(fcntl(start, F_GETFD), FD_CLOEXEC); /* left open */
    close(start);
    return look(code, fd);
}

static void test_both_ways__open_the_same(void **state)
{
    static const struct {
        const char *name;
        bool opens, is_folder;
    } rows[] = {
        {"file", true, false},     {"dir/file", true, false},   {"dir", true, true},
        {"dir/", true, true},      {".", true, true},           {"file/", false, false},
        {"file/x", false, false},  {"missing", false, false},   {"missing/x", false, false},
        {"outside", false, false}, {"up/secret", false, false}, {"slash/etc/passwd", false, false},
        {"up", false, false},      {"up/", false, false},       {"dirlink/file", false, false},
        {"dirlink", false, false}, {"dirlink/", false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct outcome kernel = by_kernel(rows[i].name, true), walk = by_walking(rows[i].name);
        assert_int_equal(kernel.code == 0, rows[i].opens);
        assert_int_equal(walk.code == 0, rows[i].opens);
        assert_int_equal(kernel.is_folder, rows[i].is_folder);
        assert_int_equal(walk.is_folder, rows[i].is_folder);
        assert_string_equal(kernel.text, rows[i].opens && !rows[i].is_folder ? "inside" : "");
        assert_string_equal(walk.text, kernel.text);
    }
}

static void test_names__fit_or_not(void **state)
{
    static const struct {
        const char *name;
        size_t len;
        bool fit;
    } rows[] = {
        {"", 0, true},         {"a", 1, true},      {"a/b", 3, true},   {"a/", 2, true},
        {"a.b/c..d", 8, true}, {"/", 1, false},     {"/a", 2, false},   {"a//b", 4, false},
        {"a//", 3, false},     {"..", 2, false},    {"a/..", 4, false}, {"../a", 4, false},
        {".", 1, false},       {"a/./b", 5, false}, {".a", 2, false},   {"a/.b", 4, false},
        {"a\\b", 3, false},    {"a\0b", 3, false},  {"a\0", 2, false},  {"...", 3, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(gust__static_name_is_fit(gust_str_make(rows[i].name, rows[i].len)),
                         rows[i].fit);
    }
}

/* ---- a race ------------------------------------------------------------------- */

static atomic_bool stop;

/* root/race is now a file, now a link out; root/racedir now a folder, now a link to
 * the one above. */
static void *swap(void *user)
{
    char race[128], link[128], dir[128], dirlink[128], spare[128];
    snprintf(race, sizeof(race), "%s/race", root);
    snprintf(link, sizeof(link), "%s/race-link", root);
    snprintf(dir, sizeof(dir), "%s/racedir", root);
    snprintf(dirlink, sizeof(dirlink), "%s/racedir-link", root);
    snprintf(spare, sizeof(spare), "%s/racedir-spare", root);
    while (!atomic_load(&stop)) {
        if (symlink("../secret", link) != 0 || rename(link, race) != 0 || unlink(race) != 0 ||
            symlink("..", dirlink) != 0 || rename(dirlink, dir) != 0 || unlink(dir) != 0) {
            return user; /* which is not NULL */
        }
        FILE *file = fopen(race, "w");
        if (file == NULL || fputs("inside", file) < 0 || fclose(file) != 0 ||
            mkdir(spare, 0700) != 0 || rename(spare, dir) != 0 || rmdir(dir) != 0) {
            return user;
        }
    }
    return NULL;
}

static void test_swapped_for_a_link__never_outside(void **state)
{
    pthread_t thread;
    void *failed = NULL;
    unsigned opened = 0;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, swap, root), 0);
    for (int i = 0; i < 20000; i++) {
        struct outcome found[] = {by_kernel("race", false), by_walking("race"),
                                  by_kernel("racedir/secret", false), by_walking("racedir/secret")};
        for (size_t n = 0; n < 4; n++) {
            assert_string_not_equal(found[n].text, "secret");
            opened += found[n].code == 0;
        }
    }
    atomic_store(&stop, true);
    pthread_join(thread, &failed);
    assert_null(failed);
    assert_true(opened > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways__open_the_same),
        cmocka_unit_test(test_names__fit_or_not),
        cmocka_unit_test(test_swapped_for_a_link__never_outside),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}

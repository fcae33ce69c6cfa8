// A stranger's C++ program on all of the library: the two ends of a stream in memory, one
// callback a lambda. Status 0 when what was written to one end is read from the other.
#include <gust/gust.h>

#include <cstdio>
#include <string>

int main()
{
    gust_ioloop *loop = nullptr;
    gust_iostream *a = nullptr, *b = nullptr;
    if (gust_ioloop_new(nullptr, &loop) != 0 || gust_iostream_pair(loop, nullptr, &a, &b) != 0) {
        return 1;
    }
    std::string got;
    auto received = [](gust_iostream *s, int, gust_str line, void *user) {
        static_cast<std::string *>(user)->assign(line.ptr, line.len);
        gust_ioloop_stop(gust_iostream_loop(s));
    };
    gust_iostream_read_until(b, GUST_STR("\n"), 100, received, &got);
    gust_iostream_write(a, GUST_STR("hello from C++\n"), nullptr, nullptr);
    gust_ioloop_start(loop);
    gust_ioloop_free(loop);
    std::printf("%s", got.c_str());
    return got == "hello from C++\n" ? 0 : 1;
}

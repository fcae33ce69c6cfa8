/* hello_counted.c - demos/helloworld itself, on an allocator that counts.
 *
 * At each SIGUSR1 it writes how often malloc and realloc have been called so
 * far, one number a line, to stdout. The difference around a known number of
 * requests is what a request costs. */
#define _GNU_SOURCE
#include <gust/alloc.h>

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

int helloworld_main(int argc, char **argv);

#define main helloworld_main
#include "../../demos/helloworld/helloworld.c"
#undef main

static volatile unsigned long calls;

static void *counted_malloc(size_t size, void *user)
{
    (void)user;
    calls++;
    return malloc(size);
}

static void *counted_realloc(void *ptr, size_t size, void *user)
{
    (void)user;
    calls++;
    return realloc(ptr, size);
}

static void uncounted_free(void *ptr, void *user)
{
    (void)user;
    free(ptr);
}

static void write_count(int signal_number)
{
    char text[24];
    size_t at = sizeof text;
    unsigned long left = calls;

    (void)signal_number;
    text[--at] = '\n';
    do {
        text[--at] = (char)('0' + left % 10);
    } while ((left /= 10) > 0);
    if (write(STDOUT_FILENO, text + at, sizeof text - at) < 0) {
        _exit(1);
    }
}

int main(int argc, char **argv)
{
    static const gust_allocator counting = {counted_malloc, counted_realloc, uncounted_free, NULL};
    struct sigaction action = {.sa_handler = write_count, .sa_flags = SA_RESTART};

    sigaction(SIGUSR1, &action, NULL);
    gust_set_allocator(&counting);
    return helloworld_main(argc, argv);
}

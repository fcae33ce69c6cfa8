/* The library's version.
 *
 * Before 1.0 the second number rises when a program may have to change, the third when not.
 * `make install` writes the same into gust.pc; the HTTP server's default Server field is
 * "Gust/" with it. */
#ifndef GUST_VERSION_H
#define GUST_VERSION_H

/* As text, and as one number to compare, two digits for each part: 0.1.0 is 000100. */
#define GUST_VERSION "0.1.0"
#define GUST_VERSION_NUMBER 100

#endif

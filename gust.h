/* All of Gust's public headers at once.
 *
 * A program may as well include the ones that it uses: <gust/web.h>. Each compiles alone, as
 * C11 and as C++. */
#ifndef GUST_GUST_H
#define GUST_GUST_H

#endif

/* All of Gust's public headers at once.
 *
 * A program may as well include only what it uses, <gust/web.h> for one: each header
 * compiles alone, as C11 and as C++. From the bottom up, a layer a block. */
#ifndef GUST_GUST_H
#define GUST_GUST_H

#include <gust/alloc.h>
#include <gust/arena.h>
#include <gust/base64.h>
#include <gust/buf.h>
#include <gust/errors.h>
#include <gust/escape.h>
#include <gust/hash.h>
#include <gust/httpdate.h>
#include <gust/json.h>
#include <gust/limits.h>
#include <gust/list.h>
#include <gust/log.h>
#include <gust/shared.h>
#include <gust/str.h>
#include <gust/time.h>
#include <gust/utf8.h>
#include <gust/version.h>

#include <gust/ioloop.h>
#include <gust/periodic.h>
#include <gust/sys.h>

#include <gust/iostream.h>
#include <gust/netutil.h>
#include <gust/tcpserver.h>

#include <gust/headers.h>
#include <gust/httpnames.h>
#include <gust/httpserver.h>
#include <gust/httpstatus.h>

#include <gust/static.h>
#include <gust/web.h>

#include <gust/websocket.h>
#include <gust/websocket_codes.h>

#endif

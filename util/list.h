/* An intrusive, doubly linked, circular list.
 *
 * A gust_list is both the head and the link that an element embeds; a head
 * points to itself when the list is empty, and a link that is in no list does
 * too (or is all zero), so removing twice is harmless. Nothing allocates.
 *
 * Thread: the owner's. */
#ifndef GUST_LIST_H
#define GUST_LIST_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gust_list gust_list;
struct gust_list {
    gust_list *next;
    gust_list *prev;
};

/* Make `head` an empty list, or `link` a link that is in no list. */
static inline void gust_list_init(gust_list *head)
{
    head->next = head;
    head->prev = head;
}

/* Is the list empty (for a link: is it in no list)? A zeroed one is. */
static inline bool gust_list_is_empty(const gust_list *head)
{
    return head->next == head || head->next == NULL;
}

/* Put `link`, which is in no list, at the end of `head`. */
static inline void gust_list_push(gust_list *head, gust_list *link)
{
    link->next = head;
    link->prev = head->prev;
    head->prev->next = link;
    head->prev = link;
}

/* The same at the front. */
static inline void gust_list_push_front(gust_list *head, gust_list *link)
{
    gust_list_push(head->next, link);
}

/* Take `link` out of its list and initialise it. */
static inline void gust_list_remove(gust_list *link)
{
    if (link->next != NULL) {
        link->prev->next = link->next;
        link->next->prev = link->prev;
    }
    gust_list_init(link);
}

/* Move all elements of `from` into `to`, which is overwritten. `from` is empty
 * afterwards. */
static inline void gust_list_move(gust_list *to, gust_list *from)
{
    if (gust_list_is_empty(from)) {
        gust_list_init(to);
        return;
    }
    *to = *from;
    to->next->prev = to;
    to->prev->next = to;
    gust_list_init(from);
}

#ifdef __cplusplus
}
#endif

#endif

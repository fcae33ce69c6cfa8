/* The intrusive list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <gust/list.h>

struct item {
    char name;
    gust_list link;
};

static struct item *item_of(gust_list *link)
{
    return (struct item *)(void *)((char *)link - offsetof(struct item, link));
}

/* The names forwards, and that backwards says the same. */
static const char *names(gust_list *head)
{
    static char out[16];
    size_t n = 0;
    for (gust_list *l = head->next; l != head; l = l->next) {
        out[n++] = item_of(l)->name;
        assert_ptr_equal(l->next->prev, l);
        assert_ptr_equal(l->prev->next, l);
    }
    out[n] = '\0';
    size_t back = n;
    for (gust_list *l = head->prev; l != head; l = l->prev) {
        assert_int_equal(item_of(l)->name, out[--back]);
    }
    return out;
}

static void make(gust_list *head, struct item items[3])
{
    gust_list_init(head);
    for (int i = 0; i < 3; i++) {
        items[i].name = (char)('a' + i);
        gust_list_push(head, &items[i].link);
    }
}

static void test_push__at_the_end_and_in_front(void **state)
{
    (void)state;
    gust_list head;
    struct item items[3];
    struct item front = {.name = 'x'};
    make(&head, items);
    gust_list_push_front(&head, &front.link);
    assert_string_equal(names(&head), "xabc");
    assert_false(gust_list_is_empty(&head));
}

static void test_remove__from_any_place_and_twice(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        gust_list head;
        struct item items[3];
        make(&head, items);
        gust_list_remove(&items[i].link);
        gust_list_remove(&items[i].link);
        assert_true(gust_list_is_empty(&items[i].link));
        assert_string_equal(names(&head), i == 0 ? "bc" : i == 1 ? "ac" : "ab");
        gust_list_push(&head, &items[i].link);
        assert_int_equal(strlen(names(&head)), 3);
    }
}

static void test_remove__all_leaves_an_empty_list(void **state)
{
    (void)state;
    gust_list head;
    struct item items[3];
    make(&head, items);
    while (!gust_list_is_empty(&head)) {
        gust_list_remove(head.next);
    }
    assert_string_equal(names(&head), "");
}

static void test_zeroed_link__is_in_no_list(void **state)
{
    (void)state;
    gust_list link = {NULL, NULL};
    assert_true(gust_list_is_empty(&link));
    gust_list_remove(&link);
    assert_true(gust_list_is_empty(&link));
}

static void test_move__takes_all(void **state)
{
    (void)state;
    gust_list from;
    gust_list to = {NULL, NULL};
    struct item items[3];
    make(&from, items);
    gust_list_move(&to, &from);
    assert_string_equal(names(&to), "abc");
    assert_true(gust_list_is_empty(&from));
    gust_list_move(&to, &from);
    assert_true(gust_list_is_empty(&to));
    gust_list zeroed = {NULL, NULL};
    gust_list_move(&to, &zeroed);
    assert_string_equal(names(&to), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_push__at_the_end_and_in_front),
        cmocka_unit_test(test_remove__from_any_place_and_twice),
        cmocka_unit_test(test_remove__all_leaves_an_empty_list),
        cmocka_unit_test(test_zeroed_link__is_in_no_list),
        cmocka_unit_test(test_move__takes_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

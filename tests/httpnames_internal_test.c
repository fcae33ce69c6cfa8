/* Header names and methods to numbers and back. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "httpserver/httpnames_internal.h"

/* --- the slots --- */

static uint8_t slot_of(enum gust_http_name id)
{
    const struct gust__known_name *known = &gust__known_names[id];
    const char *from = known->len < 8 ? known->text : known->text + known->len - 8;
    return gust__name_slot(gust__load64(from), known->len);
}

static void test_slots__one_name_each(void **state)
{
    (void)state;
    uint8_t slots[256] = {0};
    unsigned shared = 0;
    for (unsigned id = 1; id < GUST_HTTP_NAME_COUNT; id++) {
        uint8_t slot = slot_of((enum gust_http_name)id);
        if (slots[slot] != 0) {
            print_message("%s and %s share slot %u\n", gust__known_names[slots[slot]].text,
                          gust__known_names[id].text, slot);
            shared++;
        }
        slots[slot] = (uint8_t)id;
    }
    if (shared == 0 && memcmp(slots, gust__name_slots, sizeof slots) != 0) {
        for (unsigned i = 0; i < 256; i++) {
            if (slots[i] != 0) {
                print_message("    [%u] = GUST_HTTP_%s,\n", i, gust__known_names[slots[i]].text);
            }
        }
        fail_msg("gust__name_slots must be as above");
    }
    assert_int_equal(shared, 0);
}

/* --- names --- */

static void check_spelling(unsigned id, int (*letter)(int))
{
    char name[64] = {0};
    gust_str text = gust_http_name_text((enum gust_http_name)id);
    for (size_t i = 0; i < text.len; i++) {
        name[i] = (char)letter((unsigned char)text.ptr[i]);
    }
    assert_int_equal(gust_http_name_lookup(gust_str_make(name, text.len)), id);
    assert_int_equal(gust__name_id(name, text.len), id);
}

static int same(int c)
{
    return c;
}

static void test_names__found_in_any_case(void **state)
{
    (void)state;
    for (unsigned id = 1; id < GUST_HTTP_NAME_COUNT; id++) {
        assert_true(gust__known_names[id].len <= GUST__NAME_MAX);
        check_spelling(id, same);
        check_spelling(id, tolower);
        check_spelling(id, toupper);
    }
    assert_string_equal(gust_http_name_text(GUST_HTTP_SEC_WEBSOCKET_KEY).ptr, "Sec-Websocket-Key");
    assert_string_equal(gust_http_name_text(GUST_HTTP_ETAG).ptr, "Etag");
}

/* Each byte of each name changed to each other value. */
static void test_names_with_one_byte_changed__other_names(void **state)
{
    (void)state;
    for (unsigned id = 1; id < GUST_HTTP_NAME_COUNT; id++) {
        gust_str text = gust_http_name_text((enum gust_http_name)id);
        char name[64];
        memcpy(name, text.ptr, text.len);
        for (size_t i = 0; i < text.len; i++) {
            for (int byte = 0; byte < 256; byte++) {
                if (tolower(byte) != tolower((unsigned char)text.ptr[i])) {
                    name[i] = (char)byte;
                    assert_int_not_equal(gust_http_name_lookup(gust_str_make(name, text.len)), id);
                }
            }
            name[i] = text.ptr[i];
        }
    }
}

static void test_names_cut_or_longer__other_names(void **state)
{
    (void)state;
    for (unsigned id = 1; id < GUST_HTTP_NAME_COUNT; id++) {
        char name[64];
        gust_str text = gust_http_name_text((enum gust_http_name)id);
        memset(name, 'a', sizeof name);
        memcpy(name, text.ptr, text.len);
        assert_int_not_equal(gust_http_name_lookup(gust_str_make(name, text.len + 1)), id);
        assert_int_not_equal(gust_http_name_lookup(gust_str_make(name, text.len - 1)), id);
        name[text.len] = '\0';
        assert_int_not_equal(gust_http_name_lookup(gust_str_make(name, text.len + 1)), id);
    }
    assert_int_equal(gust_http_name_lookup(gust_str_make(NULL, 0)), 0);
    assert_int_equal(gust_http_name_lookup(GUST_STR("X-Something-That-Is-Far-Too-Long-For-It")), 0);
    assert_null(gust_http_name_text(GUST_HTTP_OTHER_NAME).ptr);
    assert_null(gust_http_name_text(GUST_HTTP_NAME_COUNT).ptr);
}

/* --- methods --- */

static void test_methods__found_in_upper_case_only(void **state)
{
    (void)state;
    for (unsigned id = 1; id < GUST_HTTP_METHOD_COUNT; id++) {
        gust_str text = gust_http_method_text((enum gust_http_method)id);
        assert_int_equal(gust_http_method_lookup(text), id);
        assert_int_equal(gust_http_method_lookup(gust_str_make(text.ptr, text.len - 1)), 0);
    }
    assert_int_equal(gust_http_method_lookup(GUST_STR("get")), GUST_HTTP_OTHER_METHOD);
    assert_int_equal(gust_http_method_lookup(gust_str_make(NULL, 0)), GUST_HTTP_OTHER_METHOD);
    assert_string_equal(gust_http_method_text(GUST_HTTP_DELETE).ptr, "DELETE");
    assert_null(gust_http_method_text(GUST_HTTP_OTHER_METHOD).ptr);
    assert_null(gust_http_method_text(GUST_HTTP_METHOD_COUNT).ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots__one_name_each),
        cmocka_unit_test(test_names__found_in_any_case),
        cmocka_unit_test(test_names_with_one_byte_changed__other_names),
        cmocka_unit_test(test_names_cut_or_longer__other_names),
        cmocka_unit_test(test_methods__found_in_upper_case_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

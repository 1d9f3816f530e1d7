#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/npy.h"
#include "scratch.h"

TestSuite(npy, .fini = scratch_remove);

static struct npy expect(const char *path) {
    struct npy array;
    struct error error = {ERROR_NONE, ""};
    cr_assert(npy_read(path, &array, &error), "%s", error.text);
    return array;
}

Test(npy, every_type_comes_back_bit_for_bit) {
    const unsigned char bytes[24 * 8] =
        "any bytes will do: they are not to be looked at as numbers";
    for (int type = 0; npy_type_names[type]; type++) {
        struct npy array = {.type = (enum npy_type)type,
                            .rank = 3,
                            .shape = {2, 3, 4},
                            .data = (void *)(uintptr_t)bytes};
        struct error error = {ERROR_NONE, ""};
        cr_assert(npy_write(scratch_path("a.npy"), &array, &error), "%s", error.text);
        struct npy found = expect(scratch_path("a.npy"));
        cr_expect_eq(found.type, array.type);
        cr_expect_eq(found.rank, 3);
        cr_expect_arr_eq(found.shape, array.shape, sizeof array.shape);
        cr_expect_eq(found.len, 24);
        cr_expect_arr_eq(found.data, bytes, 24 * npy_element_size(array.type));
        npy_release(&found);
        cr_expect_null(found.data);
    }
}

Test(npy, the_bytes_are_those_numpy_writes) {
    const double values[2] = {1.5, -2.5};
    struct npy array = {.type = NPY_F8, .rank = 1, .shape = {2}, .data = (void *)(uintptr_t)values};
    cr_assert(npy_write(scratch_path("a.npy"), &array, NULL));
    char wanted[128 + 16], found[200];
    memset(wanted, ' ', 128);
    memcpy(wanted,
           "\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }",
           10 + 57);
    wanted[127] = '\n';
    memcpy(wanted + 128, "\0\0\0\0\0\0\xf8\x3f\0\0\0\0\0\0\x04\xc0", 16);
    FILE *stream = fopen(scratch_path("a.npy"), "rb");
    size_t size = fread(found, 1, sizeof found, stream);
    (void)fclose(stream);
    cr_assert_eq(size, sizeof wanted);
    cr_expect_arr_eq(found, wanted, sizeof wanted);
}

Test(npy, scalars_empty_arrays_and_all_ranks_come_back) {
    float values[1] = {3.5F};
    for (int rank = 0; rank <= NPY_RANK_MAX; rank++) {
        struct npy array = {.type = NPY_F4, .rank = rank, .data = values};
        for (int i = 0; i < rank; i++) {
            array.shape[i] = 1;
        }
        cr_assert(npy_write(scratch_path("a.npy"), &array, NULL));
        struct npy found = expect(scratch_path("a.npy"));
        cr_expect_eq(found.rank, rank);
        cr_expect_eq(found.len, 1);
        cr_expect_float_eq(*(float *)found.data, 3.5F, 0.0F);
        npy_release(&found);
    }
    struct npy empty = {.type = NPY_I4, .rank = 2, .shape = {0, 7}};
    cr_assert(npy_write(scratch_path("a.npy"), &empty, NULL));
    struct npy found = expect(scratch_path("a.npy"));
    cr_expect_eq(found.len, 0);
    cr_expect_eq(found.shape[1], 7);
    npy_release(&found);
}

/* A file of a version, a header and bytes 0, 1, 2, ... */
static const char *by_hand(int version, const char *header, size_t size) {
    static unsigned char bytes[2048];
    size_t len = strlen(header), used = 0, width = version == 1 ? 2 : 4;
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (unsigned char)version;
    bytes[7] = 0;
    used = 8;
    for (size_t i = 0; i < width; i++) {
        bytes[used++] = (unsigned char)(len >> (8 * i));
    }
    memcpy(bytes + used, header, len);
    used += len;
    for (size_t i = 0; i < size; i++) {
        bytes[used++] = (unsigned char)i;
    }
    return scratch_write("hand.npy", bytes, used);
}

Test(npy, versions_1_to_3_are_read_in_any_order_of_keys) {
    for (int version = 1; version <= 3; version++) {
        struct npy array = expect(by_hand(
            version, "{\"shape\":(3 , 2),'fortran_order':False , 'descr': \"|u1\"}   \n", 6));
        cr_expect_eq(array.rank, 2);
        cr_expect_eq(array.shape[0], 3);
        cr_expect_eq(((unsigned char *)array.data)[5], 5);
        npy_release(&array);
    }
}

Test(npy, fortran_order_is_turned_into_c_order) {
    struct npy array =
        expect(by_hand(1, "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 4), }\n", 24));
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 3; j++) {
            for (int k = 0; k < 4; k++) {
                cr_expect_eq(((unsigned char *)array.data)[(i * 3 + j) * 4 + k], i + 2 * j + 6 * k);
            }
        }
    }
    npy_release(&array);
}

static void expect_refusal(const char *path, enum error_code code, const char *words) {
    struct npy array;
    struct error error = {ERROR_NONE, ""};
    cr_assert_not(npy_read(path, &array, &error), "accepted, but \"%s\" was expected", words);
    cr_expect_eq(error.code, code, "code %d: %s", error.code, error.text);
    cr_expect(strstr(error.text, words), "\"%s\" lacks \"%s\"", error.text, words);
    cr_expect_null(array.data);
}

Test(npy, what_cannot_be_read_is_refused_in_a_sentence) {
    const struct {
        const char *header;
        size_t size;
        const char *words;
    } cases[] = {
        {"{'descr': '|O', 'fortran_order': False, 'shape': (3,), }\n", 24, "Python objects"},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (3,), }\n", 12, "type \">f4\""},
        {"{'descr': '<c16', 'fortran_order': False, 'shape': (3,), }\n", 48, "type \"<c16\""},
        {"{'descr': '<f2', 'fortran_order': False, 'shape': (3,), }\n", 6, "astype"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,), }\n", 12, "fields"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n", 11,
         "truncated: 11 bytes of data follow its header, where 3 elements of 4 bytes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n", 13, "damaged: 13 bytes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }\n", 12, "whole numbers"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3.0,), }\n", 12, "does not end"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 3, }\n", 12, "no shape"},
        {"{'descr': '<f4', 'fortran_order': False, "
         "'shape': (4294967296, 4294967296, 4294967296), }\n",
         12, "truncated"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }\n", 12,
         "whole numbers"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }\n", 4,
         "more than 8 axes"},
        {"{'descr': '<f4', 'fortran_order': False, }\n", 4, "lacks"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }\n", 4, "no order"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}\n", 4, "a key that is"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } 7\n", 4, "goes on"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)", 4, "does not end"},
        {"hello", 4, "not a dictionary"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_refusal(by_hand(1, cases[i].header, cases[i].size), ERROR_FORMAT, cases[i].words);
    }
    expect_refusal(by_hand(4, cases[0].header, 4), ERROR_FORMAT, "of version 4.0");
    expect_refusal(scratch_path("none.npy"), ERROR_FILE, "No such file");
    expect_refusal(scratch_path(""), ERROR_FILE, "not a regular file");
    expect_refusal(scratch_write("a.npy", "PK\x03\x04 a zip file", 15), ERROR_FORMAT,
                   "not a .npy file");
    expect_refusal(scratch_write("a.npy", "", 0), ERROR_FORMAT, "not a .npy file");
    expect_refusal(scratch_write("a.npy", "\x93NUMPY\x01\0\x76", 9), ERROR_FORMAT, "truncated");
    expect_refusal(scratch_write("a.npy", "\x93NUMPY\x01\0\x76\0{'de", 14), ERROR_FORMAT,
                   "truncated");
    expect_refusal(scratch_write("a.npy", "\x93NUMPY\x02\0\xff\xff\xff\x7f{}", 14), ERROR_FORMAT,
                   "the most is 65536");
}

Test(npy, a_path_that_cannot_be_written_is_refused) {
    float value = 1;
    struct npy array = {.type = NPY_F4, .rank = 0, .data = &value};
    struct error error = {ERROR_NONE, ""};
    cr_expect_not(npy_write(scratch_path("no/such.npy"), &array, &error));
    cr_expect_eq(error.code, ERROR_FILE);
    cr_expect(strstr(error.text, "no/such.npy cannot be written"), "%s", error.text);
    cr_expect_eq(scratch_count(), 0);
}

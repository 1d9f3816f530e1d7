#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sha256.h"

/* A file of this test in the folder for temporary files; the caller removes it. */
static const char *written(const char *bytes, size_t size) {
    static char path[] = "/tmp/continuo-test-file-XXXXXX";
    (void)strcpy(path + sizeof path - 7, "XXXXXX");
    const int descriptor = mkstemp(path);
    cr_assert(descriptor >= 0);
    cr_assert_eq(write(descriptor, bytes, size), (ssize_t)size);
    (void)close(descriptor);
    return path;
}

Test(file, reads_all_bytes_zeros_included_and_ends_them_with_one) {
    const char bytes[] = "one\0two\n\xff";
    const char *const path = written(bytes, sizeof bytes - 1);
    size_t size = 0;
    char *const read = file_read(path, 100, &size, NULL);
    cr_assert(read);
    cr_expect_eq(size, sizeof bytes - 1);
    cr_expect_arr_eq(read, bytes, sizeof bytes);
    free(read);
    (void)unlink(path);
}

Test(file, an_empty_file_is_empty_and_a_file_at_the_limit_is_read) {
    const char *path = written("", 0);
    size_t size = 7;
    char *read = file_read(path, 0, &size, NULL);
    cr_assert(read);
    cr_expect_eq(size, 0);
    cr_expect_str_eq(read, "");
    free(read);
    (void)unlink(path);
    path = written("twelve bytes", 12);
    read = file_read(path, 12, &size, NULL);
    cr_assert(read);
    cr_expect_eq(size, 12);
    free(read);
    (void)unlink(path);
}

Test(file, a_file_beyond_the_limit_is_refused_with_both_numbers) {
    const char *const path = written("thirteen byte", 13);
    struct error error;
    size_t size;
    cr_expect_null(file_read(path, 12, &size, &error));
    cr_expect_eq(error.code, ERROR_FORMAT);
    cr_expect(strstr(error.text, "has 13 bytes; such a file has at most 12"), "%s", error.text);
    (void)unlink(path);
}

Test(file, what_reports_no_size_is_read_to_its_end_and_limited_too) {
    struct error error;
    size_t size = 0;
    char *const read = file_read("/proc/self/status", 1 << 20, &size, &error);
    cr_assert(read, "%s", error.text);
    cr_expect_eq(strncmp(read, "Name:", 5), 0);
    cr_expect_eq(strlen(read), size);
    free(read);
    cr_expect_null(file_read("/dev/zero", 100000, &size, &error));
    cr_expect_eq(error.code, ERROR_FORMAT);
    cr_expect_str_eq(error.text, "/dev/zero is larger than the 100000 bytes such a file can have");
}

Test(file, missing_files_and_folders_are_told_apart) {
    struct error error;
    size_t size;
    cr_expect_null(file_read("/tmp/there/is/no/such.file", 10, &size, &error));
    cr_expect_eq(error.code, ERROR_FILE);
    cr_expect_str_eq(error.text,
                     "/tmp/there/is/no/such.file cannot be read: No such file or directory");
    cr_expect_null(file_read("/tmp", 10, &size, &error));
    cr_expect_str_eq(error.text, "/tmp is a folder, not a file");
}

/* FIPS 180-4's examples (csrc.nist.gov, SHA256.pdf, and the million letters of FIPS 180-2). */
Test(sha256, digests_equal_the_published_examples) {
    char hex[SHA256_HEX_SIZE];
    sha256_hex("", 0, hex);
    cr_expect_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_hex("abc", 3, hex);
    cr_expect_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const char *const two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    sha256_hex(two_blocks, strlen(two_blocks), hex);
    cr_expect_str_eq(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    static char letters[1000000];
    memset(letters, 'a', sizeof letters);
    sha256_hex(letters, sizeof letters, hex);
    cr_expect_str_eq(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

Test(sha256, pieces_give_the_digest_of_the_whole) {
    unsigned char bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(i * 37 + 11);
    }
    char whole[SHA256_HEX_SIZE], pieces[SHA256_HEX_SIZE];
    for (size_t size = 0; size <= sizeof bytes; size++) {
        sha256_hex(bytes, size, whole);
        struct sha256 sha;
        sha256_begin(&sha);
        for (size_t at = 0, step = 1; at < size; at += step, step = step * 3 % 101) {
            sha256_update(&sha, bytes + at, step < size - at ? step : size - at);
        }
        sha256_end(&sha, pieces);
        cr_assert_str_eq(pieces, whole);
    }
}

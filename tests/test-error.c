/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "fixture.h"

static void assert_error(const ramet_error *error, int code, const char *where, const char *message)
{
	assert_int_equal(error->code, code);
	assert_string_equal(error->where, where);
	assert_string_equal(error->message, message);
}

static void error_set_with_either_sign_is_negative(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	assert_int_equal(rmt_error_set(&error, ENOENT, "no %s", "file"), -ENOENT);
	assert_error(&error, -ENOENT, "", "no file");
	assert_int_equal(rmt_error_set_at(&error, -EIO, "local/fork", "%d", 5), -EIO);
	assert_error(&error, -EIO, "local/fork", "5");
	ramet_error_clear(&error);
	assert_int_equal(error.code, 0);
	assert_null(error.where);
	assert_null(error.message);
	ramet_error_clear(&error);
}

static void error_null_is_allowed_everywhere(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	assert_int_equal(rmt_error_set(NULL, EPERM, "x"), -EPERM);
	assert_int_equal(rmt_error_set_at(NULL, -EPERM, "x", "x"), -EPERM);
	assert_int_equal(rmt_error_set_text(NULL, EPERM, "x", "x", 1), -EPERM);
	ramet_error_clear(NULL);
	rmt_error_set(&error, EPERM, "x");
	assert_int_equal(rmt_error_move(NULL, &error), -EPERM);
	assert_int_equal(error.code, 0);
	assert_null(error.message);
}

/* "local: cannot: ..." is made by wrapping the error in itself. */
static void error_set_from_its_own_message_keeps_it(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	rmt_error_set_at(&error, EIO, "here", "inner");
	rmt_error_set_at(&error, error.code, error.where, "outer: %s", error.message);
	assert_error(&error, -EIO, "here", "outer: inner");
	ramet_error_clear(&error);
}

static void error_text_need_not_end_with_nul(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	assert_int_equal(rmt_error_set_text(&error, 7, "w", "abcdef", 3), -7);
	assert_error(&error, -7, "w", "abc");
	rmt_error_set_text(&error, 7, "", "", 0);
	assert_error(&error, -7, "", "");
	ramet_error_clear(&error);
}

static void error_moved_leaves_nothing_behind(void **state)
{
	ramet_error from = RAMET_ERROR_INIT, to = RAMET_ERROR_INIT;

	(void)state;
	rmt_error_set(&to, EPERM, "old");
	rmt_error_set_at(&from, EIO, "there", "new");
	assert_int_equal(rmt_error_move(&to, &from), -EIO);
	assert_error(&to, -EIO, "there", "new");
	assert_int_equal(from.code, 0);
	assert_null(from.where);
	assert_null(from.message);
	/* To itself: nothing changes. */
	assert_int_equal(rmt_error_move(&to, &to), -EIO);
	assert_error(&to, -EIO, "there", "new");
	ramet_error_clear(&to);
}

static void strerror_takes_both_signs_and_any_number(void **state)
{
	(void)state;
	assert_string_equal(rmt_strerror(-ENOENT), strerror(ENOENT));
	assert_string_equal(rmt_strerror(ENOENT), strerror(ENOENT));
	assert_non_null(strstr(rmt_strerror(99999), "99999"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(error_set_with_either_sign_is_negative),
		FIXTURE_TEST(error_null_is_allowed_everywhere),
		FIXTURE_TEST(error_set_from_its_own_message_keeps_it),
		FIXTURE_TEST(error_text_need_not_end_with_nul),
		FIXTURE_TEST(error_moved_leaves_nothing_behind),
		FIXTURE_TEST(strerror_takes_both_signs_and_any_number),
	};

	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

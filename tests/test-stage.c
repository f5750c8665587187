/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/wait.h>

#include <cmocka.h>

#include "base/macro.h"
#include "fixture.h"
#include "parent/stage.h"

#define NONCE "0123456789abcdef"
#define MARKER "ramet:" NONCE ":"
#define READY MARKER "ready:Linux x86_64:gzip:cksum:anonymous:/dev/shm\n"

/* --- what it says ------------------------------------------------------------------------------------ */

static struct rmt_stage stage_new(void)
{
	return (struct rmt_stage){.nonce = NONCE};
}

/* Feeds pieces of `piece` bytes and writes down the events: "L<noise>" "R" "F<phase>=<text>" "X". */
static void feed(const char *data, size_t size, size_t piece, char *events, size_t room)
{
	struct rmt_stage stage = stage_new();
	size_t used = 0;

	events[0] = '\0';
	for (size_t at = 0; at < size;) {
		size_t part = RMT_MIN(piece, size - at), taken = 0;
		int n = 0;

		switch (rmt_stage_feed(&stage, (const unsigned char *)data + at, part, &taken)) {
		case RMT_STAGE_NOTHING:
			assert_int_equal(taken, part);
			break;
		case RMT_STAGE_LINE:
			n = snprintf(events + used, room - used, "L%.*s|", (int)stage.line_size,
				     stage.line);
			break;
		case RMT_STAGE_READY:
			n = snprintf(events + used, room - used, "R%s,%d,%d,%d,%s|", stage.machine,
				     stage.gzip, stage.cksum, stage.anonymous, stage.place);
			break;
		case RMT_STAGE_FAILED:
			n = snprintf(events + used, room - used, "F%s=%s|", stage.phase,
				     stage.text);
			break;
		case RMT_STAGE_EXEC:
			n = snprintf(events + used, room - used, "X|");
			break;
		}
		assert_true(taken > 0 && taken <= part);
		assert_true(n >= 0 && (size_t)n < room - used);
		used += (size_t)n;
		at += taken;
	}
}

static void check_feed(const char *data, size_t size, const char *expected)
{
	char events[8192];

	for (size_t piece = 1; piece <= size; piece++) {
		feed(data, size, piece, events, sizeof(events));
		assert_string_equal(events, expected);
	}
}

static void lines_cut_anywhere_events_are_the_same(void **state)
{
	static const struct {
		const char *data, *events;
	} cases[] = {
		{READY, "RLinux x86_64,1,1,1,/dev/shm|"},
		{MARKER "ready:L:plain:cksum:named:/a:b c\n", "RL,0,1,0,/a:b c|"},
		{MARKER "ready:L:x:y:z:\n", "RL,0,0,0,|"},
		{MARKER "exec\n", "X|"},
		{MARKER "exec\r\n", "X|"},
		{MARKER "failed:place:no: room\r\n", "Fplace=no: room|"},
		{MARKER "failed:place\n", "Fplace=|"},
		{"hello\r\n\n" MARKER "exec\nrest\n", "Lhello|L|X|Lrest|"},
		{"a prompt> " MARKER "exec\n", "X|"},
		{"ramet:ramet:" MARKER "exec\n", "X|"},
		{MARKER MARKER "exec\n", "L" MARKER MARKER "exec|"},
		{"ramet:0123456789abcdee:exec\n", "Lramet:0123456789abcdee:exec|"},
		{"ramet:0123456789ABCDEF:exec\n", "Lramet:0123456789ABCDEF:exec|"},
		{MARKER "exec \n", "L" MARKER "exec |"},
		{MARKER "Exec\n", "L" MARKER "Exec|"},
		{MARKER "\n", "L" MARKER "|"},
		{MARKER "ready\n", "L" MARKER "ready|"},
		{MARKER "failed\n", "L" MARKER "failed|"},
		{MARKER "exec", ""},
	};

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(cases); i++)
		check_feed(cases[i].data, strlen(cases[i].data), cases[i].events);
}

/* Noise: whatever is in its line that was cut into words, it is no event. */
static void ready_with_too_few_fields_is_noise(void **state)
{
	static const char *const lines[] = {
		MARKER "ready:\n",
		MARKER "ready:L\n",
		MARKER "ready:L:gzip\n",
		MARKER "ready:L:gzip:x\n",
		MARKER "ready:L:gzip:x:named\n",
		MARKER "ready::gzip:x:y:/z\n",
	};
	struct rmt_stage stage;
	size_t taken;

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(lines); i++) {
		stage = stage_new();
		assert_int_equal(rmt_stage_feed(&stage, (const unsigned char *)lines[i],
						strlen(lines[i]), &taken),
				 RMT_STAGE_LINE);
		assert_int_equal(taken, strlen(lines[i]));
		assert_int_equal(stage.line_size, taken - 1);
		assert_memory_equal(stage.line, lines[i], stage.line_size);
	}
}

static void bytes_of_nul_become_harmless(void **state)
{
	static const char text[] = "a\0b\n" MARKER "ready:Li\0x:gzip:cksum:named:/t\0p\n" MARKER
				   "exec\0\n";

	(void)state;
	check_feed(text, sizeof(text) - 1, "La?b|RLi?x,1,1,0,/t?p|L" MARKER "exec?|");
}

/* Wherever the marker lies in noise without an end, it is found. */
static void noise_without_newline_of_any_length_marker_is_found(void **state)
{
	static const size_t pieces[] = {1, 7, 1024, 4096};
	char text[4096], events[4096];

	(void)state;
	for (size_t size = 900; size < 2200; size++) {
		memset(text, size % 3 ? 'x' : 'r', size);
		memcpy(text + size, READY MARKER "exec\n", strlen(READY MARKER "exec\n"));
		for (size_t i = 0; i < RMT_COUNT(pieces); i++) {
			feed(text, size + strlen(READY MARKER "exec\n"), pieces[i], events,
			     sizeof(events));
			assert_non_null(
				strstr(events, "|RLinux x86_64,1,1,1,/dev/shm|X|") ? events
				: size < RMT_STAGE_LINE_MAX &&
						strstr(events, "RLinux x86_64,1,1,1,/dev/shm|X|")
					? events
					: NULL);
		}
	}
}

static void line_too_long_is_cut_and_its_rest_is_noise(void **state)
{
	char text[2000], events[4096], *at = events;

	(void)state;
	memset(text, 'y', sizeof(text));
	memcpy(text, MARKER "failed:place:", strlen(MARKER "failed:place:"));
	text[sizeof(text) - 1] = '\n';
	feed(text, sizeof(text), 100, events, sizeof(events));
	assert_memory_equal(at, "Fplace=yyy", 10);
	at = strchr(at, '|');
	assert_memory_equal(at, "|Lyyy", 5);
	assert_int_equal(strlen(at + 2), sizeof(text) - RMT_STAGE_LINE_MAX);
}

static void nonces_are_hexadecimal_and_differ(void **state)
{
	struct rmt_stage one, other;

	(void)state;
	assert_int_equal(rmt_stage_init(&one), 0);
	assert_int_equal(rmt_stage_init(&other), 0);
	assert_int_equal(strlen(one.nonce), RMT_NONCE_SIZE);
	assert_int_equal(strspn(one.nonce, "0123456789abcdef"), RMT_NONCE_SIZE);
	assert_string_not_equal(one.nonce, other.nonce);
}

static void announcement_is_one_line(void **state)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;
	char *text;

	(void)state;
	rmt_stage_announce(123456, true, "abc", &out);
	rmt_stage_announce(0, false, "42", &out);
	text = rmt_buffer_steal_string(&out);
	assert_string_equal(text, "123456 gzip abc\n0 plain 42\n");
	free(text);
}

/* --- its program ------------------------------------------------------------------------------------- */

static char *write_stage(const char *directory, const char *title)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;
	char *text;

	rmt_stage_write(
		&(struct rmt_stage_text){
			.nonce = NONCE, .directory = directory, .title = title, .room = 4096},
		&out);
	text = rmt_buffer_steal_string(&out);
	assert_non_null(text);
	return text;
}

/* Every byte that a title or a directory may have. */
static void all_bytes(char text[256])
{
	for (int i = 1; i < 256; i++)
		text[i - 1] = (char)i;
	text[255] = '\0';
}

static void program_survives_quotes_and_csh(void **state)
{
	char bytes[256], one[2] = "";
	char *text;

	(void)state;
	all_bytes(bytes);
	for (int i = 0; i < 256; i++) {
		one[0] = (char)i;
		text = i ? write_stage(one, one) : write_stage(bytes, bytes);
		for (const char *c = text; *c; c++) {
			assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
			assert_true(*c != '!' && *c != '\'');
		}
		/* fish. */
		assert_null(strstr(text, "\\\\"));
		assert_true(text[strlen(text) - 1] != '\\');
		free(text);
	}
}

/* The status of a shell that is given these words; 127: there is none of that name. */
static int run(const char *const argv[])
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static const char *const shells[][3] = {
	{"sh", "-n", "-c"},      {"dash", "-n", "-c"}, {"bash", "-n", "-c"}, {"mksh", "-n", "-c"},
	{"busybox", "sh", NULL}, {"zsh", "-n", "-c"},  {"ksh", "-n", "-c"},
};

static void program_parses_in_every_shell(void **state)
{
	char bytes[256], file[] = "/tmp/test-stage-XXXXXX";
	int fd = mkstemp(file), status;
	unsigned found = 0;
	char *text;

	(void)state;
	all_bytes(bytes);
	text = write_stage(bytes, bytes);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	for (size_t i = 0; i < RMT_COUNT(shells); i++) {
		/* busybox takes -n for a file only. */
		const char *const words[] = {shells[i][0], shells[i][2] ? "-n" : "sh",
					     shells[i][2] ? file : "-n", shells[i][2] ? NULL : file,
					     NULL};

		status = run(words);
		if (status == 127)
			continue;
		if (status != 0)
			print_error("# %s: status %d\n", shells[i][0], status);
		assert_int_equal(status, 0);
		found++;
	}
	unlink(file);
	free(text);
	assert_true(found > 0);
}

/* What printf(1) prints for the title within the program is the title, harmless. */
static void title_survives_every_shell(void **state)
{
	char bytes[256], command[1200], *text, *begin;
	unsigned found = 0;
	int status;

	(void)state;
	all_bytes(bytes);
	text = write_stage(NULL, bytes);
	begin = strstr(text, "--ramet-stdio \"$f\" ");
	assert_non_null(begin);
	begin += strlen("--ramet-stdio \"$f\" ");
	*strstr(begin, ";fi;") = '\0';
	for (size_t i = 0; i < sizeof(bytes) - 1; i++)
		if ((unsigned char)bytes[i] < 0x20 || bytes[i] == 0x7f ||
		    strchr("\"'`$\\!", bytes[i]))
			bytes[i] = '_';
	setenv("EXPECTED", bytes, 1);
	snprintf(command, sizeof(command), "f=;test %s = \"$EXPECTED\"", begin);
	for (size_t i = 0; i < RMT_COUNT(shells); i++) {
		const char *const words[] = {shells[i][0], shells[i][2] ? "-c" : "sh",
					     shells[i][2] ? command : "-c",
					     shells[i][2] ? NULL : command, NULL};

		status = run(words);
		if (status == 127)
			continue;
		if (status != 0)
			print_error("# %s: status %d\n", shells[i][0], status);
		assert_int_equal(status, 0);
		found++;
	}
	unsetenv("EXPECTED");
	free(text);
	assert_true(found > 0);
}

static void quoted_for_another_shell_it_is_one_word(void **state)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;
	char *text;

	(void)state;
	rmt_stage_quote("/bin/sh", "exit 7", &out);
	text = rmt_buffer_steal_string(&out);
	assert_string_equal(text, "/bin/sh -c 'exit 7'");
	assert_int_equal(run((const char *const[]){"sh", "-c", text, NULL}), 7);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(lines_cut_anywhere_events_are_the_same),
		FIXTURE_TEST(ready_with_too_few_fields_is_noise),
		FIXTURE_TEST(bytes_of_nul_become_harmless),
		FIXTURE_TEST(noise_without_newline_of_any_length_marker_is_found),
		FIXTURE_TEST(line_too_long_is_cut_and_its_rest_is_noise),
		FIXTURE_TEST(nonces_are_hexadecimal_and_differ),
		FIXTURE_TEST(announcement_is_one_line),
		FIXTURE_TEST(program_survives_quotes_and_csh),
		FIXTURE_TEST(program_parses_in_every_shell),
		FIXTURE_TEST(title_survives_every_shell),
		FIXTURE_TEST(quoted_for_another_shell_it_is_one_word),
	};

	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

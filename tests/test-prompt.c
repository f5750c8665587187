/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tools print (parent/prompt.h). The captured texts are the corpus of the fuzz target, in its format: the tool's
 * letter, a digit, the text with 1e where a password was sent. Each text arrives whole, byte by byte, and cut in two
 * at every place, and always means the same.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/macro.h"
#include "base/printable.h"
#include "parent/prompt.h"

#define SSH &rmt_prompts_ssh
#define SUDO &rmt_prompts_sudo
#define SU &rmt_prompts_su
#define DOAS &rmt_prompts_doas

#define SENT "\x1e"

/* What has happened: P, H and F for the events, in order, up to the first F; the last text; and the end. */
struct outcome {
	char events[16];
	char prompt[RMT_PROMPT_LINE_MAX];
	char text[RMT_PROMPT_LINE_MAX];
	int code;
};

static void feed(struct rmt_prompter *prompter, enum rmt_prompt_source source, const char *data,
		 size_t size, struct outcome *outcome)
{
	static const char letters[] = {'-', 'P', 'H', 'F'};

	while (size > 0 && !strchr(outcome->events, 'F')) {
		size_t taken;
		enum rmt_prompt_event event = rmt_prompter_feed(prompter, source, data, size,
								&taken);
		size_t used = strlen(outcome->events);

		assert_in_range(taken, 1, size);
		data += taken;
		size -= taken;
		if (event == RMT_PROMPT_NOTHING)
			continue;
		assert_true(used + 1 < sizeof(outcome->events));
		outcome->events[used] = letters[event];
		if (event != RMT_PROMPT_FAILED)
			strcpy(outcome->prompt, prompter->text);
	}
}

/* Cut behind the first `first` bytes, then into pieces of `piece`. */
static void run(const struct rmt_prompts *prompts, enum rmt_prompt_source source, const char *text,
		size_t size, size_t first, size_t piece, struct outcome *outcome)
{
	struct rmt_prompter prompter;
	size_t from = 0;

	memset(outcome, 0, sizeof(*outcome));
	rmt_prompter_init(&prompter, prompts);
	for (size_t at = 0; at <= size; at++) {
		bool sent = at < size && text[at] == *SENT;

		if (at < size && !sent && at != first && at - from < piece)
			continue;
		/* In memory of its own, so that a sanitizer sees a read past its end. */
		char *data = malloc(at - from + 1);

		assert_non_null(data);
		memcpy(data, text + from, at - from);
		feed(&prompter, source, data, at - from, outcome);
		free(data);
		from = at + sent;
		if (sent && !strchr(outcome->events, 'F'))
			rmt_prompter_sent(&prompter);
	}
	if (rmt_prompter_explain(&prompter)) {
		strcpy(outcome->text, prompter.text);
		outcome->code = prompter.code;
	}
}

struct expected {
	const char *events;
	int code; /* a positive errno, or 0 */
	const char *text;
};

static void check_run(const char *name, const struct outcome *outcome,
		      const struct expected *expected)
{
	if (strcmp(outcome->events, expected->events) != 0 || outcome->code != -expected->code ||
	    !strstr(outcome->text, expected->text ? expected->text : ""))
		fail_msg("%s: events %s, code %d: %s", name, outcome->events, outcome->code,
			 outcome->text);
}

static void check(const char *name, const struct rmt_prompts *prompts,
		  enum rmt_prompt_source source, const char *text, size_t size,
		  const struct expected *expected)
{
	struct outcome outcome;

	run(prompts, source, text, size, 0, size + 1, &outcome);
	check_run(name, &outcome, expected);
	for (size_t piece = 1; piece < 4; piece++) {
		run(prompts, source, text, size, 0, piece, &outcome);
		check_run(name, &outcome, expected);
	}
	for (size_t first = 1; first < size; first++) {
		run(prompts, source, text, size, first, size + 1, &outcome);
		check_run(name, &outcome, expected);
	}
}

/* --- captured ------------------------------------------------------------------------------------------- */

static const struct captured {
	const char *name;
	struct expected expected;
} captured[] = {
	{"ssh-right", {"P", 0, NULL}},
	{"ssh-wrong", {"PF", EACCES, "ssh: the password is wrong"}},
	{"ssh-kbd-wrong", {"PF", EACCES, "ssh: the password is wrong"}},
	{"ssh-passphrase", {"PF", EACCES, "ssh: the passphrase is wrong"}},
	{"ssh-batch", {"F", ENOKEY, "no password was given"}},
	{"ssh-batch-kbd", {"F", ENOKEY, "no password was given"}},
	{"ssh-publickey-only",
	 {"F", EACCES, "no key was accepted: alice@127.0.0.1: Permission denied"}},
	{"ssh-no-identity", {"F", EACCES, "Identity file /nonexistent/key not accessible"}},
	{"ssh-expired", {"P", EKEYEXPIRED, "password has expired"}},
	{"ssh-host-key-ask", {"HF", EKEYREJECTED, "Host key verification failed."}},
	{"ssh-host-key-strict",
	 {"F", EKEYREJECTED, "No ED25519 host key is known for [127.0.0.1]"}},
	{"ssh-host-key-changed",
	 {"F", EKEYREJECTED, "known; Offending ED25519 key in /home/alice"}},
	{"ssh-host-key-changed-ask", {"F", EKEYREJECTED, "another than the one that is known"}},
	{"ssh-refused", {"", ECONNREFUSED, "127.0.0.1 port 22229: Connection refused"}},
	{"ssh-jump-refused", {"", ECONNREFUSED, "127.0.0.1 port 22229: Connection refused"}},
	{"ssh-unknown-host", {"", ENOENT, "nosuchhost.invalid: Name or service not known"}},
	{"ssh-bad-option", {"", EINVAL, "Bad configuration option: nosuch"}},
	{"ssh-no-cipher", {"", EPROTO, "no matching key exchange method found"}},
	{"ssh-crowded", {"", EAGAIN, "too many come together: kex_exchange_identification"}},
	{"ssh-peer-rst", {"", EAGAIN, "Connection reset by peer"}},
	{"ssh-peer-http", {"", EAGAIN, "kex_exchange_identification"}},
	{"ssh-peer-old", {"", EPROTO, "versions differ"}},
	{"sudo-right", {"P", 0, NULL}},
	{"sudo-wrong", {"PF", EACCES, "sudo: the password is wrong"}},
	{"sudo-empty", {"PF", EACCES, "sudo: the password is wrong"}},
	{"sudo-eof", {"PF", EACCES, "sudo: the password is wrong"}},
	{"sudo-n", {"F", ENOKEY, "sudo asks for a password, and none was given"}},
	{"sudo-no-tty", {"F", ENOTTY, "a terminal is required"}},
	{"sudo-not-in-sudoers", {"PF", EPERM, "bob is not in the sudoers file."}},
	{"sudo-not-allowed", {"PF", EKEYEXPIRED, "Account or password is expired"}},
	{"sudo-expired-account", {"PF", EKEYEXPIRED, "account validation failure"}},
	{"sudo-unknown-user", {"F", ENOENT, "unknown user nobodyhere"}},
	{"sudo-not-found", {"PF", ENOENT, "nonesuch: command not found"}},
	{"sudo-wrong-fr_FR", {"PF", EACCES, "sudo: the password is wrong"}},
	{"sudo-wrong-de_DE", {"PF", EACCES, "sudo: the password is wrong"}},
	{"sudo-wrong-ja_JP", {"PF", EACCES, "sudo: the password is wrong"}},
	{"sudo-wrong-km_KH", {"PF", EACCES, "sudo: the password is wrong"}},
	{"sudo-wrong-zh_CN", {"PF", EACCES, "sudo: the password is wrong"}},
	{"sudo-n-de_DE", {"", EPERM, "sudo: Ein Passwort ist notwendig"}},
	{"su-right", {"P", 0, NULL}},
	{"su-wrong", {"PF", EACCES, "the password is wrong: su: Authentication failure"}},
	{"su-unknown", {"F", ENOENT, "user nobodyhere does not exist"}},
	{"su-nologin", {"PF", EPERM, "This account is currently not available."}},
	{"su-expired-account", {"PF", EKEYEXPIRED, "Your account has expired"}},
	{"su-expired-password", {"PF", EKEYEXPIRED, "You are required to change your password"}},
	{"su-wrong-fr_FR", {"P", EACCES, "su: Échec de l’authentification"}},
	{"su-wrong-de_DE", {"P", EACCES, "su: Fehler bei Authentifizierung"}},
	{"su-wrong-ja_JP", {"P", EACCES, "su: 認証失敗"}},
	{"su-wrong-km_KH", {"P", EACCES, "su: "}},
	{"su-wrong-zh_CN", {"P", EACCES, "su: 鉴定故障"}},
	{"su-expired-fr_FR", {"PF", EKEYEXPIRED, "Mot de passe actuel"}},
	{"su-expired-de_DE", {"PF", EKEYEXPIRED, "das aktuelle Passwort"}},
	{"su-expired-ja_JP", {"PF", EKEYEXPIRED, "Current password"}},
	{"su-expired-zh_CN", {"PF", EKEYEXPIRED, "当前的密码"}},
	{"busybox-su-wrong", {"PF", EACCES, "the password is wrong: su: incorrect password"}},
	{"busybox-su-unknown", {"F", ENOENT, "su: unknown user nobodyhere"}},
	{"doas-right", {"P", 0, NULL}},
	{"doas-wrong", {"PF", EACCES, "the password is wrong: doas: Authentication failed"}},
	{"doas-n", {"F", ENOKEY, "doas asks for a password, and none was given"}},
	{"doas-not-permitted", {"F", EPERM, "doas: Operation not permitted"}},
	{"doas-unknown", {"F", ENOENT, "doas: unknown user"}},
};

static const struct rmt_prompts *tool(char letter)
{
	switch (letter) {
	case 's':
		return SSH;
	case 'o':
		return SUDO;
	case 'u':
		return SU;
	default:
		assert_int_equal(letter, 'd');
		return DOAS;
	}
}

static size_t read_captured(const char *name, char *text, size_t size)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/fuzz/corpus/prompt/%s", getenv("RAMET_SOURCE"), name);
	file = fopen(path, "re");
	if (!file)
		fail_msg("%s cannot be opened", path);
	size = fread(text, 1, size, file);
	fclose(file);
	assert_true(size > 2);
	return size;
}

static void captured_texts_mean_what_they_say_however_cut(void **state)
{
	char text[8192];

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(captured); i++) {
		size_t size = read_captured(captured[i].name, text, sizeof(text));

		check(captured[i].name, tool(text[0]), RMT_FROM_TERMINAL, text + 2, size - 2,
		      &captured[i].expected);
	}
}

/* --- made up -------------------------------------------------------------------------------------------- */

struct made {
	const struct rmt_prompts *prompts;
	const char *text;
	struct expected expected;
};

static void check_made(const struct made *cases, size_t count, enum rmt_prompt_source source)
{
	for (size_t i = 0; i < count; i++)
		check(cases[i].text, cases[i].prompts, source, cases[i].text, strlen(cases[i].text),
		      &cases[i].expected);
}

static void prompts_on_the_terminal_are_known(void **state)
{
	static const struct made cases[] = {
		{SSH, "root@db's password: ", {"P", 0, NULL}},
		{SSH, "(root@db) Password: ", {"P", 0, NULL}},
		{SSH, "(root@db) Mot de passe\u00a0: ", {"P", 0, NULL}},
		{SSH, "Password: ", {"P", 0, NULL}},
		{SSH, "Password for root@db: ", {"P", 0, NULL}},
		{SSH, "Enter passphrase for key '/k': ", {"P", 0, NULL}},
		{SSH, "(root@db) Verification code: ", {"", 0, NULL}},
		{SSH, "Are you sure you want to continue connecting (yes/no)? ", {"H", 0, NULL}},
		{SSH,
		 "Are you sure you want to continue connecting (yes/no/[fingerprint])? ",
		 {"H", 0, NULL}},
		{SSH,
		 "Are you sure you want to continue connecting (yes/no)? " SENT
		 "\nroot@db's password: ",
		 {"HF", EACCES, NULL}},
		{SSH, "(root@db) New password: ", {"F", EKEYEXPIRED, "another password"}},
		{SSH, "(current) UNIX password: ", {"F", EKEYEXPIRED, "another password"}},
		{SU, "Password for alice@EXAMPLE.ORG: ", {"P", 0, NULL}},
		{SU, "LDAP Password: ", {"P", 0, NULL}},
		{SU, "PASSWORT:", {"P", 0, NULL}},
		{SU, "Salasana: ", {"P", 0, NULL}},
		{SU, "Пароль: ", {"P", 0, NULL}},
		{SU, "암호: ", {"P", 0, NULL}},
		{SU, "Mật khẩu : ", {"P", 0, NULL}},
		{SU, "Mot de passe\u202f:", {"P", 0, NULL}},
		{SU, "ពាក្យសម្ងាត់\u00a0៖ ", {"P", 0, NULL}},
		{SU, "密碼： ", {"P", 0, NULL}},
		{SU, "The password is not asked for", {"", 0, NULL}},
		{SU, "Last login: ", {"", 0, NULL}},
		{SU, "Nouveau mot de passe\u00a0: ", {"", 0, NULL}},
		{DOAS, "\rdoas (alice@host) password: ", {"P", 0, NULL}},
		{DOAS, "Passwort: ", {"P", 0, NULL}},
		{SUDO, RMT_SUDO_PROMPT, {"P", 0, NULL}},
		{SUDO, "Password: ", {"", 0, NULL}},
		{NULL, "Password: ", {"", 0, NULL}},
	};

	(void)state;
	check_made(cases, RMT_COUNT(cases), RMT_FROM_TERMINAL);
}

/* sudo-rs puts words of its own around the marker. */
static void marker_in_other_words_is_one_prompt(void **state)
{
	static const struct made cases[] = {
		{SUDO, "[sudo: " RMT_SUDO_PROMPT "] Password: ", {"P", 0, NULL}},
		{SUDO,
		 "[sudo: " RMT_SUDO_PROMPT "] Mot de passe\u00a0: " SENT "\n",
		 {"P", 0, NULL}},
		{SUDO, "[sudo: " RMT_SUDO_PROMPT "] Password: " SENT "*****\n", {"P", 0, NULL}},
		{SUDO,
		 "[sudo: " RMT_SUDO_PROMPT "] Password: " SENT
		 "\nsudo: Authentication failed, try again.\n",
		 {"PF", EACCES, "the password is wrong"}},
		{SUDO,
		 "[sudo: " RMT_SUDO_PROMPT "] Password: " SENT "\n[sudo: " RMT_SUDO_PROMPT
		 "] Password: ",
		 {"PF", EACCES, "the password is wrong"}},
	};

	(void)state;
	check_made(cases, RMT_COUNT(cases), RMT_FROM_TERMINAL);
	check_made(cases, RMT_COUNT(cases), RMT_FROM_ERRORS);
}

/* A banner, or a shell on the other side: whoever writes there need not be the tool. */
static void prompts_among_the_errors_are_not_believed(void **state)
{
	static const struct made cases[] = {
		{SSH, "root@db's password: ", {"", 0, NULL}},
		{SSH, "Are you sure you want to continue connecting (yes/no)? ", {"", 0, NULL}},
		{DOAS, "doas (alice@host) password: ", {"", 0, NULL}},
		{SUDO, "Password: ", {"", 0, NULL}},
		{SUDO, RMT_SUDO_PROMPT, {"P", 0, NULL}},
	};

	(void)state;
	check_made(cases, RMT_COUNT(cases), RMT_FROM_ERRORS);
}

/* No terminal ends the line of the prompt. */
static void su_asks_among_the_errors(void **state)
{
	static const struct made cases[] = {
		{SU, "Password: ", {"P", 0, NULL}},
		{SU, "Mot de passe\u00a0: ", {"P", 0, NULL}},
		{SU,
		 "Password: " SENT "su: Authentication failure\n",
		 {"PF", EACCES, "the password is wrong: su: Authentication failure"}},
		{SU, "Password: " SENT "\nsu: Authentication failure\n", {"PF", EACCES, NULL}},
		{SU, "Password: " SENT "Password: ", {"PF", EACCES, "the password is wrong"}},
		{SU, "New password: ", {"F", EKEYEXPIRED, "another password"}},
		{SU,
		 "Passwort: " SENT "su: Authentifizierungsfehler\n",
		 {"P", EACCES,
		  "it refused once the password was given: su: Authentifizierungsfehler"}},
		{SU, "the password is not asked for", {"", 0, NULL}},
	};

	(void)state;
	check_made(cases, RMT_COUNT(cases), RMT_FROM_ERRORS);
}

/* The answer goes to where the question came from. */
static void prompt_has_its_source(void **state)
{
	static const char text[] = "Password: ";

	(void)state;
	for (int i = 0; i < RMT_PROMPT_SOURCES; i++) {
		enum rmt_prompt_source other = i == RMT_FROM_TERMINAL ? RMT_FROM_ERRORS
								      : RMT_FROM_TERMINAL;
		struct rmt_prompter prompter;
		size_t taken;

		rmt_prompter_init(&prompter, SU);
		assert_int_equal(rmt_prompter_feed(&prompter, (enum rmt_prompt_source)i, text,
						   sizeof(text) - 1, &taken),
				 RMT_PROMPT_PASSWORD);
		rmt_prompter_feed(&prompter, other, "noise", 5, &taken);
		assert_int_equal(prompter.source, i);
	}
}

static void complaints_have_their_errno(void **state)
{
	static const struct made cases[] = {
		{SSH, "Permission denied (publickey,password).\r\n", {"F", ENOKEY, NULL}},
		{SSH, "Permission denied (publickey).\r\n", {"F", EACCES, "no key was accepted"}},
		{SSH, SENT "Permission denied (password).\r\n", {"F", EACCES, "password is wrong"}},
		{SSH, "Permission denied, please try again.\r\n", {"", 0, NULL}},
		{SSH, SENT "Permission denied, please try again.\r\n", {"F", EACCES, NULL}},
		{SSH, "bash: /opt/tool: Permission denied (13)\n", {"", 0, NULL}},
		{SSH, "bad user shell: Permission denied (publickey,password).\n", {"", 0, NULL}},
		{SSH, "debug1: Permission denied (publickey).\n", {"", 0, NULL}},
		{SSH,
		 "ssh: Could not resolve hostname h: Temporary failure in name resolution\n",
		 {"", EHOSTUNREACH, NULL}},
		{SSH,
		 "ssh: connect to host h port 22: No route to host\n",
		 {"", EHOSTUNREACH, NULL}},
		{SSH,
		 "ssh: connect to host h port 22: Network is unreachable\n",
		 {"", ENETUNREACH, NULL}},
		{SSH,
		 "ssh: connect to host h port 22: Connection timed out\n",
		 {"", ETIMEDOUT, NULL}},
		{SSH,
		 "ssh_exchange_identification: read: Connection reset by peer\n",
		 {"", EAGAIN, NULL}},
		{SSH, "Connection closed by 127.0.0.1 port 22\n", {"", EAGAIN, NULL}},
		{SSH, SENT "Connection closed by 127.0.0.1 port 22\n", {"", ECONNRESET, NULL}},
		{SSH,
		 "kex_exchange_identification: banner line contains invalid characters\n",
		 {"", EPROTO, NULL}},
		{SSH, "Connection timed out during banner exchange\n", {"", ETIMEDOUT, NULL}},
		{SSH,
		 "Received disconnect from 127.0.0.1 port 22:2: Too many authentication failures\n",
		 {"", EACCES, NULL}},
		{SSH, "exec request failed on channel 0\n", {"", EPERM, NULL}},
		{SUDO,
		 "sudo: unable to resolve host h: Name or service not known\n",
		 {"", 0, NULL}},
		{SUDO,
		 "sudo: sorry, you must have a tty to run sudo\n",
		 {"F", ENOTTY, "have a tty"}},
		{SUDO,
		 "sudo: no tty present and no askpass program specified\n",
		 {"F", ENOTTY, NULL}},
		{SUDO, "Sorry, user bob may not run sudo on h.\n", {"F", EPERM, NULL}},
		{SUDO,
		 "bob is not allowed to run sudo on h.  This incident will be reported.\n",
		 {"F", EPERM, NULL}},
		{SUDO,
		 "bob is not in the sudoers file.  This incident will be reported.\n",
		 {"F", EPERM, NULL}},
		{SUDO,
		 "Sorry, user bob is not allowed to execute '/bin/sh' as root on h.\n",
		 {"F", EPERM, NULL}},
		{SUDO,
		 SENT "sudo: 3 incorrect password attempts\n",
		 {"F", EACCES, "password is wrong"}},
		{SUDO, "sudo: unknown user: x\n", {"F", ENOENT, NULL}},
		{SUDO,
		 "sudo: Account expired or PAM config lacks an \"account\" section for sudo\n",
		 {"F", EKEYEXPIRED, NULL}},
		{SUDO,
		 "sudo: effective uid is not 0, is sudo installed setuid root?\n",
		 {"F", EPERM, NULL}},
		{SUDO, "Sorry, try again.\n", {"", 0, NULL}},
		{SU, "su: Sorry\n", {"F", EACCES, NULL}},
		{SU, "su: must be run from a terminal\n", {"F", ENOTTY, NULL}},
		{SU, "su: Permission denied\n", {"F", EPERM, NULL}},
		{SU, "su: User account has expired\n", {"F", EKEYEXPIRED, NULL}},
		{SU, "No passwd entry for user 'x'\n", {"F", ENOENT, NULL}},
		{SU, "su: module is unknown", {"", EPERM, "su: module is unknown"}},
		{DOAS, "doas: Authorization failed\n", {"F", EACCES, "doas: Authorization failed"}},
		{DOAS, "doas: a tty is required\n", {"F", ENOTTY, NULL}},
		{DOAS,
		 "doas: doas is not enabled, /etc/doas.conf: No such file or directory\n",
		 {"F", EPERM, NULL}},
	};

	(void)state;
	check_made(cases, RMT_COUNT(cases), RMT_FROM_TERMINAL);
	check_made(cases, RMT_COUNT(cases), RMT_FROM_ERRORS);
}

static void sources_have_lines_of_their_own(void **state)
{
	struct rmt_prompter prompter;
	size_t taken;

	(void)state;
	rmt_prompter_init(&prompter, SU);
	assert_int_equal(rmt_prompter_feed(&prompter, RMT_FROM_TERMINAL, "Pass", 4, &taken), 0);
	assert_int_equal(rmt_prompter_feed(&prompter, RMT_FROM_ERRORS, "su: noise\n", 10, &taken),
			 0);
	assert_int_equal(rmt_prompter_feed(&prompter, RMT_FROM_TERMINAL, "word: ", 6, &taken),
			 RMT_PROMPT_PASSWORD);
	assert_string_equal(prompter.text, "Password: ");
}

/* What follows an event in the same bytes is left for the next call. */
static void failure_takes_the_bytes_up_to_its_end(void **state)
{
	static const char text[] = "su: Sorry\nmore";
	struct rmt_prompter prompter;
	size_t taken;

	(void)state;
	rmt_prompter_init(&prompter, SU);
	assert_int_equal(
		rmt_prompter_feed(&prompter, RMT_FROM_TERMINAL, text, strlen(text), &taken),
		RMT_PROMPT_FAILED);
	assert_int_equal(taken, strlen("su: Sorry\n"));
	assert_int_equal(prompter.code, -EACCES);
}

static void texts_are_harmless(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"plain \t\x1b[31mred\x7f", "plain ??[31mred?"},
		{"caf\u00e9 密码 \U0001f600", "caf\u00e9 密码 \U0001f600"},
		{"\xc2\x9b"
		 "31m",
		 "??31m"},
		{"\xff\xc3", "??"},
		{"\xe2\x82", "??"},
		{"", ""},
	};
	struct rmt_prompter prompter;
	size_t taken;

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(cases); i++) {
		char *text = strdup(cases[i].text);

		assert_non_null(text);
		rmt_make_printable(text);
		assert_string_equal(text, cases[i].expected);
		free(text);
	}
	rmt_prompter_init(&prompter, SU);
	assert_int_equal(rmt_prompter_feed(&prompter, RMT_FROM_TERMINAL,
					   "\033]0;x\007 Password: ", 17, &taken),
			 RMT_PROMPT_PASSWORD);
	assert_string_equal(prompter.text, "?]0;x? Password: ");
	/* A byte 0 ends nothing. */
	rmt_prompter_init(&prompter, SU);
	assert_int_equal(
		rmt_prompter_feed(&prompter, RMT_FROM_TERMINAL, "\0su: Sorry\n", 11, &taken), 0);
}

static void overlong_line_is_no_complaint_and_ends(void **state)
{
	struct rmt_prompter prompter;
	size_t taken;

	(void)state;
	rmt_prompter_init(&prompter, SUDO);
	for (int i = 0; i < 5000; i++)
		assert_int_equal(rmt_prompter_feed(&prompter, RMT_FROM_TERMINAL, "x", 1, &taken),
				 0);
	assert_int_equal(rmt_prompter_feed(&prompter, RMT_FROM_TERMINAL,
					   " is not in the sudoers file.\n", 29, &taken),
			 0);
	assert_int_equal(rmt_prompter_feed(&prompter, RMT_FROM_TERMINAL, RMT_SUDO_PROMPT,
					   strlen(RMT_SUDO_PROMPT), &taken),
			 RMT_PROMPT_PASSWORD);
	assert_string_equal(prompter.text, "[sudo] password: ");
}

static void standard_words_name_the_key_and_the_host(void **state)
{
	struct rmt_prompter prompter;
	char text[8192];
	size_t size = read_captured("ssh-host-key-ask", text, sizeof(text)), taken;

	(void)state;
	rmt_prompter_init(&prompter, SUDO);
	rmt_prompter_required(&prompter);
	assert_int_equal(prompter.code, -ENOKEY);
	assert_string_equal(prompter.text,
			    "sudo asks for a password, and none was given: use the key "
			    "password=env:NAME, fd:N, ask or program");
	rmt_prompter_init(&prompter, NULL);
	rmt_prompter_required(&prompter);
	assert_int_equal(prompter.code, -ENOKEY);
	rmt_prompter_init(&prompter, SSH);
	size = (size_t)(strchr(text, *SENT) - text) - 2;
	assert_int_equal(rmt_prompter_feed(&prompter, RMT_FROM_TERMINAL, text + 2, size, &taken),
			 RMT_PROMPT_HOST_KEY);
	rmt_prompter_distrust(&prompter);
	assert_int_equal(prompter.code, -EKEYREJECTED);
	assert_non_null(strstr(prompter.text, "the host key is not known: "));
	assert_non_null(strstr(prompter.text, "'[127.0.0.1]:22221"));
	assert_non_null(strstr(prompter.text, "SHA256:"));
	assert_true(rmt_prompter_explain(&prompter));
	assert_int_equal(prompter.code, -EKEYREJECTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(captured_texts_mean_what_they_say_however_cut),
		cmocka_unit_test(prompts_on_the_terminal_are_known),
		cmocka_unit_test(marker_in_other_words_is_one_prompt),
		cmocka_unit_test(prompts_among_the_errors_are_not_believed),
		cmocka_unit_test(su_asks_among_the_errors),
		cmocka_unit_test(prompt_has_its_source),
		cmocka_unit_test(complaints_have_their_errno),
		cmocka_unit_test(sources_have_lines_of_their_own),
		cmocka_unit_test(failure_takes_the_bytes_up_to_its_end),
		cmocka_unit_test(texts_are_harmless),
		cmocka_unit_test(overlong_line_is_no_complaint_and_ends),
		cmocka_unit_test(standard_words_name_the_key_and_the_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

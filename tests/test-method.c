/* SPDX-License-Identifier: BSD-3-Clause */
/* What the methods make of hops: the command line of each tool with each key, and what they refuse. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macro.h"
#include "fixture.h"
#include "parent/command.h"
#include "parent/keys.h"
#include "parent/method.h"
#include "parent/prompt.h"
#define W RMT_FORM_WORDS
#define L RMT_FORM_LINE
#define I RMT_FORM_INPUT
#define C RMT_FORM_CODED
#define NONE RMT_TERMINAL_NONE
#define HYBRID RMT_TERMINAL_HYBRID
#define FULL RMT_TERMINAL_FULL

/* The beginning and the end of ssh's command lines without options. */
#define SSH "ssh -o LogLevel=ERROR "
#define SSH_CONNECTION "-o ServerAliveInterval=15 -o ServerAliveCountMax=3 "
#define SSH_BATCH SSH_CONNECTION "-o BatchMode=yes -o NumberOfPasswordPrompts=1 "
#define SSH_ASKED SSH_CONNECTION "-o NumberOfPasswordPrompts=1 "
#define SSH_END "-o StrictHostKeyChecking=yes -T -e none "

#define SRUN "srun --nodes=1 --ntasks=1 --unbuffered "

static const struct expected {
	const char *hop, *command;
	enum rmt_form form;
	enum rmt_terminal_use terminal;
} expected[] = {
	{"ssh:h", SSH SSH_BATCH SSH_END "h", L, NONE},
	{"ssh:alice@h:2222", SSH "-l alice -p 2222 " SSH_BATCH SSH_END "h", L, NONE},
	{"ssh:a@b@h", SSH "-l a@b " SSH_BATCH SSH_END "h", L, NONE},
	{"ssh:[::1]:22", SSH "-p 22 " SSH_BATCH SSH_END "::1", L, NONE},
	{"ssh:u@[fe80::1%25eth0]", SSH "-l u " SSH_BATCH SSH_END "fe80::1%eth0", L, NONE},
	{"ssh:::1", SSH SSH_BATCH SSH_END "::1", L, NONE},
	{"ssh:h?username=alice&port=1", SSH "-l alice -p 1 " SSH_BATCH SSH_END "h", L, NONE},
	{"ssh:h?tool=%2Fopt%2Fssh", "/opt/ssh -o LogLevel=ERROR " SSH_BATCH SSH_END "h", L, NONE},
	{"ssh:h?password=env:PW", SSH "-o IdentitiesOnly=yes " SSH_ASKED SSH_END "h", L, HYBRID},
	{"ssh:h?password=env:PW&identities_only=no", SSH SSH_ASKED SSH_END "h", L, HYBRID},
	{"ssh:h?password=env:PW&tty=no", SSH "-o IdentitiesOnly=yes " SSH_BATCH SSH_END "h", L,
	 NONE},
	{"ssh:h?tty=full", SSH SSH_ASKED SSH_END "h", L, FULL},
	{"ssh:h?identity_file=%2Fk%20y&config_file=c",
	 SSH "-o IdentitiesOnly=yes -i '/k y' -F c " SSH_BATCH SSH_END "h", L, NONE},
	{"ssh:h?identity_file=k&identities_only=no", SSH "-i k " SSH_BATCH SSH_END "h", L, NONE},
	{"ssh:h?check_host_keys=accept", SSH SSH_ASKED "-o StrictHostKeyChecking=ask -T -e none h",
	 L, HYBRID},
	{"ssh:h?check_host_keys=accept&tty=no",
	 SSH SSH_BATCH "-o StrictHostKeyChecking=accept-new -T -e none h", L, NONE},
	{"ssh:h?check_host_keys=ignore",
	 SSH SSH_BATCH "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
		       "-o GlobalKnownHostsFile=/dev/null -T -e none h",
	 L, NONE},
	{"ssh:h?check_host_keys=enforce", SSH SSH_BATCH SSH_END "h", L, NONE},
	{"ssh:h?compression=no&keepalive_enabled=no",
	 SSH "-o Compression=no -o BatchMode=yes -o NumberOfPasswordPrompts=1 " SSH_END "h", L,
	 NONE},
	{"ssh:h?keepalive_interval=5&keepalive_count=7&compression=yes&keepalive_enabled=yes",
	 SSH "-o Compression=yes -o ServerAliveInterval=5 -o ServerAliveCountMax=7 "
	     "-o BatchMode=yes -o NumberOfPasswordPrompts=1 " SSH_END "h",
	 L, NONE},
	{"ssh:h?debug_level=1", "ssh -v " SSH_BATCH SSH_END "h", L, NONE},
	{"ssh:h?debug_level=3", "ssh -vvv " SSH_BATCH SSH_END "h", L, NONE},
	{"ssh:h?debug_level=0", SSH SSH_BATCH SSH_END "h", L, NONE},
	{"ssh:h?args=-J%20bastion%20-o%20'ProxyCommand%20nc%20%25h'",
	 SSH SSH_BATCH SSH_END "-J bastion -o 'ProxyCommand nc %h' h", L, NONE},

	{"sudo", "sudo -p ramet-sudo-prompt: -u root --", W, HYBRID},
	{"sudo:bob", "sudo -p ramet-sudo-prompt: -u bob --", W, HYBRID},
	{"sudo?username=bob&tool=%2Fs", "/s -p ramet-sudo-prompt: -u bob --", W, HYBRID},
	{"sudo?password=ask&tty=no", "sudo -p ramet-sudo-prompt: -u root --", W, NONE},
	{"sudo?preserve_env=yes&set_home=yes&selinux_role=r&selinux_type=t",
	 "sudo -p ramet-sudo-prompt: -u root -E -H -r r -t t --", W, HYBRID},
	{"sudo?login=yes", "sudo -p ramet-sudo-prompt: -u root -i --", C, HYBRID},
	{"sudo?login=no&set_home=no&preserve_env=no", "sudo -p ramet-sudo-prompt: -u root --", W,
	 HYBRID},
	{"sudo?args=-HEn%20-S%20-ubob%20-r%20r%20-tt",
	 "sudo -p ramet-sudo-prompt: -u bob -E -H -r r -t t --", W, HYBRID},
	{"sudo?args=--user%3Dbob%20--set-home%20--preserve-env%20--role%20r%20--type%3Dt",
	 "sudo -p ramet-sudo-prompt: -u bob -E -H -r r -t t --", W, HYBRID},
	{"sudo?args=--login%20--stdin%20--non-interactive",
	 "sudo -p ramet-sudo-prompt: -u root -i --", C, HYBRID},
	{"sudo:eve?args=-u%20bob%20-H%20-i&set_home=no&login=no",
	 "sudo -p ramet-sudo-prompt: -u eve --", W, HYBRID},

	{"su", "su root -c", L, FULL},
	{"su:bob?login=yes", "su -l bob -c", L, FULL},
	{"su?username=bob&tool=%2Fs&args=-s%20%2Fbin%2Fsh&password=ask", "/s -s /bin/sh bob -c", L,
	 FULL},
	{"doas", "doas -u root --", W, HYBRID},
	{"doas:bob?args=-n&tool=%2Fd&tty=full", "/d -n -u bob --", W, FULL},
	{"su?password_prompt=Kennung&incorrect_prompts=falsch|nein", "su root -c", L, FULL},
	{"doas?password_prompt=x&incorrect_prompts=y", "doas -u root --", W, HYBRID},
	{"doas?username=bob&password=fd:3", "doas -u bob --", W, HYBRID},

	{"docker:c", "docker exec --interactive c", W, NONE},
	{"docker:c?username=1:2&args=-H%20tcp:h&exec_args=-w%20%2F&tool=%2Fd",
	 "/d -H tcp:h exec --interactive --user=1:2 -w / c", W, NONE},
	{"docker:i%2Fm:1?run=yes&username=u&args=-D&exec_args=--init",
	 "docker -D run --rm --entrypoint= --interactive --user=u --init i/m:1", W, NONE},
	{"docker:c?run=no", "docker exec --interactive c", W, NONE},
	{"podman:c?username=u&args=--remote&exec_args=-w%20%2F&tool=p",
	 "p --remote exec --interactive --user=u -w / c", W, NONE},
	{"podman:i?run=yes", "podman run --rm --entrypoint= --interactive i", W, NONE},
	{"buildah:c", "buildah run -- c", W, NONE},
	{"buildah:c?username=u&args=-a&exec_args=-b&tool=t", "t -a run --user=u -b -- c", W, NONE},
	{"kubectl:p", "kubectl exec --stdin p --", W, NONE},
	{"kubectl:p?namespace=n&container=c&args=--context%20x&exec_args=-b&tool=t",
	 "t --context x --namespace=n exec --stdin --container=c -b p --", W, NONE},
	{"lxc:c", "lxc-attach --clear-env --name c --", W, NONE},
	{"lxc:c?uid=1&gid=2&args=-P%20d&tool=t", "t -P d --clear-env --uid=1 --gid=2 --name c --",
	 W, NONE},
	{"lxd:c", "lxc exec --mode=non-interactive c --", W, NONE},
	{"lxd:r:c?uid=1&gid=2&args=-q&exec_args=-b&tool=t",
	 "t -q exec --mode=non-interactive --user=1 --group=2 -b r:c --", W, NONE},
	{"incus:c", "incus exec --mode=non-interactive c --", W, NONE},
	{"incus:c?uid=1&gid=2&args=-q&exec_args=-b&tool=t",
	 "t -q exec --mode=non-interactive --user=1 --group=2 -b c --", W, NONE},
	{"jail:j", "jexec j", W, NONE},
	{"jail:j?username=u&args=-l&tool=%2Fusr%2Fsbin%2Fjexec", "/usr/sbin/jexec -l -U u j", W,
	 NONE},
	{"machinectl:m", "systemd-run --machine=m --quiet --pipe --wait --collect --", C, NONE},
	{"machinectl:m?username=u&args=-p%20X%3DY&tool=t",
	 "t --machine=m --quiet --pipe --wait --collect --uid=u -p X=Y --", C, NONE},
	{"chroot:%2Fsrv%2Froot", "chroot /srv/root", W, NONE},
	{"chroot:d?username=u:g&groups=1,2&args=--skip-chdir&tool=t",
	 "t --userspec=u:g --groups=1,2 --skip-chdir d", W, NONE},
	{"srun", "srun --nodes=1 --ntasks=1 --unbuffered", W, NONE},
	{"srun:1234_5", SRUN "--jobid=1234_5", W, NONE},
	{"srun:node7?args=--overlap&tool=t&partition=p",
	 "t --nodes=1 --ntasks=1 --unbuffered --partition=p --nodelist=node7 --overlap", W, NONE},
	{"srun?jobid=1&nodelist=n1", SRUN "--jobid=1 --nodelist=n1", W, NONE},
	{"exec:env%20-i%20'a%20b'", "env -i 'a b'", W, NONE},
	{"exec:ssh%20h?as=line&args=-x", "ssh h -x", L, NONE},
	{"exec:%2Fbin%2Fsh?as=input&tty=full", "/bin/sh", I, FULL},
	{"exec:env?as=words&tty=hybrid", "env", W, HYBRID},
};

static void parse_hop(const char *text, struct rmt_hop *hop)
{
	ramet_error error = RAMET_ERROR_INIT;

	if (rmt_hop_parse(text, strlen(text), hop, &error) < 0)
		fail_msg("%s", error.message);
}

/* The command of a good hop. */
static const struct rmt_method *make_command(const struct rmt_hop *hop, struct rmt_command *command)
{
	ramet_error error = RAMET_ERROR_INIT;
	const struct rmt_method *method = NULL;

	rmt_command_init(command);
	if (rmt_method_find(hop, &method, &error) < 0)
		fail_msg("%s", error.message);
	method->command(hop, command);
	assert_int_equal(command->error, 0);
	assert_null(command->argv[command->count]);
	return method;
}

static char *describe(const struct rmt_command *command, size_t count)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;
	char *text;

	rmt_command_describe(command, count, &out);
	text = rmt_buffer_steal_string(&out);
	assert_non_null(text);
	return text;
}

static void method_makes_command(void **state)
{
	(void)state;
	for (size_t i = 0; i < RMT_COUNT(expected); i++) {
		const struct rmt_method *method;
		struct rmt_command command;
		struct rmt_hop hop;
		char *text;

		parse_hop(expected[i].hop, &hop);
		method = make_command(&hop, &command);
		text = describe(&command, command.count);
		assert_string_equal(text, expected[i].command);
		if (command.form != expected[i].form || command.terminal != expected[i].terminal)
			fail_msg("%s: form %d, terminal %d", expected[i].hop, command.form,
				 command.terminal);
		assert_ptr_equal(command.prompts, method->prompts);
		assert_ptr_equal(command.hint, method->hint);
		assert_ptr_equal(command.question, rmt_hop_key(&hop, "password_prompt"));
		assert_ptr_equal(command.refusals, rmt_hop_key(&hop, "incorrect_prompts"));
		assert_int_equal(method->crowded, strcmp(hop.method, "ssh") == 0);
		assert_int_equal(command.accept_host_key,
				 strstr(expected[i].hop, "keys=accept") != NULL);
		free(text);
		rmt_command_done(&command);
		rmt_hop_done(&hop);
	}
}

static bool is_tried(const struct rmt_method *method, const char *key, size_t size)
{
	for (size_t i = 0; i < RMT_COUNT(expected); i++) {
		struct rmt_hop hop;
		bool tried = false;

		parse_hop(expected[i].hop, &hop);
		for (size_t k = 0; k < hop.key_count; k++)
			tried |= strcmp(hop.method, method->name) == 0 &&
				 strlen(hop.keys[k].name) == size &&
				 memcmp(hop.keys[k].name, key, size) == 0;
		rmt_hop_done(&hop);
		if (tried)
			return true;
	}
	return false;
}

static void table_above_tries_each_key_of_each_tool(void **state)
{
	const struct rmt_method *method;
	size_t tools = 0;

	(void)state;
	for (size_t i = 0; (method = rmt_method_get(i)); i++) {
		if (!method->command || strcmp(method->name, "nsenter") == 0)
			continue;
		tools++;
		for (const char *key = method->keys; *key;) {
			size_t size = strcspn(key, " ="), whole = strcspn(key, " ");

			if (!is_tried(method, key, size))
				fail_msg("%s?%.*s is not tried", method->name, (int)size, key);
			key += whole + strspn(key + whole, " ");
		}
	}
	assert_int_equal(tools, 16);
}

static void method_has_prompts_and_hints_of_its_tool(void **state)
{
	static const struct {
		const char *name;
		const struct rmt_prompts *prompts;
		bool hint;
	} cases[] = {
		{"ssh", &rmt_prompts_ssh, false},
		{"sudo", &rmt_prompts_sudo, false},
		{"su", &rmt_prompts_su, false},
		{"doas", &rmt_prompts_doas, false},
		{"lxc", NULL, true},
		{"lxd", NULL, true},
		{"incus", NULL, true},
		{"docker", NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(cases); i++) {
		const struct rmt_method *method = rmt_method_named(cases[i].name);

		assert_ptr_equal(method->prompts, cases[i].prompts);
		assert_int_equal(method->hint != NULL, cases[i].hint);
	}
}

static void nsenter_runs_a_script_with_its_words(void **state)
{
	static const struct {
		const char *hop, *words;
	} cases[] = {
		{"nsenter:123", "nsenter pid 123 '' '' '' --"},
		{"nsenter:c?kind=docker&username=u&kind_tool=%2Fd&tool=%2Fn&args=--cgroup",
		 "nsenter docker c u /d /n --cgroup --"},
	};

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(cases); i++) {
		struct rmt_command command, rest;
		struct rmt_hop hop;
		char *text;

		parse_hop(cases[i].hop, &hop);
		make_command(&hop, &command);
		assert_string_equal(command.argv[0], "/bin/sh");
		assert_string_equal(command.argv[1], "-c");
		rest = (struct rmt_command){.argv = command.argv + 3, .count = command.count - 3};
		text = describe(&rest, rest.count);
		assert_string_equal(text, cases[i].words);
		free(text);
		text = describe(&command, 3);
		assert_string_equal(text, "/bin/sh -c '...'");
		free(text);
		rmt_command_done(&command);
		rmt_hop_done(&hop);
	}
}

static void method_refuses_what_makes_no_sense(void **state)
{
	static const struct {
		const char *hop;
		int code;
		const char *what;
	} cases[] = {
		{"nowhere", EPROTONOSUPPORT,
		 "there is no method 'nowhere' (there are local, fork, ssh"},
		{"ssh", EINVAL, "ssh:TARGET"},
		{"ssh:", EINVAL, "ssh:TARGET"},
		{"local:x", EINVAL, "local takes no target"},
		{"ssh:h?colour=red", EINVAL, "there is no key 'colour' (ssh has tool username"},
		{"local?tool=x", EINVAL, "there is no key 'tool'"},
		{"fork?remote_name=x", EINVAL, "there is no key 'remote_name'"},
		{"unix:s?tty=no", EINVAL, "there is no key 'tty'"},
		{"docker:c?password=ask", EINVAL, "there is no key 'password'"},
		{"exec:env?tool=x", EINVAL, "there is no key 'tool'"},
		{"ssh:-oProxyCommand%3Dx", EINVAL, "begins with '-'"},
		{"ssh:u@-h", EINVAL, "does not begin with '-'"},
		{"ssh:[-h]", EINVAL, "does not begin with '-'"},
		{"ssh:u@", EINVAL, "a host is expected"},
		{"ssh:@h", EINVAL, "one user name"},
		{"ssh:u@h?username=v", EINVAL, "one user name"},
		{"ssh:h:0", EINVAL, "1-65535"},
		{"ssh:h:65536", EINVAL, "1-65535"},
		{"ssh:h:+5", EINVAL, "1-65535"},
		{"ssh:h:", EINVAL, "1-65535"},
		{"ssh:[::1]:x", EINVAL, "1-65535"},
		{"ssh:h:1?port=2", EINVAL, "one port"},
		{"ssh:h%20x", EINVAL, "no host has"},
		{"ssh:`x`", EINVAL, "no host has"},
		{"ssh:[::1", EINVAL, "no host has"},
		{"ssh:h?port=0", EINVAL, "port=0: a number of 1-65535 is expected"},
		{"ssh:h?port=x", EINVAL, "port=x"},
		{"ssh:h?port=", EINVAL, "port="},
		{"ssh:h?port=99999999999999999999", EINVAL, "1-65535"},
		{"ssh:h?compression=maybe", EINVAL, "compression=maybe: yes|no is expected"},
		{"ssh:h?check_host_keys=acc", EINVAL, "accept|enforce|ignore is expected"},
		{"ssh:h?identity_file=", EINVAL, "identity_file=: a value"},
		{"ssh:h?username=-l", EINVAL, "begins with '-'"},
		{"ssh:h?args='x", EINVAL, "a quote is open"},
		{"ssh:h?tty=some", EINVAL, "no|hybrid|full"},
		{"ssh:h?shell=sh%20-x", EINVAL, "shell=sh -x"},
		{"ssh:h?shell=-x", EINVAL, "shell=-x"},
		{"ssh:h?remote_name=a%2Fb", EINVAL, "slash"},
		{"ssh:h?remote_name=a%5Cb", EINVAL, "slash"},
		{"local?remote_name=a%2Fb", EINVAL, "slash"},
		{"local?connect_timeout=0", EINVAL, "connect_timeout=0: a number of 1-86400000"},
		{"local?nice=20", EINVAL, "nice=20"},
		{"sudo:a?username=b", EINVAL, "the user is the target, or the key username"},
		{"su:a?username=b", EINVAL, "the user is the target"},
		{"doas:a?username=b", EINVAL, "the user is the target"},
		{"sudo:-u", EINVAL, "begins with '-'"},
		{"sudo?args=-k", EINVAL, "no such option here: -k"},
		{"sudo?args=--reset-timestamp", EINVAL, "no such option here: --reset-timestamp"},
		{"sudo?args=--set-home%3Dyes", EINVAL, "no such option here"},
		{"sudo?args=-u", EINVAL, "a value is expected"},
		{"sudo?args=--user", EINVAL, "a value is expected"},
		{"sudo?args=ls", EINVAL, "only options are expected: ls"},
		{"sudo?args=--", EINVAL, "only options are expected: --"},
		{"sudo?password=hush", EINVAL, "password"},
		{"docker:c?exec_args=\"", EINVAL, "exec_args"},
		{"docker:c?run=1", EINVAL, "yes|no"},
		{"lxc:c?uid=root", EINVAL, "uid=root: a number"},
		{"nsenter:name", EINVAL, "process id or, with the key kind"},
		{"nsenter:0", EINVAL, "process id"},
		{"nsenter:c?kind=jail", EINVAL, "docker|podman"},
		{"srun:12?jobid=13", EINVAL, "jobid"},
		{"srun:n1?nodelist=n2", EINVAL, "nodelist"},
		{"exec:'x", EINVAL, "a quote is open"},
		{"exec:%20", EINVAL, "a command is expected"},
		{"exec:x?as=other", EINVAL, "words|line|input"},
		{"unix:", EINVAL, "unix:TARGET"},
	};

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(cases); i++) {
		ramet_error error = RAMET_ERROR_INIT;
		const struct rmt_method *method = NULL;
		struct rmt_hop hop;

		parse_hop(cases[i].hop, &hop);
		if (rmt_method_find(&hop, &method, &error) != -cases[i].code)
			fail_msg("%s: code %d", cases[i].hop, error.code);
		assert_null(method);
		if (!strstr(error.message, cases[i].what))
			fail_msg("%s: %s", cases[i].hop, error.message);
		ramet_error_clear(&error);
		rmt_hop_done(&hop);
	}
}

/* The command's own words never have what is for the other side's environment. */
static void command_has_no_environment(void **state)
{
	struct rmt_command command;
	struct rmt_hop hop;
	char *text;

	(void)state;
	parse_hop("docker:c?env.SECRET=hush", &hop);
	make_command(&hop, &command);
	text = describe(&command, command.count);
	assert_string_equal(text, "docker exec --interactive c");
	free(text);
	rmt_command_done(&command);
	rmt_hop_done(&hop);
}

static void hop_helpers_know_defaults_and_keys(void **state)
{
	struct rmt_hop bare, full;
	char *name;

	(void)state;
	parse_hop("ssh:h", &bare);
	parse_hop("ssh:h?connect_timeout=77&shell=%2Fbin%2Fash&remote_name=me&compression=no",
		  &full);
	assert_int_equal(rmt_hop_timeout(&bare, 5), 5);
	assert_int_equal(rmt_hop_timeout(&full, 5), 77);
	assert_string_equal(rmt_hop_shell(&bare), "/bin/sh");
	assert_string_equal(rmt_hop_shell(&full), "/bin/ash");
	assert_true(rmt_hop_flag(&bare, "compression", true));
	assert_false(rmt_hop_flag(&bare, "compression", false));
	assert_false(rmt_hop_flag(&full, "compression", true));
	name = rmt_hop_remote_name(&full);
	assert_string_equal(name, "me");
	free(name);
	setenv("USER", "DOMAIN\\a/b", 1);
	name = rmt_hop_remote_name(&bare);
	assert_int_equal(strncmp(name, "DOMAIN_a_b@", 11), 0);
	assert_int_equal(atoi(strrchr(name, ':') + 1), getpid());
	free(name);
	rmt_hop_done(&bare);
	rmt_hop_done(&full);
}

static void words_are_split_as_a_shell_would(void **state)
{
	static const struct {
		const char *text;
		int result;
		const char *words;
	} cases[] = {
		{"", 0, ""},
		{"  ", 0, ""},
		{" a  b\tc\n", 0, "a b c"},
		{"'a b' \"c d\"", 0, "'a b' 'c d'"},
		{"a'b'\"c\"d", 0, "abcd"},
		{"'' \"\"", 0, "'' ''"},
		{"a\\ b \\'", 0, "'a b' ''\\'''"},
		{"\"a\\\"b\" 'a\\b'", 0, "'a\"b' 'a\\b'"},
		{"$HOME `x` ;", 0, "'$HOME' '`x`' ';'"},
		{"a\\", 0, "'a\\'"},
		{"'a", -EINVAL, ""},
		{"\"a", -EINVAL, ""},
		{"\"a\\\"", -EINVAL, ""},
	};

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(cases); i++) {
		struct rmt_command command;
		char *text;

		rmt_command_init(&command);
		assert_int_equal(rmt_command_add_words(NULL, cases[i].text), cases[i].result);
		assert_int_equal(rmt_command_add_words(&command, cases[i].text), cases[i].result);
		assert_int_equal(command.error, 0);
		text = describe(&command, command.count);
		assert_string_equal(text, cases[i].words);
		free(text);
		rmt_command_done(&command);
	}
}

static void command_of_many_words_keeps_them(void **state)
{
	struct rmt_command command;
	char *text;

	(void)state;
	rmt_command_init(&command);
	for (int i = 0; i < 100; i++)
		rmt_command_add(&command, i % 2 ? "odd" : "even");
	assert_int_equal(command.count, 100);
	assert_null(command.argv[100]);
	assert_string_equal(command.argv[99], "odd");
	text = describe(&command, 3);
	assert_string_equal(text, "even odd even");
	free(text);
	rmt_command_done(&command);
}

/* What a shell says when it runs the coded text, as it comes out of a shell that expands "$". */
static void coded_stage_means_the_same_to_a_shell(void **state)
{
	static const char stage[] = "x=5%; printf \"%s|\" \"$x\" \"a\\\\b\" `echo q` \"$((1 + "
				    "1))\" '$x' \"'\"; echo end";
	struct rmt_buffer out = RMT_BUFFER_INIT;
	char *coded, command[2048], line[256] = "";
	FILE *file;

	(void)state;
	rmt_command_code(stage, &out);
	coded = rmt_buffer_steal_string(&out);
	assert_null(strchr(coded, '$'));
	setenv("CODED", coded, 1);
	snprintf(command, sizeof(command), "exec /bin/sh -c \"$CODED\"");
	file = popen(command, "r");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	assert_int_equal(pclose(file), 0);
	assert_string_equal(line, "5%|a\\b|q|2|$x|'|end\n");
	free(coded);
}

static enum rmt_prompt_event say(struct rmt_prompter *prompter, const char *text)
{
	size_t taken;

	return rmt_prompter_feed(prompter, RMT_FROM_TERMINAL, text, strlen(text), &taken);
}

/* The keys password_prompt and incorrect_prompts, in the hands of the prompter. */
static void prompter_knows_the_words_that_it_is_told(void **state)
{
	struct rmt_prompter prompter;

	(void)state;
	rmt_prompter_init(&prompter, &rmt_prompts_su);
	assert_int_equal(say(&prompter, "Kennung: "), RMT_PROMPT_NOTHING);
	rmt_prompter_init(&prompter, &rmt_prompts_su);
	prompter.question = "Kennung";
	prompter.refusals = "falsch|gibt es nicht";
	assert_int_equal(say(&prompter, "das ist nicht falscher\n"), RMT_PROMPT_FAILED);
	rmt_prompter_init(&prompter, &rmt_prompts_su);
	prompter.question = "Kennung";
	prompter.refusals = "falsch|gibt es nicht";
	assert_int_equal(say(&prompter, "Kennung: noch nicht\n"), RMT_PROMPT_NOTHING);
	assert_int_equal(say(&prompter, "Ihre kennung :"), RMT_PROMPT_PASSWORD);
	rmt_prompter_sent(&prompter);
	assert_int_equal(say(&prompter, "\nGibt es nicht!"), RMT_PROMPT_NOTHING);
	assert_int_equal(say(&prompter, "\n"), RMT_PROMPT_FAILED);
	assert_int_equal(prompter.code, -EACCES);
	assert_non_null(strstr(prompter.text, "the password is wrong"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(method_makes_command),
		cmocka_unit_test(table_above_tries_each_key_of_each_tool),
		cmocka_unit_test(method_has_prompts_and_hints_of_its_tool),
		cmocka_unit_test(nsenter_runs_a_script_with_its_words),
		cmocka_unit_test(method_refuses_what_makes_no_sense),
		cmocka_unit_test(command_has_no_environment),
		cmocka_unit_test(hop_helpers_know_defaults_and_keys),
		cmocka_unit_test(words_are_split_as_a_shell_would),
		cmocka_unit_test(command_of_many_words_keeps_them),
		cmocka_unit_test(prompter_knows_the_words_that_it_is_told),
		cmocka_unit_test(coded_stage_means_the_same_to_a_shell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The method nsenter with util-linux' nsenter, in namespaces that unshare(1) makes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macro.h"
#include "fixture.h"
#include "parent/command.h"
#include "parent/method.h"

static struct {
	char directory[64];
	FILE *box; /* the shell in the namespaces: it ends when this is closed */
	int pid;
} fixture;

static void write_file(const char *name, const char *text, mode_t mode)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", fixture.directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	chmod(path, mode);
}

/* A stand-in for a tool that is asked for the first process of a container. */
static void write_tool(const char *name, const char *arguments, const char *says)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "#!/bin/sh\n[ \"$*\" = '%s' ] || { echo \"unexpected: $*\" >&2; exit 9; }\n"
		 "printf '%s\\n' %d\n",
		 arguments, says, fixture.pid);
	write_file(name, text, 0755);
}

/* A shell that has `options` of unshare(1), users of its own, and tells its process id as we know it. */
static void open_box(const char *options)
{
	char command[512], line[32] = "", path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/pid", fixture.directory);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(command, sizeof(command),
		 "cd %s && exec unshare %s -m -u -i -n -p -f sh -c '"
		 "mount --bind passwd /etc/passwd && mount --bind group /etc/group && "
		 "hostname box && read -r pid rest </proc/self/stat && echo $pid >pid && exec cat'",
		 fixture.directory, options);
	fixture.box = popen(command, "w");
	assert_non_null(fixture.box);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	fclose(file);
	fixture.pid = atoi(line);
	assert_true(fixture.pid > 1);
}

static int begin(void **state)
{
	(void)state;
	if (geteuid() != 0)
		return 0;
	snprintf(fixture.directory, sizeof(fixture.directory), "/tmp/ramet-nsenter.XXXXXX");
	assert_non_null(mkdtemp(fixture.directory));
	write_file("passwd",
		   "root:x:0:0:root:/root:/bin/sh\n"
		   "other:x:4000:4001::/nowhere:/bin/other\n"
		   "boxer:x:4242:4343:B:/home/boxer:/bin/box\n"
		   "plain:x:4244:4344::/:\n",
		   0644);
	write_file("group", "one:x:4501:boxer,other\nboxer:x:4343:\ntwo:x:4502:other,boxer\n",
		   0644);
	open_box("");
	return 0;
}

static int end(void **state)
{
	char command[128];

	(void)state;
	if (geteuid() != 0)
		return 0;
	pclose(fixture.box);
	snprintf(command, sizeof(command), "rm -r %s", fixture.directory);
	return system(command);
}

/* Its output, of both streams; the status of waitpid(2). */
static int run_command(char **argv, char *output, size_t size)
{
	int fds[2], status;
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fds[1], 1);
		dup2(fds[1], 2);
		close(fds[0]);
		close(fds[1]);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(fds[1]);
	while ((n = read(fds[0], output + used, size - 1 - used)) > 0)
		used += (size_t)n;
	close(fds[0]);
	output[used] = '\0';
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* Runs `program` where the hop leads; its output without the last newline. */
static int run(const char *hop_text, const char *program, char *output, size_t size)
{
	ramet_error error = RAMET_ERROR_INIT;
	const struct rmt_method *method;
	struct rmt_command command;
	struct rmt_hop hop;
	int status;

	assert_int_equal(rmt_hop_parse(hop_text, strlen(hop_text), &hop, NULL), 0);
	rmt_command_init(&command);
	if (rmt_method_find(&hop, &method, &error) < 0)
		fail_msg("%s", error.message);
	method->command(&hop, &command);
	rmt_command_add(&command, "/bin/sh");
	rmt_command_add(&command, "-c");
	rmt_command_add(&command, program);
	assert_int_equal(command.error, 0);
	status = run_command(command.argv, output, size);
	for (size_t used = strlen(output); used > 0 && output[used - 1] == '\n';)
		output[--used] = '\0';
	rmt_command_done(&command);
	rmt_hop_done(&hop);
	return status;
}

static void check_run(const char *hop, const char *program, const char *expected)
{
	char output[1024];
	int status = run(hop, program, output, sizeof(output));

	assert_string_equal(output, expected);
	assert_int_equal(status, 0);
}

static void check_failure(const char *hop, const char *expected)
{
	char output[1024];
	int status = run(hop, "echo in", output, sizeof(output));

	if (!strstr(output, expected))
		fail_msg("%s", output);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
	assert_null(strstr(output, "in\n"));
}

static const char *to_pid(const char *keys)
{
	static char text[128];

	snprintf(text, sizeof(text), "nsenter:%d%s", fixture.pid, keys);
	return text;
}

static void need_root(void)
{
	if (geteuid() != 0)
		skip();
}

static void nsenter_pid_enters_its_namespaces_and_directory(void **state)
{
	char expected[512] = "", output[1024], link[128], *end_of = expected;
	static const char *const names[] = {"mnt", "uts", "ipc", "net", "user"};

	(void)state;
	need_root();
	for (size_t i = 0; i < RMT_COUNT(names); i++) {
		char path[64];
		ssize_t size;

		snprintf(path, sizeof(path), "/proc/%d/ns/%s", fixture.pid, names[i]);
		size = readlink(path, link, sizeof(link) - 1);
		assert_true(size > 0);
		link[size] = '\0';
		end_of += sprintf(end_of, "%s%s", i ? "\n" : "", link);
	}
	assert_int_equal(run(to_pid(""), "cd /proc/self/ns; readlink mnt uts ipc net user", output,
			     sizeof(output)),
			 0);
	assert_string_equal(output, expected);
	check_run(to_pid(""), "hostname; pwd; cut -d: -f1 /etc/passwd | tr '\\n' ' '",
		  strcat(strcat(strcpy(output, "box\n"), fixture.directory),
			 "\nroot other boxer plain "));
}

/* The shell itself is in the process namespace: it is not the one that called setns(2). */
static void nsenter_forks_into_the_process_namespace(void **state)
{
	char output[1024];

	(void)state;
	need_root();
	assert_int_equal(run(to_pid(""), "echo $$; read pid rest </proc/self/stat; echo $pid",
			     output, sizeof(output)),
			 0);
	assert_true(atoi(output) > 1 && atoi(output) < 200);
	assert_int_not_equal(atoi(output), atoi(strchr(output, '\n')));
}

static void nsenter_user_is_that_of_the_target(void **state)
{
	(void)state;
	need_root();
	check_run(to_pid("?username=boxer"),
		  "id -u; id -g; id -G; echo $HOME $SHELL $USER $LOGNAME",
		  "4242\n4343\n4343 4501 4502\n/home/boxer /bin/box boxer boxer");
	check_run(to_pid("?username=4242"), "id -u; id -G; echo $USER",
		  "4242\n4343 4501 4502\nboxer");
	check_run(to_pid("?username=plain"), "id -u; id -G; echo $HOME $SHELL",
		  "4244\n4344\n/ /bin/sh");
	check_run(to_pid("?username=root"), "id -u; id -G; echo $HOME", "0\n0\n/root");
}

static void nsenter_other_user_namespace_is_entered(void **state)
{
	(void)state;
	need_root();
	pclose(fixture.box);
	open_box("-U -r");
	check_run(to_pid(""), "id -u; hostname", "0\nbox");
	check_run(to_pid("?username=root"), "id -u; cat /proc/self/uid_map | tr -s ' '",
		  "0\n 0 0 1");
	pclose(fixture.box);
	open_box("");
}

static void nsenter_kind_asks_its_tool(void **state)
{
	static const struct {
		const char *kind, *arguments, *says;
	} kinds[] = {
		{"docker", "inspect --format={{.State.Pid}} web", "warning: old\\n%d"},
		{"podman", "inspect --format={{.State.Pid}} web", "%d"},
		{"lxc", "-n web", "Name:   web\\nState:  RUNNING\\nPID:   %d\\nCPU use:  12 s"},
		{"lxd", "info web", "Name: web\\nProcesses: 7\\nPid: %d\\nIps:"},
		{"incus", "info web", "Name: web\\nStatus: RUNNING\\nPID: %d"},
		{"machinectl", "show -p Leader web", "Leader=%d"},
	};

	(void)state;
	need_root();
	for (size_t i = 0; i < RMT_COUNT(kinds); i++) {
		char hop[256], escaped[192] = "", *at = escaped;

		write_tool("tool", kinds[i].arguments, kinds[i].says);
		for (const char *c = fixture.directory; *c; c++)
			at += sprintf(at, *c == '/' ? "%%2F" : "%c", *c);
		snprintf(hop, sizeof(hop), "nsenter:web?kind=%s&kind_tool=%s%%2Ftool",
			 kinds[i].kind, escaped);
		check_run(hop, "hostname", "box");
	}
}

static void nsenter_failures_name_the_tool_and_its_words(void **state)
{
	(void)state;
	need_root();
	check_failure("nsenter:2000000000", "nsenter: there is no process 2000000000");
	check_failure("nsenter:web?kind=docker&kind_tool=%2Fnowhere%2Ftool",
		      "nsenter: /nowhere/tool exited with status 127: ");
	check_failure("nsenter:web?kind=lxc&kind_tool=ls",
		      "nsenter: ls exited with status 2: ls: ");
	check_failure("nsenter:web?kind=docker&kind_tool=echo",
		      "nsenter: echo names no process of web (does it run?): inspect");
	check_failure(to_pid("?username=nobody-here"), "has no user nobody-here");
	check_failure(to_pid("?tool=%2Fnowhere%2Fnsenter"), "/nowhere/nsenter");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nsenter_pid_enters_its_namespaces_and_directory),
		cmocka_unit_test(nsenter_forks_into_the_process_namespace),
		cmocka_unit_test(nsenter_user_is_that_of_the_target),
		cmocka_unit_test(nsenter_other_user_namespace_is_entered),
		cmocka_unit_test(nsenter_kind_asks_its_tool),
		cmocka_unit_test(nsenter_failures_name_the_tool_and_its_words),
	};

	return cmocka_run_group_tests(tests, begin, end);
}

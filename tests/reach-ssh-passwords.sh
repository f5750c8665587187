#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Passwords for OpenSSH: where they come from, what is said when they are wrong, and who gets to see them.
# shellcheck disable=SC2016 # dollars are for other shells
. "$(dirname "$0")/rig-sshd.sh"

rig_users
rig_sshd 2201
rig_user r_password /bin/sh
rm -f "$rig/home/r_password/.ssh/authorized_keys"
here=127.0.0.1
there=ssh:r_password@$here
secret=${rig_password%%,*} # what is looked for
export RIGHT=$rig_password WRONG='wrong-word 1'

# --- sources ----------------------------------------------------------------------------------------------------------

reaches "a password from a variable" "$there?password=env:RIGHT" r_password
printf '%s\nanother line\n' "$rig_password" >"$rig/passwords"
exec 9<"$rig/passwords"
reaches "a password from a descriptor" "$there?password=fd:9" r_password
exec 9<&-
exec 9< <(printf '%s' "$rig_password")
known="check_host_keys=ignore"
reaches "... without a newline, for two hops" "$there?password=fd:9/$there:2201?password=fd:9&$known" r_password
exec 9<&-
reaches "a password that is not asked for" "ssh:r_sh@$here?password=env:RIGHT" r_sh

refused "a wrong password" "$there?password=env:WRONG" "the password is wrong" "r_password@$here"
says_not "... is not shown" "wrong-word"
refused "a password that nobody has" "$there" "password"
refused "a variable that is not set" "$there?password=env:NO_SUCH_NAME" "NO_SUCH_NAME"
exec 9</dev/null
refused "a descriptor at its end" "$there?password=fd:9" "9"
exec 9<&-
refused "a descriptor that is not open" "$there?password=fd:9" "9"
refused "a password in the path" "$there?password=$secret" "password"
says_not "... is not repeated" "$secret"
refused "the wrong password for a hop behind another" "ssh:r_sh@$here/$there:2201?password=env:WRONG&$known" \
	"the password is wrong" "ssh:r_sh@$here"
says_not "... is not shown" "wrong-word"
reaches "the right one" "ssh:r_sh@$here/$there:2201?password=env:RIGHT&$known" r_password

# --- the program ------------------------------------------------------------------------------------------------------

cat >"$rig/program.c" <<'END'
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <ramet.h>

RAMET_FUNCTION(i64, user_id)
{
	return getuid();
}

/* data is the password; NULL: there is none. */
static int find(const ramet_password_request *request, char *password, size_t size, void *data)
{
	printf("asked: %s|%s|%s|%s\n", request->path, request->method, request->target, request->prompt);
	if (!data || strlen(data) > size)
		return -ENOKEY;
	memcpy(password, data, strlen(data));
	return (int)strlen(data);
}

/* program PATH [stdin] */
int main(int argc, char **argv)
{
	ramet_init(argc, argv);

	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	ramet_router *router = NULL;
	ramet_context *context = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	char line[256] = "";
	int64_t user;
	int status = 0;

	if (argc > 2 && !fgets(line, sizeof(line), stdin))
		return 2;
	options.password = find;
	options.password_data = argc > 2 ? line : NULL;
	if (ramet_router_new(&options, &router) < 0 || ramet_connect(router, argv[1], &context, &error) < 0 ||
	    user_id_call(context, &user, &error) < 0) {
		printf("%d %s\n", -error.code, error.message);
		status = 1;
	} else {
		printf("user %d\n", (int)user);
	}
	ramet_context_unref(context);
	ramet_router_unref(router);
	return status;
}
END
"$RAMET_OUT/bin/ramet-cc" -o "$rig/program" "$rig/program.c" || exit 1
asked="asked: $there|ssh|r_password@$here|r_password@$here's password: "
for key in "" "?password=program"; do
	same "a password from the program${key:+, which the path names}" "$asked user $(id -u r_password)" \
		"$(printf '%s' "$rig_password" | "$rig/program" "$there$key" stdin 2>&1 | paste -sd ' ')"
done
far="ssh:r_sh@$here/$there:2201?password=program&$known"
same "... for a hop behind another" "asked: ssh:r_sh@$here/$there:2201 user $(id -u r_password)" \
	"$(printf '%s' "$rig_password" | "$rig/program" "$far" stdin 2>&1 | sed 's/|.*//' | paste -sd ' ')"
"$rig/program" "$there" >"$rig/stderr" 2>&1 </dev/null
says "a program that has none: the error says so" "asked:"
says "... with its code" "$(perl -MErrno -e 'print Errno::ENOKEY()') "

# --- the user's terminal ----------------------------------------------------------------------------------------------

# asked INPUT: types INPUT, with its escapes, when a password is asked for; leaves $rig/screen
asked()
{
	local pid
	rm -f "$rig/keys" "$rig/screen"
	mkfifo "$rig/keys"
	script -qefc "$RAMET_OUT/ramet run '$there?password=ask' -- id -un; echo status \$?; stty -a" "$rig/screen" \
		<"$rig/keys" >/dev/null 2>&1 &
	pid=$!
	exec 8>"$rig/keys"
	# (A writer of its own: it may find nobody who reads.)
	wait_for grep -qi 'password:' "$rig/screen" && (printf '%b' "$1" >&8)
	wait "$pid"
	exec 8>&-
}

if command -v script >/dev/null; then
	asked "$rig_password\n"
	same "a password from the terminal" "r_password status 0" \
		"$(tr -d '\r' <"$rig/screen" | sed -n 's/^ssh:.*: \(r_password\)$/\1/p; /^status/p' | paste -sd ' ')"
	same "... is not echoed" 0 "$(grep -c "$secret" "$rig/screen")"
	same "... and the terminal echoes again" 1 "$(grep -cE ' iexten echo( |$)' "$rig/screen")"
	asked "wrong-word\n"
	same "a wrong one" "1 0" "$(grep -c 'the password is wrong' "$rig/screen") $(grep -c 'wrong-word' "$rig/screen")"
	asked '\004'
	same "nothing is typed" "status 255" "$(tr -d '\r' <"$rig/screen" | grep '^status')"
	same "... and the terminal echoes again" 1 "$(grep -cE ' iexten echo( |$)' "$rig/screen")"
	asked '\003'
	same "an interrupt instead" 1 "$(grep -cE ' iexten echo( |$)' "$rig/screen")"
else
	skip "a password from the terminal" "there is no script(1)"
fi
status=0
setsid -w "$RAMET_OUT/ramet" run "$there?password=ask" -- true >"$rig/stdout" 2>"$rig/stderr" </dev/null || status=$?
same "a terminal that is not there" 255 "$status"
says "... is named" "/dev/tty"

# --- who gets to see it -----------------------------------------------------------------------------------------------

# exposed NAMES: processes that have the password where others can read it; by NAMES, those whose environment may
exposed()
{
	local file name words
	for file in /proc/[0-9]*/cmdline /proc/[0-9]*/environ; do
		name=$(cat "${file%/*}/comm" 2>/dev/null) || continue
		mapfile -d '' words 2>/dev/null <"$file" || continue
		[[ ${words[*]} == *"$secret"* ]] || continue
		[[ ${file##*/} == environ && " $1 " == *" $name "* ]] || echo "$file ($name)"
	done 2>/dev/null
}

# seen TEXT PATH NAMES: looks when the target's shell has started, and waits for that
seen()
{
	local pid
	status=0
	RAMET_LOG_LEVEL=io timeout 60 "$RAMET_OUT/ramet" run "$2" -- \
		sh -c "$find_context"'tr "\0" "\n" </proc/$context/environ' >"$rig/stdout" 2>"$rig/stderr" </dev/null &
	pid=$!
	read -r -t 30 _ <&7
	exposed "$3" >"$rig/exposed"
	echo >&6
	wait "$pid" || status=$?
	same "$1: no process shows it meanwhile" "0 " "$status $(cat "$rig/exposed")"
	same "... nor the environment of the child" "0 1" \
		"$(grep -cF "$secret" "$rig/stdout") $(grep -c ': HOME=' "$rig/stdout")"
	same "... nor the log, which is there" "0 yes" "$(grep -cF "$secret" "$rig/stderr") $(test -s "$rig/stderr" && echo yes)"
}

mkfifo "$rig/begun" "$rig/go"
chmod 666 "$rig/begun" "$rig/go"
exec 7<>"$rig/begun" 6<>"$rig/go"
echo "echo >$rig/begun; read -r _ <$rig/go" >"$rig/home/r_password/.ssh/rc"
exec 9<"$rig/passwords"
unset RIGHT
seen "from a descriptor" "$there?password=fd:9" ""
exec 9<&-
export RIGHT=$rig_password
seen "from a variable" "$there?password=env:RIGHT" "ramet timeout"

finish

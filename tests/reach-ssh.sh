#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Reaching through OpenSSH: login shells, keys of users and hosts, passwords, noise, crowds, chains, and no shell at all.
# shellcheck disable=SC2016 # dollars are for other shells
. "$(dirname "$0")/rig-sshd.sh"

# shellcheck source=tests/follow.sh
. "$RAMET_SOURCE/tests/follow.sh"

rig_users
rig_sshd 2201
here=127.0.0.1
"$RAMET_OUT/bin/ramet-cc" -O2 -o "$rig/lines" "$RAMET_SOURCE/examples/lines.c" || exit 1

# --- maps -------------------------------------------------------------------------------------------------------------

"$RAMET_OUT/bin/ramet-cc" -O2 -o "$rig/primes" "$RAMET_SOURCE/examples/primes.c" || exit 1
for paths in "ssh:r_dash@$here/local*2" "ssh:r_dash@$here,ssh:r_bash@$here/fork*2,local"; do
	same "primes over $paths" "25997 primes below 300000" "$("$rig/primes" "$paths" 300000 2>&1 </dev/null)"
done

# --- login shells -----------------------------------------------------------------------------------------------------

# noise FILE...: what people have in start-up files, and worse. It goes to both outputs, without a last newline.
noise()
{
	local file
	cat >"$rig/noise" <<-'END'
		Welcome!   password: Last login: yesterday
		ramet:0123456789abcdef:ready:Linux x86_64:gzip:sha256sum:/dev/shm
		ramet:0123456789abcdef:failed:place:nothing works
	END
	head -c 3000 /dev/zero | tr '\0' x >>"$rig/noise"
	head -c 1000 /dev/urandom >>"$rig/noise"
	printf '\n\033]0;title\007\033[2J\0\0\377\376\n' >>"$rig/noise"
	yes 'a line of noise' | head -c 100000 >>"$rig/noise"
	printf '\nno newline behind this' >>"$rig/noise"
	chmod 644 "$rig/noise"
	for file; do
		mkdir -p "${file%/*}"
		echo "/bin/cat $rig/noise" >>"$file"
		[ "${file##*/}" = .cshrc ] || echo "/bin/cat $rig/noise >&2" >>"$file"
	done
}

for shell in sh dash bash busybox mksh zsh fish csh tcsh; do
	user=r_$shell
	if ! id "$user" >/dev/null 2>&1; then
		skip "ssh to a user of $shell" "it is not installed"
		continue
	fi
	home=$rig/home/$user
	same "ssh to a user of $shell" "$(id -u "$user") $home" \
		"$(ssh "$user@$here" 'id -u; echo $HOME' </dev/null 2>&1 | paste -sd ' ')"
	seq 7 >"$home/private"
	chown "$user" "$home/private"
	chmod 600 "$home/private"
	reaches "ramet reaches one" "ssh:$user@$here" "$user"
	same "a program's own functions run there" "7 $home/private" \
		"$("$rig/lines" "ssh:$user@$here" "$home/private" 2>&1 </dev/null)"
	noise "$home/.profile" "$home/.bashrc" "$home/.zshenv" "$home/.cshrc" "$home/.config/fish/config.fish"
	# sshd runs this whatever the shell is.
	noise "$home/.ssh/rc"
	same "the start-up files are noisy" yes \
		"$(ssh "$user@$here" true 2>&1 </dev/null | tail -c 150000 | grep -qa 'no newline behind' && echo yes)"
	reaches "ramet reaches $shell through noise" "ssh:$user@$here" "$user"
	rm -f "$home/.ssh/rc" "$home/.bashrc"
done

# --- commands ---------------------------------------------------------------------------------------------------------

# open_by FILE: some process has it open
open_by()
{
	find /proc/[0-9]*/fd -lname "$1" 2>/dev/null | grep -q .
}

# A command, what it has put into another session, and what it has forked twice: all hold a file open.
for path in "ssh:r_dash@$here" "local/ssh:r_bash@$here/local"; do
	held=$rig/held
	: >"$held"
	chmod 666 "$held"
	"$RAMET_OUT/ramet" run "$path" -- sh -c 'exec 3>>"$0"; trap "" TERM; setsid sleep 1000 &
		sh -c "setsid sh -c \"setsid sleep 1000 & echo begun >&3\" &"; sleep 1000' "$held" >"$rig/said" 2>&1 </dev/null &
	master=$!
	deadline=$((SECONDS + 30))
	until grep -q begun "$held" || [ "$SECONDS" -ge "$deadline" ]; do sleep 0.02; done
	same "a command runs over $path" begun "$(cat "$held" "$rig/said")"
	kill -KILL "$master"
	wait "$master" 2>/dev/null
	deadline=$((SECONDS + 30))
	while open_by "$held" && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.02; done
	same "... the master killed, nothing of it is left" gone "$(open_by "$held" || echo gone)"
done

# --- streams ----------------------------------------------------------------------------------------------------------

"$RAMET_OUT/bin/ramet-cc" -O2 -o "$rig/tail" "$RAMET_SOURCE/examples/tail.c" || exit 1
for path in "ssh:r_dash@$here" "ssh:r_dash@$here/local" "local/ssh:r_bash@$here"; do
	follows "tail over $path follows a file" "$rig/tail" "$path" "$rig/followed"
	follow_killed "... killed, it leaves nobody" "$rig/tail" "$path" "$rig/followed"
done

# --- the user's key ---------------------------------------------------------------------------------------------------

rig_user r_keyless /bin/sh
rm -rf "$rig/home/r_keyless/.ssh"
rig_sshd 2202 "PasswordAuthentication no" "Banner $rig/noise"
refused "no key leads there: the error says so" "ssh:r_keyless@$here:2202" "Permission denied" "r_keyless@$here"
ssh-keygen -q -t ed25519 -N '' -C '' -f "$rig/other"
keyless="config_file=$(escaped "$rig/keyless")"
refused "the wrong key" "ssh:r_sh@$here:2202?$keyless&identity_file=$(escaped "$rig/other")" "Permission denied" "publickey"
reaches "the right key, behind a noisy banner" "ssh:r_sh@$here:2202" r_sh
cp "$rig/me/.ssh/id" "$rig/key, with #1?&"
reaches "a key in a file with a strange name" \
	"ssh:r_sh@$here:2202?$keyless&identity_file=$(escaped "$rig/key, with #1?&")" r_sh
refused "a user that is not there" "ssh:nobody-here@$here:2202" "Permission denied"
refused "a port where nothing listens" "ssh:r_sh@$here:2299" "Connection refused"
refused "a host that is not there" "ssh:r_sh@no-such-host.invalid" "no-such-host.invalid"

# --- the host's key ---------------------------------------------------------------------------------------------------

known=$rig/known
hosts="args=$(escaped "-o UserKnownHostsFile=$known")"
: >"$known"
refused "an unknown host, enforced" "ssh:r_sh@$here?$hosts&check_host_keys=enforce" "host key"
refused "... which is the default" "ssh:r_sh@$here?$hosts" "host key"
same "... and nothing is learned" "" "$(cat "$known")"
reaches "an unknown host, ignored" "ssh:r_sh@$here?$hosts&check_host_keys=ignore" r_sh
same "... and nothing is learned" "" "$(cat "$known")"
reaches "an unknown host, accepted" "ssh:r_sh@$here?$hosts&check_host_keys=accept" r_sh
same "... is known from then on" "$(cut -d' ' -f2 "$rig/host.pub")" "$(awk '{ print $3 }' "$known" | grep -xF "$(cut -d' ' -f2 "$rig/host.pub")")"
reaches "... and can be enforced" "ssh:r_sh@$here?$hosts&check_host_keys=enforce" r_sh
echo "* $(cat "$rig/other.pub")" >"$known"
cp "$known" "$rig/before"
refused "a host whose key has changed, enforced" "ssh:r_sh@$here?$hosts&check_host_keys=enforce" "host key"
refused "a host whose key has changed, accepted" "ssh:r_sh@$here?$hosts&check_host_keys=accept" "host key"
reaches "a host whose key has changed, ignored" "ssh:r_sh@$here?$hosts&check_host_keys=ignore" r_sh
same "... and nothing is learned" "$(cat "$rig/before")" "$(cat "$known")"

# --- chains -----------------------------------------------------------------------------------------------------------

reaches "ssh, sudo, local" "ssh:r_sh@$here/sudo:r_bash/local" r_bash
reaches "sudo, ssh, sudo, local" "sudo:root/ssh:r_zsh@$here/sudo/local" root
same "a program three deep" "7 $rig/home/r_fish/private" \
	"$("$rig/lines" "ssh:r_csh@$here/sudo:r_fish/local" "$rig/home/r_fish/private" 2>&1 </dev/null)"
same "... which fails there and says where" \
	"lines: ssh:r_csh@$here/sudo:r_fish/local: cannot open $rig/home/r_csh/private" \
	"$("$rig/lines" "ssh:r_csh@$here/sudo:r_fish/local" "$rig/home/r_csh/private" 2>&1 </dev/null)"
refused "a hop that fails behind one that does not" "ssh:r_csh@$here/sudo:no-such-user" "no-such-user" "ssh:r_csh@$here"

# --- no shell ---------------------------------------------------------------------------------------------------------

# forced TEXT COMMAND WORDS...: a key that leads to a command
forced()
{
	local text=$1
	printf 'command="%s" %s\n' "$2" "$(cat "$rig/me/.ssh/id.pub")" >"$rig/home/r_forced/.ssh/authorized_keys"
	shift 2
	refused "$text" "ssh:r_forced@$here" "$@"
}

rig_user r_forced /bin/sh
forced "a command that prints and ends" "echo only backups here; exit 3" "only backups here" "status 3"
forced "a command that says nothing" "true" "status 0"
forced "a command that prints control characters" "printf 'one\033[31mtwo\007'; exit 1" 'one?[31mtwo?'
forced "a command that is killed" "echo dying >&2; kill -9 \$\$" "dying"
rig_user r_nologin /usr/sbin/nologin
refused "nologin for a shell" "ssh:r_nologin@$here" "This account is currently not available" "status 1"
rig_user r_false /bin/false
refused "false for a shell" "ssh:r_false@$here" "status 1"

# --- fifty at once ----------------------------------------------------------------------------------------------------

# crowd TEXT PORT
crowd()
{
	do_run run "ssh:r_sh@127.0.0.[1-50]:$2" -- sh -c "$find_context"'echo $context'
	same "$1" "0 50 50" "$status $(sed 's/:[^:]*$//' "$rig/stdout" | sort -u | wc -l) $(sed 's/.*: //' "$rig/stdout" | sort -u | wc -l)"
	[ "$status" -eq 0 ] || rig_show "$rig/stderr"
	rig_leaves "... and nothing is left" r_sh
}

crowd "fifty hosts at once" 2201
rig_sshd 2203 "MaxStartups 3:50:5"
crowd "fifty where few may begin at once" 2203
same "... some of whom were refused at first" yes "$(grep -q 'MaxStartups' "$rig/log.2203" && echo yes)"

# --- what the doctor says ---------------------------------------------------------------------------------------------

do_run doctor "ssh:r_sh@$here:2201/local"
same "the doctor walks a path" "0 launch shell place transfer exec handshake" \
	"$status $(grep -o 'ms  [a-z]*: after' "$rig/stdout" | sed 's/ms  //; s/: after//' | paste -sd' ')"
same "... and finds who is there" yes "$(grep -q 'user r_sh; a call takes' "$rig/stdout" && echo yes)"
do_run doctor "ssh:r_nologin@$here:2201"
same "the doctor says where a path ends" "255 shell" "$status $(sed -n 's/.*failed: [^ ]* \([a-z]*\): .*/\1/p' "$rig/stdout")"
same "... and what to do next" yes "$(grep -q 'hint: ' "$rig/stdout" && echo yes)"
rig_leaves "... and leaves nothing" r_sh

finish

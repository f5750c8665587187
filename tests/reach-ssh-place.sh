#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Where the first stage puts the program on a target, what it needs there, and what is said when there is no place.
# shellcheck disable=SC2016 # dollars are for other shells
. "$(dirname "$0")/rig-sshd.sh"

rig_users
here=127.0.0.1
home=$rig/home/r_sh
port=2210

# target MOUNTS [LINE...]: another server at $port, with mounts and lines of configuration of its own
target()
{
	local rig_before=$1
	shift
	port=$((port + 1))
	rig_sshd "$port" "$@"
}

# placed TEXT WHERE [KEYS]: what runs there came from a file in WHERE
placed()
{
	local got
	do_run run "ssh:r_sh@$here:$port${3:-}" -- /bin/sh -c "$find_context"'/usr/bin/readlink /proc/$context/exe'
	got=$(sed -n '1s/^ssh:[^ ]*: //p' "$rig/stdout")
	case $got in
	"$2"/.ramet-*\ \(deleted\)) got=$2 ;;
	esac
	same "$1" "0 $2" "$status $got"
	[ "$status" -eq 0 ] || rig_show "$rig/stderr"
	rig_leaves "... and nothing is left" r_sh
}

# tools NAME WITHOUT...: a directory for PATH where everything is but these
tools()
{
	local directory=$rig/$1 tool
	shift
	mkdir "$directory"
	cp -s /usr/bin/* "$directory" 2>/dev/null
	for tool; do
		rm -f "$directory/$tool" "$directory/$tool"[0-9]*
	done
}

# --- the order --------------------------------------------------------------------------------------------------------

mkdir "$rig/runtime" "$rig/chosen" "$rig/keyed"
chown r_sh "$rig/runtime" "$rig/chosen" "$rig/keyed"
noexec()
{
	local directory
	for directory; do
		echo "mount -t tmpfs -o noexec,mode=1777 rig $directory;"
	done
}

target :
placed "a target where all is well" /dev/shm
placed "a directory that the path names" "$rig/keyed" "?dir=$(escaped "$rig/keyed")"
placed "... which is not there" /dev/shm "?dir=%2Fno-such-directory"
target : "SetEnv RAMET_DIR=$rig/chosen"
placed "a directory that the target names" "$rig/chosen"
placed "the path knows better" "$rig/keyed" "?dir=$(escaped "$rig/keyed")"
target "$(noexec /dev/shm)" "SetEnv XDG_RUNTIME_DIR=$rig/runtime"
placed "/dev/shm where nothing is executed" "$rig/runtime"
target "$(noexec /dev/shm "$rig/runtime")" "SetEnv XDG_RUNTIME_DIR=$rig/runtime"
placed "... nor in the user's directory for such files" /tmp
target "$(noexec /dev/shm) mount -t tmpfs -o ro rig /tmp"
placed "... and /tmp, which is read-only" /var/tmp
target "$(noexec /dev/shm /tmp) mount -t tmpfs -o mode=700 rig /var/tmp"
placed "... and /var/tmp, which is not ours" "$home"
target "mount -t tmpfs -o mode=1777,size=64k rig /dev/shm"
placed "/dev/shm too small for the program" /tmp
tools no-gzip gzip gunzip zcat
target "mount -t tmpfs -o mode=1777,size=64k rig /dev/shm" "SetEnv PATH=$rig/no-gzip"
placed "... which comes without gzip" /tmp
target "mount -t tmpfs -o mode=1777,size=64k rig /dev/shm; mount -t tmpfs -o mode=1777,size=64k rig /tmp"
placed "... and /tmp, too" /var/tmp

# --- no place ---------------------------------------------------------------------------------------------------------

# home OPTIONS: mounts one
home()
{
	echo "mount -t tmpfs -o mode=755,$1 rig $home; mkdir $home/.ssh;" \
		"cp $rig/me/.ssh/id.pub $home/.ssh/authorized_keys; chown -R r_sh $home;"
}

nowhere="$(noexec /dev/shm /tmp /var/tmp) $(home noexec)"
tools bare perl python
tools perl python
tools python perl
target "$nowhere" "SetEnv PATH=$rig/bare"
refused "no place" "ssh:r_sh@$here:$port" "place" "r_sh@$here"
rig_leaves "... and nothing is left" r_sh
for tool in perl python; do
	if [ "$tool" = python ] && ! /usr/bin/python3 -c '' 2>/dev/null; then
		skip "no place, but $tool" "it is not installed"
		continue
	fi
	target "$nowhere" "SetEnv PATH=$rig/$tool"
	do_run run "ssh:r_sh@$here:$port" -- /bin/sh -c "$find_context"'/usr/bin/readlink /proc/$context/exe'
	same "no place, but $tool" "0 (deleted)" "$status $(grep -o '/memfd:.*\|(deleted)' "$rig/stdout" | sed 's,.*(deleted),(deleted),')"
	[ "$status" -eq 0 ] || rig_show "$rig/stderr"
	rig_leaves "... and nothing is left" r_sh
done
target "$(noexec /dev/shm /tmp /var/tmp) $(home size=100k) cat /dev/zero >$home/full" "SetEnv PATH=$rig/bare"
refused "a full home, and nothing else" "ssh:r_sh@$here:$port" "r_sh@$here"
rig_leaves "... and nothing is left" r_sh

# --- tools ------------------------------------------------------------------------------------------------------------

target : "SetEnv PATH=$rig/no-gzip"
placed "a target without gzip" /dev/shm
tools no-cksum cksum
target : "SetEnv PATH=$rig/no-cksum"
placed "a target without cksum" /dev/shm
tools no-digest cksum gzip
target : "SetEnv PATH=$rig/no-digest"
placed "a target without anything that checks" /dev/shm

# lossy TEXT FILTER TOOLS: a tool that changes what goes to a shell with these tools
lossy()
{
	cat >"$rig/lossy" <<-END
		#!/bin/sh
		for command; do :; done
		$2 | PATH=$rig/$3 /bin/sh -c "\$command"
	END
	chmod 755 "$rig/lossy"
	refused "$1" "ssh:nobody@nowhere?tool=$(escaped "$rig/lossy")" "transfer: what arrived differs"
}

flip='perl -e "\$| = 1; while (sysread STDIN, \$_, 1) { \$_ ^= chr 32 if \$n++ == 30000; print }"'
lossy "an image that is cut short: gzip" "head -c 50000" bare
lossy "... cksum" "head -c 50000" no-gzip
lossy "... neither" "head -c 50000" no-digest
lossy "... in the first bytes" "head -c 40" no-digest
lossy "an image that is changed: gzip" "$flip" bare
lossy "... cksum" "$flip" no-gzip
same "... and nothing is left" "" "$(rig_files)"
mkdir "$rig/few"
for tool in sh cat chmod rm head dd uname mkdir sed; do
	ln -s "/usr/bin/$tool" "$rig/few/$tool"
done
target : "SetEnv PATH=$rig/few"
placed "a target with few tools" /dev/shm
rig_user r_umask /bin/bash
echo "umask 0777" >"$rig/home/r_umask/.bashrc"
reaches "a user whose files nobody may read" "ssh:r_umask@$here:$port" r_umask
rig_leaves "... and nothing is left" r_umask

finish

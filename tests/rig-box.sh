# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For tests in a rig (rig.sh): root directories that have busybox alone, also of another machine, and namespaces.

# rig_root DIRECTORY [BUSYBOX]: makes one, with links for all of busybox, a user, and places for files
rig_root()
{
	mkdir -p "$1"/{bin,dev,etc,home/alice,proc,root,sys,tmp,usr/bin,var/tmp}
	chmod 1777 "$1/tmp" "$1/var/tmp"
	ln -s usr/lib "$1/lib" # for programs of this machine, where its /usr is mounted
	ln -s usr/lib64 "$1/lib64"
	cp "${2:-$(command -v busybox)}" "$1/bin/busybox"
	# shellcheck disable=SC2016 # one shell that need not start anything
	busybox sh -c 'cd "$0" && for applet in $(busybox --list); do [ "$applet" = busybox ] || ln -s busybox "$applet"; done' \
		"$1/bin"
	printf '%s\n' root:x:0:0:root:/root:/bin/sh alice:x:1000:1000::/home/alice:/bin/sh >"$1/etc/passwd"
	printf '%s\n' root:x:0: alice:x:1000: >"$1/etc/group"
	chown 1000:1000 "$1/home/alice"
	mknod -m 666 "$1/dev/null" c 1 3
}

# rig_namespaces: a process in namespaces of its own (mounts, processes, network, names), alone there; its id is
# in $rig_namespaces_pid
rig_namespaces()
{
	local outer
	unshare --mount --pid --net --uts --fork --mount-proc sh -c 'hostname inside && exec sleep 1000000' &
	outer=$!
	until_done 20 rig_namespaces_ready "$outer" || rig_failed "unshare makes namespaces" /dev/null
}

rig_namespaces_ready()
{
	rig_namespaces_pid=$(ps -o pid= --ppid "$1" | tr -d ' ') && [ -n "$rig_namespaces_pid" ] &&
		[ "$(cat "/proc/$rig_namespaces_pid/comm")" = sleep ]
}

# rig_format: programs of aarch64 run here, as Debian sets it up where systemd runs; fails with a word why not
rig_format()
{
	local format=/usr/lib/binfmt.d/qemu-aarch64.conf
	[ -f "$format" ] || { echo "there is no qemu-user-static"; return 1; }
	mount -t binfmt_misc rig /proc/sys/fs/binfmt_misc 2>/dev/null || { echo "there is no binfmt_misc"; return 1; }
	sed "s/^:[^:]*:/:$RIG_NAME:/" "$format" >/proc/sys/fs/binfmt_misc/register
}

# rig_busybox MACHINE: prints where a busybox of that Debian architecture is, or fails with a word why not.
rig_busybox()
{
	local directory=$RAMET_SOURCE/build/rig/$1
	if [ ! -x "$directory/bin/busybox" ]; then
		echo "there is no $directory/bin/busybox; ./run test fetches it"
		return 1
	fi
	echo "$directory/bin/busybox"
}

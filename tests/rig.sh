# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For tests with machines inside this one. They begin with
#	. "$(dirname "$0")/rig.sh"
# instead of tap.sh, and then run a second time in namespaces of their own (mounts, processes, network,
# names), in which every daemon, container and mount ends with the script, however that ends. /run, /dev/shm and
# $scratch are empty there, in memory; the network is the loopback alone; $RIG_NAME is the name for what
# namespaces do not hold: control groups and binary formats. Those are removed here.

rig_source=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [ -n "${RIG_NAME:-}" ]; then
	mount -t tmpfs -o mode=755 rig "$TMPDIR" && mount -t tmpfs -o mode=755 rig /run &&
		mount -t tmpfs -o mode=1777 rig /dev/shm && busybox ip link set lo up &&
		busybox ip address add 192.0.2.1/32 dev lo && hostname rig && # getaddrinfo(3) counts no 127.0.0.1
		echo 127.0.0.1 localhost rig >/run/hosts && mount --bind /run/hosts /etc/hosts || exit 1
	# shellcheck source=tests/tap.sh
	. "$rig_source/tap.sh"
	# There may be mounts below $scratch, and what is behind them is not ours to remove.
	trap - EXIT
	chmod 755 "$scratch"
	export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
	unset RAMET_LOG_LEVEL
	# shellcheck source=tests/rig-check.sh
	. "$rig_source/rig-check.sh"
	return
fi

# shellcheck source=tests/tap.sh
. "$rig_source/tap.sh"
rig_unshare=(setpriv --pdeathsig KILL unshare --mount --pid --net --uts --ipc --fork --kill-child --mount-proc)

# What is left in the control groups and among the binary formats.
rig_remove()
{
	local directories
	mapfile -t directories < <(find /sys/fs/cgroup -depth -type d -path "*/$RIG_NAME*" 2>/dev/null)
	[ "${#directories[@]}" -eq 0 ] || rmdir "${directories[@]}" || return 1
	! grep -q binfmt_misc /proc/filesystems || unshare --mount sh -c '
		mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && cd /proc/sys/fs/binfmt_misc || exit
		[ ! -e "$1" ] || echo -1 >"$1"' sh "$RIG_NAME"
}

# Ends the first process in there, and thereby all others; unshare has waited for them when it ends.
rig_end()
{
	local status=$? first
	trap '' INT TERM HUP
	if [ -n "$rig_pid" ]; then
		first=$(ps -o pid= --ppid "$rig_pid" 2>/dev/null | tr -d " ")
		kill -KILL "${first:-$rig_pid}" 2>/dev/null
		wait "$rig_pid" 2>/dev/null
	fi
	if ! rig_remove; then
		echo "# something of $RIG_NAME is left" >&2
		status=1
	fi
	rm -rf --one-file-system "$scratch"
	exit "$status"
}

if [ "$(id -u)" -ne 0 ]; then
	skip "$(basename "$0" .sh)" "only root can start containers"
	finish
fi
if ! "${rig_unshare[@]}" true 2>"$scratch/.output"; then
	skip "$(basename "$0" .sh)" "no namespaces here: $(tail -n 1 "$scratch/.output")"
	finish
fi
if ! command -v busybox >/dev/null; then
	skip "$(basename "$0" .sh)" "there is no busybox"
	finish
fi
export RIG_NAME=${scratch##*/}
TMPDIR=$scratch "${rig_unshare[@]}" bash "$0" "$@" </dev/null &
rig_pid=$!
trap rig_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
rig_status=0
wait "$rig_pid" || rig_status=$?
rig_pid=
exit "$rig_status"

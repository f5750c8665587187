# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For tests in a rig (rig.sh): containers of lxc, made by its template for busybox.

# rig_lxc_start NAME...: running containers with an empty network
rig_lxc_start()
{
	local directory=$scratch/lxc name
	mkdir -p "$directory" /run/lxc
	# The tools look here for where containers are.
	mountpoint -q /etc/lxc || mount -t tmpfs rig /etc/lxc
	echo "lxc.lxcpath = $directory" >/etc/lxc/lxc.conf
	for name; do
		printf '%s\n' 'lxc.net.0.type = empty' 'lxc.apparmor.profile = unconfined' \
			"lxc.cgroup.dir.monitor = $RIG_NAME/$name/monitor" \
			"lxc.cgroup.dir.monitor.pivot = $RIG_NAME/$name/pivot" \
			"lxc.cgroup.dir.container = $RIG_NAME/$name/container" \
			'lxc.cgroup.dir.container.inner = inner' >"$directory/config"
		lxc-create --config "$directory/config" --name "$name" --template busybox \
			>"$directory/log" 2>&1 || rig_failed "lxc makes a container" "$directory/log"
		echo alice:x:1000:1000::/home:/bin/sh >>"$directory/$name/rootfs/etc/passwd"
		: >"$directory/log"
		lxc-start --name "$name" --logfile "$directory/log" --logpriority INFO >>"$directory/log" 2>&1 &&
			lxc-wait --name "$name" --state RUNNING --timeout 20 ||
			rig_failed "lxc starts a container" "$directory/log"
	done
}

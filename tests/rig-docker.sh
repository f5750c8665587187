# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For tests in a rig (rig.sh): a docker daemon of its own, and an image of busybox alone.

# rig_docker_start: leaves DOCKER_HOST, and the image "busybox"
rig_docker_start()
{
	local directory=$scratch/docker
	mkdir -p "$directory/config"
	echo '{}' >"$directory/daemon.json"
	export DOCKER_HOST=unix://$directory/sock DOCKER_CONFIG=$directory/config
	dockerd --config-file "$directory/daemon.json" --data-root "$directory/data" --exec-root "$directory/exec" \
		--pidfile "$directory/pid" --host "$DOCKER_HOST" --cgroup-parent "/$RIG_NAME" \
		--iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --bridge=none \
		--storage-driver=vfs >"$directory/log" 2>&1 </dev/null &
	until_done 30 docker version || rig_failed "dockerd starts" "$directory/log"
	rig_root "$directory/root"
	tar -C "$directory/root" -c . | docker import --change 'CMD ["sleep", "1000000"]' - busybox \
		>"$directory/import" 2>&1 || rig_failed "docker imports an image" "$directory/import"
}

# rig_docker_run NAME OPTION...: a container without network that does nothing
rig_docker_run()
{
	local name=$1
	shift
	docker run --detach --init=false --network none --name "$name" --hostname "$name" "$@" busybox \
		>"$scratch/docker/run" 2>&1 || rig_failed "docker starts the container $name" "$scratch/docker/run"
}

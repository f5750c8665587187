#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Containers of a real docker daemon, whose image has busybox alone.
# shellcheck disable=SC2016 # dollars are for the shells in there
. "$(dirname "$0")/rig.sh"
. "$rig_source/rig-box.sh"
. "$rig_source/rig-docker.sh"

if ! command -v dockerd >/dev/null; then
	skip "reach-docker" "there is no dockerd"
	finish
fi
rig_lines
rig_docker_start
rig_docker_run app
rig_docker_run alice --user 1000:1000
rig_docker_run readonly --read-only
rig_docker_run memory --read-only --tmpfs /dev/shm:rw,exec
rig_docker_run noexec --read-only --user 1000:1000 --tmpfs /tmp:rw,noexec
rig_docker_run full --read-only --user 1000:1000 --tmpfs /dev/shm:rw,exec,size=64k
rig_docker_run plain
docker exec plain sh -c 'cd /bin && rm gzip gunzip zcat xz unxz xzcat sha256sum'
docker create --network none --name stopped busybox >/dev/null

# root NAME: the root directory of a container, as seen from here
root()
{
	echo "/proc/$(docker inspect --format '{{.State.Pid}}' "$1")/root"
}

# --- the rig, with docker's own tools ---

same "docker runs a command" "Linux 0 app" "$(docker exec -i app sh -c 'uname -s; id -u; hostname' | paste -sd' ')"
same "a container has no network" "lo" "$(docker exec -i app ls /sys/class/net)"
same "a user is who is asked for" 1000 "$(docker exec -i alice id -u)"
same "a root is read-only" no "$(docker exec -i readonly sh -c 'touch /tmp/x 2>/dev/null && echo yes || echo no')"
same "places are noexec" 126 "$(docker exec -i noexec sh -c 'echo >/tmp/x; chmod 755 /tmp/x; /tmp/x 2>/dev/null; echo $?')"
same "a place is full" no "$(docker exec -i full sh -c 'head -c 100000 /dev/zero >/dev/shm/x 2>/dev/null && echo yes || echo no; rm /dev/shm/x')"

# --- containers of every kind ---

reaches "a container" docker:app app 0 "$(root app)"
reaches "another user" docker:alice alice 1000 "$(root alice)"
reaches "the key username" 'docker:app?username=alice' app 1000 "$(root app)"
reaches "a read-only root with a place in memory" docker:memory memory 0 "$(root memory)"
reaches "a read-only root" docker:readonly readonly 0 "$(root readonly)"
reaches "... and the key dir" 'docker:readonly?dir=%2Fdev' readonly 0 "$(root readonly)"
reaches "neither gzip nor sha256sum" docker:plain plain 0 "$(root plain)"
rig_mark
do_run run 'docker:busybox?run=yes&exec_args=--network%20none' -- sh -c 'echo $(id -u) $(wc -l </etc/passwd)'
same "an image" "0 docker:busybox: 0 2" "$status $(cat "$scratch/stdout" "$scratch/stderr")"
same "lines of an image" "2 /etc/passwd" \
	"$("$scratch/lines" 'docker:busybox?run=yes&exec_args=--network%20none' /etc/passwd 2>&1)"
none_left "an image leaves nothing"
try "... and no container" until_done 10 sh -c '[ "$(docker ps -aq | wc -l)" -eq 8 ]'

# --- files in memory ---

if [ -x /usr/bin/python3 ] && [ -x /usr/bin/perl ]; then
	rig_docker_run python --read-only --user 1000:1000 --tmpfs /tmp:rw,noexec --volume /usr:/usr:ro
	rig_docker_run perl --read-only --user 1000:1000 --tmpfs /tmp:rw,noexec --volume /usr:/usr:ro \
		--volume /dev/null:/usr/bin/python3:ro
	same "python3 is there, where no file can be executed" "x 126" \
		"$(docker exec -i python sh -c 'python3 -c "print(\"x\")"; echo >/tmp/x; chmod 755 /tmp/x; /tmp/x 2>/dev/null; echo $?' | paste -sd' ')"
	reaches "a file in memory by python3" docker:python python 1000 "$(root python)"
	reaches "a file in memory by perl" docker:perl perl 1000 "$(root perl)"
	same "... of which nobody is left" "" "$(pgrep -l 'python|perl')"
else
	skip "a file in memory" "there is no python3 or perl"
fi

# --- chains ---

rig_mark
do_run run 'docker:app/local*2' -- hostname
same "two children in a container" "0 docker:app/local#1: app docker:app/local: app" \
	"$status $(sort "$scratch/stdout" | paste -sd' ')$(cat "$scratch/stderr")"
do_run run 'docker:app/chroot:%2F/exec:env/local' -- hostname
same "four deep" "0 docker:app/chroot:%2F/exec:env/local: app" \
	"$status $(sed 's|chroot:/|chroot:%2F|' "$scratch/stdout")$(cat "$scratch/stderr")"
do_run run 'docker:app,docker:alice,docker:plain,docker:memory,local/docker:app' -- hostname
same "several at once" "0 5" "$status $(grep -c . "$scratch/stdout")"
none_left "chains leave nothing" "$(root app)"

# --- failures ---

rig_mark
fails "noexec: the places that were tried" docker:noexec 'place: there is no directory' '/dev/shm' '/tmp' '/var/tmp' \
	'docker exec'
fails "noexec: the places that were tried" docker:noexec 'place: there is no directory' ' executed (tried /dev/shm /tmp /var/tmp' ' /dev)'
fails "a full place is none" docker:full 'place: there is no directory' 'with room for ' '(tried /dev/shm /tmp /var/tmp'
fails "no such container: docker's own words" docker:absent 'No such container: absent' 'exited with status 1' \
	'docker exec --interactive absent'
fails "a stopped container: docker's own words" docker:stopped 'is not running' 'exited with status 1'
fails "no such image: docker's own words" 'docker:absent?run=yes&exec_args=--pull%20never' 'No such image' 'exited with status 125'
fails "no such user: docker's own words" 'docker:app?username=mallory' 'unable to find user mallory'
fails "no such shell" 'docker:app?shell=%2Fbin%2Fnoshell' '/bin/noshell'
fails "no such tool" 'docker:app?tool=%2Fnonexistent' 'launch: ' '/nonexistent' 'No such file or directory'
fails "no daemon: docker's own words" "docker:app?args=--host%20unix:%2F%2F%2Fnowhere" 'Cannot connect to the Docker daemon' \
	'exited with status 1'
fails "in a container there is no docker" docker:app/docker:app 'docker:app/docker:app: ' 'launch: '
none_left "failures leave nothing" "$(root app)" "$(root noexec)" "$(root readonly)" "$(root full)"

# --- interruptions ---

# Cut off after so many bytes of the image: the tool is docker behind a pipe of that length.
cat >"$scratch/cut" <<'END'
#!/bin/sh
limit=$1
shift
head -c "$limit" | docker "$@"
END
chmod 755 "$scratch/cut"
for limit in 0 1 7 70 1000 30000; do
	rig_mark
	fails "cut off after $limit bytes" "docker:app?tool=$(rig_escape "$scratch/cut")&args=$limit" 'docker:app: '
	none_left "... leaves nothing" "$(root app)"
done
# The place is found; the image never comes.
printf '#!/bin/sh\n(exec sleep 54321) | docker "$@"\n' >"$scratch/never"
chmod 755 "$scratch/never"
rig_mark
"$ramet" run "docker:app?tool=$(rig_escape "$scratch/never")" -- true >"$scratch/stdout" 2>"$scratch/stderr" </dev/null &
rig_client=$!
until_done 20 pgrep -f 'sh -c n=[0-9a-f]*;' || fail "a first stage runs"
kill -INT "$rig_client"
wait "$rig_client" 2>/dev/null
pkill -fx 'sleep 54321'
none_left "an interrupted bootstrap leaves nothing" "$(root app)"

# --- loss ---

rig_docker_run victim
rig_mark
if connected docker:victim; then
	same "a command in a container is seen from here" 1 "$(wc -w <<<"$rig_far")"
	docker kill victim >/dev/null
	client_ends
	says "a container that is killed: the loss is told" 'docker:victim is gone: process ' 'exited with status 137'
fi
none_left "... and nothing is left"
rig_mark
if connected docker:app; then
	kill -KILL "$rig_client"
	wait "$rig_client" 2>/dev/null
	none_left "a master that is killed leaves nothing" "$(root app)"
fi
rig_mark
if connected docker:app; then
	kill -INT "$rig_client"
	client_ends
	same "an interrupt ends it" 130 "$status"
	none_left "... and leaves nothing" "$(root app)"
fi

finish

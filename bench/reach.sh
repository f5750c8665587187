#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# reach.sh SCALE: the targets of bench/reach.c, in namespaces of their own, and then that program. RAMET_BUILD is build/.
# shellcheck source=tests/rig.sh
. "$(dirname "$0")/../tests/rig.sh"
source=$(cd "$(dirname "$0")/.." && pwd)

# It would cover what is mounted already; we are in namespaces.
export RIG_INSIDE=1
# shellcheck source=tests/rig-sshd.sh
. "$source/tests/rig-sshd.sh"
trap - EXIT
for file in box check docker; do
	# shellcheck source=/dev/null
	. "$source/tests/rig-$file.sh"
done

relay=$RAMET_BUILD/native/tests/relay
turns=$scratch/turns
targets=$scratch/targets
: >"$targets"

# relayed TOOL DELAY: a program that is the tool with the relay before it
relayed()
{
	printf '#!/bin/sh\nexec %s --delay %s --turns %s --exec %s "$@"\n' "$relay" "$2" "$turns" "$(command -v "$1")" \
		>"$scratch/$1-$2"
	chmod 755 "$scratch/$1-$2"
	echo "$scratch/$1-$2"
}

# target NAME PATH PEER TOOL PEER-FLOOR TOOL-FLOOR
target()
{
	local IFS=$'\t'
	echo "$*" >>"$targets"
}

escaped()
{
	echo "${1//\//%2F}"
}

python='"python_path": "/usr/bin/python3"'
target local local "local {$python}" - - -

# --- sudo ---

echo "127.0.0.1 localhost $(hostname)" >"$scratch/hosts"
mount --bind "$scratch/hosts" /etc/hosts || exit 1

rig_users
keywords="\"username\": \"r_sh\", $python"
target sudo sudo:r_sh "sudo {$keywords}" "sudo -u r_sh echo" 0.3333 -
tool=$(relayed sudo 50)
target "sudo, 50 ms away" "sudo:r_sh?tool=$(escaped "$tool")" "sudo {$keywords, \"sudo_path\": \"$tool\"}" \
	"$tool -u r_sh echo" - -

# --- ssh ---

rig_sshd 2201
"$relay" --background --delay 50 2202 2201 >/dev/null
keywords="\"hostname\": \"127.0.0.1\", \"username\": \"r_sh\", $python"
target ssh ssh:r_sh@127.0.0.1:2201 "ssh {$keywords, \"port\": 2201}" "ssh -p 2201 r_sh@127.0.0.1 true" - 1.15
target "ssh, 50 ms away" ssh:r_sh@127.0.0.1:2202 "ssh {$keywords, \"port\": 2202}" \
	"ssh -p 2202 r_sh@127.0.0.1 true" - -
tool=$(relayed ssh 50)
target "ssh, the shell 50 ms away" "ssh:r_sh@127.0.0.1:2201?tool=$(escaped "$tool")" \
	"ssh {$keywords, \"port\": 2201, \"ssh_path\": \"$tool\"}" "$tool -p 2201 r_sh@127.0.0.1 true" - -

# --- docker ---

if command -v dockerd >/dev/null; then
	rig_docker_start
	# Mitogen needs a python there.
	rig_docker_run bench -v /usr:/usr:ro -v /lib:/lib:ro -v /lib64:/lib64:ro
	keywords="\"container\": \"bench\", $python"
	target docker docker:bench "docker {$keywords}" "docker exec -i bench echo" 0.3333 -
	tool=$(relayed docker 50)
	target "docker, 50 ms away" "docker:bench?tool=$(escaped "$tool")" \
		"docker {$keywords, \"docker_path\": \"$tool\"}" "$tool exec -i bench echo" - -
	rig_docker_run bare
	target "docker, busybox alone" docker:bare - "docker exec -i bare echo" - -
else
	echo "there is no dockerd"
fi

peer=$source/bench/peer-reach.py
/usr/bin/python3 -c 'import mitogen' 2>/dev/null || peer=
if [ -n "${BENCH_ONLY:-}" ]; then
	grep -E "$BENCH_ONLY" "$targets" >"$targets.only"
	targets=$targets.only
fi
"$RAMET_BUILD/bench/bench/reach" "$1" "$turns" "$RAMET_OUT/ramet" "$peer" <"$targets"

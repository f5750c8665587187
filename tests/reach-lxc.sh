#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Containers of lxc, made by its template for busybox.
. "$(dirname "$0")/rig.sh"
. "$rig_source/rig-lxc.sh"

if ! command -v lxc-start >/dev/null || ! [ -e /usr/share/lxc/templates/lxc-busybox ]; then
	skip "reach-lxc" "there is no lxc, or no template for busybox"
	finish
fi
rig_lines
rig_lxc_start c d
root=/proc/$(lxc-info -n c -p -H)/root

# --- the rig, with lxc's own tools ---

same "lxc runs a command" "0 c" "$(lxc-attach --clear-env --name c -- /bin/sh -c 'id -u; hostname' </dev/null | paste -sd' ')"
same "a container has no network" "lo" "$(lxc-attach --clear-env --name c -- /bin/ls /sys/class/net </dev/null)"

# --- containers ---

reaches "a container" lxc:c c 0 "$root"
reaches "the keys uid and gid" 'lxc:c?uid=1000&gid=1000' c 1000 "$root"
reaches "the key args" "lxc:c?args=$(rig_escape "--lxcpath=$scratch/lxc")" c 0 "$root"
reaches "its namespaces" 'nsenter:c?kind=lxc' c 0 "$root"
reaches "its namespaces and a user of its own" 'nsenter:c?kind=lxc&username=alice' c 1000 "$root"

# A program that is not static travels where its loader is: the template mounts the libraries of this machine.
if [ -x "$RAMET_BUILD/examples/lines" ] && ldd "$RAMET_BUILD/examples/lines" >"$scratch/loads" 2>&1 &&
	! grep -q "$RAMET_BUILD" "$scratch/loads"; then
	same "a dynamically linked program counts there" "$(wc -l <"$root/etc/passwd") /etc/passwd" \
		"$("$RAMET_BUILD/examples/lines" lxc:c /etc/passwd 2>&1 </dev/null)"
else
	skip "a dynamically linked program counts there" "the one of the native build needs a library of that build"
fi

# --- chains ---

rig_mark
do_run run 'lxc:c/local*2,lxc:d,nsenter:d?kind=lxc,local/lxc:d' -- hostname
same "chains" "0 local/lxc:d: d lxc:c/local#1: c lxc:c/local: c lxc:d: d nsenter:d: d" \
	"$status $(sort "$scratch/stdout" | paste -sd' ')$(cat "$scratch/stderr")"
do_run run 'lxc:c/chroot:%2F/exec:env' -- hostname
same "three deep" "0 c" "$status $(sed 's/.*: //' "$scratch/stdout")$(cat "$scratch/stderr")"
none_left "chains leave nothing" "$root"

# --- failures ---

rig_mark
fails "no such container" lxc:absent 'exited with status 1' 'lxc-attach --clear-env --name absent'
fails "no such container, for nsenter: lxc-info's own words" 'nsenter:absent?kind=lxc' "absent doesn't exist"
fails "no such user" 'nsenter:c?kind=lxc&username=mallory' 'has no user mallory'
fails "no such tool" 'lxc:c?tool=%2Fnonexistent' 'launch: ' '/nonexistent' 'No such file or directory'
fails "no such shell" 'lxc:c?shell=%2Fbin%2Fnoshell' 'lxc-attach'
lxc-stop --kill --name d
fails "a stopped container" lxc:d 'exited with status 1'
fails "a stopped container, for nsenter" 'nsenter:d?kind=lxc' 'names no process of d'
none_left "failures leave nothing" "$root"

# --- loss ---

rig_mark
if connected lxc:c; then
	kill -KILL "$rig_client"
	wait "$rig_client" 2>/dev/null
	none_left "a master that is killed leaves nothing" "$root"
fi
if connected lxc:c; then
	lxc-stop --kill --name c
	client_ends
	says "a container that is killed: the loss is told" 'lxc:c is gone: process '
fi
none_left "... and nothing is left"

finish

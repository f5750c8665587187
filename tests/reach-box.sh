#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Root directories that have busybox alone, namespaces of processes, and another machine.
# shellcheck disable=SC2016 # dollars are for the shells in there
. "$(dirname "$0")/rig.sh"
. "$rig_source/rig-box.sh"

rig_lines
box=$scratch/box
path=chroot:$(rig_escape "$box")
rig_root "$box"
cp -a "$box" "$scratch/bare"
mount -t proc proc "$box/proc"

# --- the rig, with plain tools ---

same "chroot runs a command" "Linux 0" "$(chroot "$box" /bin/sh -c 'uname -s; id -u' | paste -sd' ')"
same "a root has no /proc" no "$(chroot "$scratch/bare" /bin/sh -c '[ -e /proc/self ] && echo yes || echo no')"

# --- roots ---

reaches "a root" "$path" rig 0 "$box"
reaches "a user of the root" "$path?username=alice" rig 1000 "$box"
reaches "without /proc" "chroot:$(rig_escape "$scratch/bare")" rig 0 "$scratch/bare"
bare=chroot:$(rig_escape "$scratch/bare")
reaches "... a copy of the program there" "$bare/local" rig 0 "$scratch/bare"
reaches "... and one of that" "$bare/local/local" rig 0 "$scratch/bare"
reaches "... and a fork's" "$bare/fork/local" rig 0 "$scratch/bare"
mkdir "$scratch/bare/inner"
mount --bind "$box" "$scratch/bare/inner"
reaches "... from which the program goes on" "$bare/local/chroot:%2Finner/local" rig 0 "$box"
umount "$scratch/bare/inner"
mkdir -p "$box/inner" "$box/odd 'n\"me/\$x"
mount --bind "$scratch/bare" "$box/inner"
mount --bind "$box" "$box/odd 'n\"me/\$x"
reaches "a root in a root" "$path/chroot:%2Finner" rig 0 "$scratch/bare"
reaches "a root with an odd name" "$path/chroot:$(rig_escape "/odd 'n\"me/\$x")" rig 0 "$box"
umount "$box/odd 'n\"me/\$x" "$box/inner"

# Each place in turn is the only one.
for place in dev/shm tmp var/tmp root; do
	mkdir -p "$box/$place"
	mount --bind -o ro "$box" "$box" && mount -o remount,bind,ro "$box"
	mount -t tmpfs -o mode=1777 rig "$box/$place"
	rig_mark
	got=$(HOME=/root "$ramet" run "$path" -- hostname 2>&1)
	same "the only place is /$place" "$(sed 's/%2F/\//g' <<<"$path" | sed 's|/|%2F|g'): rig" "$got"
	none_left "... and is empty afterwards" "$box"
	umount "$box/$place" "$box"
done
rig_mark
mount -t tmpfs -o noexec rig "$box/tmp"
mount -t tmpfs -o noexec rig "$box/var/tmp"
mount -t tmpfs -o noexec rig "$box/dev/shm"
do_run run "$path" -- sh -c 'echo $HOME'
fails "no place at all" "$path?username=alice&env.HOME=%2Ftmp" 'place: there is no directory' '/dev/shm /tmp /var/tmp' 'chroot' 'exited with status 1;'
none_left "... leaves nothing" "$box"

# --- files in memory ---

if [ -x /usr/bin/python3 ] && [ -x /usr/bin/perl ]; then
	mount --bind /usr "$box/usr" && mount -o remount,bind,ro "$box/usr"
	same "python3 is there, where no file can be executed" "x 126" \
		"$(chroot --userspec=alice "$box" /bin/sh -c 'python3 -c "print(\"x\")"; echo >/tmp/x; chmod 755 /tmp/x; /tmp/x 2>/dev/null; echo $?' | paste -sd' ')"
	reaches "a file in memory by python3" "$path?username=alice" rig 1000 "$box"
	mount --bind /dev/null "$box/usr/bin/python3"
	reaches "a file in memory by perl" "$path?username=alice" rig 1000 "$box"
	umount "$box/usr/bin/python3" "$box/usr"
else
	skip "a file in memory" "there is no python3 or perl"
fi
umount "$box/tmp" "$box/var/tmp" "$box/dev/shm"

# --- namespaces ---

rig_namespaces
same "nsenter runs a command" "inside 2" \
	"$(nsenter -t "$rig_namespaces_pid" -a sh -c 'hostname; ls -d /proc/[0-9]* | wc -l' | paste -sd' ' | sed 's/ [2-4]$/ 2/')"
reaches "namespaces of a process" "nsenter:$rig_namespaces_pid" inside 0 ""
rig_mark
do_run run "nsenter:$rig_namespaces_pid" -- sh -c 'ls /sys/class/net; cat /proc/1/comm'
same "they are others" "0 sleep" "$status $(sed 's/.*: //' "$scratch/stdout" | tail -n 1)$(cat "$scratch/stderr")"
do_run run "nsenter:$rig_namespaces_pid/$path/local*2" -- hostname
same "a root in namespaces" "0 2" "$status $(grep -c ': inside$' "$scratch/stdout")$(cat "$scratch/stderr")"
fails "no such process" nsenter:4194304 'there is no process 4194304' 'exited with status 1'
none_left "namespaces: nothing is left" "$box"
# Those whose first process stays below a root of its own.
unshare --mount --pid --fork --kill-child chroot "$box" /bin/sleep 1000001 &
until_done 10 pgrep -fx '/bin/sleep 1000001' || fail "a process runs in a root"
reaches "a user in namespaces with a root" "nsenter:$(pgrep -fx '/bin/sleep 1000001')?username=alice" rig 1000 "$box"

# --- another machine ---

if ! busybox=$(rig_busybox arm64); then
	skip "aarch64" "$busybox"
elif ! why=$(rig_format 2>&1); then
	skip "aarch64" "$why"
elif ! [ -e "$RAMET_OUT/ramet.aarch64" ]; then
	skip "aarch64" "./run build --all-arch has not left $RAMET_OUT/ramet.aarch64"
else
	arm=$scratch/arm
	rig_root "$arm" "$busybox"
	mount -t proc proc "$arm/proc"
	same "a root of another machine" aarch64 "$(chroot "$arm" /bin/uname -m)"
	rig_mark
	arm_path=chroot:$(rig_escape "$arm")
	do_run run "$arm_path" -- uname -m
	same "the image for that machine goes there" "0 aarch64" "$status $(sed 's/.*: //' "$scratch/stdout")$(cat "$scratch/stderr")"
	do_run tree "$arm_path/fork*2,local"
	same "copies of itself, beside this machine's" "0 3 2" \
		"$status $(grep -c ' aarch64 ' "$scratch/stdout") $(grep -c " $(uname -m) " "$scratch/stdout")$(cat "$scratch/stderr")"
	none_left "nothing is left" "$arm"
	mkdir "$scratch/lone"
	cp "$ramet" "$scratch/lone/ramet"
	ramet=$scratch/lone/ramet fails "without an image the error says what was looked for" "$arm_path" 'aarch64' 'ramet.aarch64'
	RAMET_IMAGE_PATH=$RAMET_OUT ramet=$scratch/lone/ramet do_run run "$arm_path" -- uname -m
	same "... and a directory of images helps" "0 aarch64" "$status $(sed 's/.*: //' "$scratch/stdout")$(cat "$scratch/stderr")"
	do_run run "$arm_path?image=$(rig_escape "$ramet")" -- uname -m
	says "an image of the wrong machine is an error" 'aarch64'
	none_left "nothing is left after failures" "$arm"
fi

# --- failures and loss ---

rig_mark
fails "no such directory: chroot's own words" chroot:%2Fnowhere '/nowhere' 'No such file or directory' \
	'exited with status 125' 'chroot /nowhere'
fails "no shell there" "chroot:$(rig_escape "$scratch")" '/bin/sh' 'exited with status 127'
fails "no such user" "$path?username=mallory" 'mallory'
fails "no such tool" "$path?tool=%2Fnonexistent" 'launch: ' '/nonexistent'
fails "a shell that ends" "$path?shell=%2Fbin%2Ftrue" 'it ended before a shell had answered'
none_left "failures leave nothing" "$box"
rig_mark
if connected "$path"; then
	kill -KILL "$(rig_context "$rig_far")"
	client_ends
	says "a context that is killed: the loss is told" 'is gone: process ' 'killed'
	kill "$rig_far" # nobody was left to do that
fi
printf '#!/bin/sh\nchroot "$@"\nprintf "going\\n\\rthe last \\033 word\\r\\n" >&2\nexit 7\n' >"$scratch/wordy"
chmod 755 "$scratch/wordy"
if connected "$path?tool=$(rig_escape "$scratch/wordy")"; then
	kill -KILL "$(rig_context "$rig_far")"
	client_ends
	says "... with the last word of its tool" ' exited with status 7: the last ? word'
	kill "$rig_far"
fi
none_left "... and nothing is left" "$box"

finish

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Contexts that detach themselves where tools lead to, and are found again by later runs.
. "$(dirname "$0")/rig-sshd.sh"

rig_users
rig_sshd 2201
here=127.0.0.1
"$RAMET_OUT/bin/ramet-cc" -O2 -o "$rig/detacher" "$RAMET_SOURCE/tests/detacher.c" || exit 1

# run WORD PATH [NAME]: leaves $said, and the file stderr
run()
{
	said=$(timeout 60 "$rig/detacher" "$@" 2>"$rig/stderr" </dev/null)
}

# tools NAME...: how many such processes root has
tools()
{
	ps -o args --no-headers -u root | grep -c "^$1"
}

no_tool()
{
	[ "$(tools "$1")" -eq 0 ]
}

# comes_back TEXT PATH NAME USER AGAIN: detached over PATH, found over AGAIN
comes_back()
{
	local text=$1 path=$2 name=$3 user=$4 again=$5 pid child
	run detach "$path" "$name"
	read -r pid child _ <<<"$said"
	same "$text: it detaches itself" "detached as '$name'" "$(cat "$rig/stderr")"
	same "... and is there, alone" 2 "$(ps -o pid= -p "$pid,$child" | wc -l)"
	same "... without a terminal, leading a session" "$pid ?" "$(ps -o sid=,tty= -p "$pid" | xargs)"
	run find "$again"
	same "... another run finds it with its child" "$pid $child 2" "$said"
	rig_show "$rig/stderr"
	run end "$again"
	same "... and a third ends it" "$pid $child 3" "$said"
	rig_show "$rig/stderr"
	rig_leaves "... nothing is left" "$user"
	same "... and no socket" "" "$(find /tmp -name "$name*")"
}

comes_back "over ssh" "ssh:r_sh@$here" build r_sh "ssh:r_sh@$here/unix:build"
try "... and no ssh" wait_for no_tool "ssh "
comes_back "two hops away" "ssh:r_sh@$here/local" deep r_sh "ssh:r_sh@$here/unix:deep"
comes_back "behind another hop" "ssh:r_bash@$here" other r_bash "local/ssh:r_bash@$here/unix:other"
comes_back "over sudo" "sudo:r_bash" below r_bash "sudo:r_bash/unix:below"
try "... and no sudo when it has ended" wait_for no_tool "sudo "
comes_back "over ssh and sudo" "ssh:r_sh@$here/sudo:r_bash" both r_bash "sudo:r_bash/unix:both"
rig_leaves "... nor of the first user" r_sh

# --- who may join ---

run detach "ssh:r_sh@$here" private
read -r pid _ <<<"$said"
path=$(find /tmp -name private)
target=$(escaped "$path")
same "its socket and directory are its user's alone" "700 700" \
	"$(stat -c %a "$path") $(stat -c %a "$(dirname "$path")")"
run find "sudo:r_bash/unix:$target"
same "another user does not get in" "" "$said"
try "... and is told" grep -q "Permission denied" "$rig/stderr"
chmod 777 "$path"
chmod 755 "$(dirname "$path")"
run find "sudo:r_bash/unix:$target"
same "... nor if the modes are wide open" "" "$said"
try "... because of whose it is" grep -q "belongs to another user" "$rig/stderr"
chmod 700 "$(dirname "$path")"
# Root looks at whose socket it is, too.
run find "unix:$target"
same "root does not join what is another's" "" "$said"
run end "ssh:r_sh@$here/unix:private"
same "its user ends it" "$pid" "${said%% *}"
rig_leaves "... nothing is left" r_sh
rmdir /tmp/ramet-* 2>/dev/null
same "no directory is in use" "" "$(ls -d /tmp/ramet-* 2>/dev/null)"

finish

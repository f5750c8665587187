#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Methods whose tools cannot run everywhere, with stand-ins: each insists on its words and its streams, and then runs
# what follows them.
# shellcheck disable=SC2016 # dollars are for the stand-ins
. "$(dirname "$0")/tap.sh"

ramet=$RAMET_OUT/ramet
bin=$scratch/bin
mkdir "$bin"
export LC_ALL=C PATH=$bin:$PATH
unset RAMET_LOG_LEVEL

# standin NAME WORD...: a tool that has to get these words, then those of a command, which it executes. It leaves a line
# in NAME.calls.
standin()
{
	local name=$1 word
	shift
	{
		echo '#!/bin/sh'
		echo 'fail() { echo "stand-in: $1" >&2; exit 99; }'
		for word; do
			printf '[ "$1" = %q ] || fail "unexpected word $1"\nshift\n' "$word"
		done
		echo '[ -t 0 ] || [ -t 1 ] || [ -t 2 ] && fail "a terminal"'
		echo '[ $# -eq 3 ] && [ "$1 $2" = "/bin/sh -c" ] || fail "no command: $1 $2"'
		cat "$scratch/more" 2>/dev/null
		printf 'echo called >>%q\n' "$scratch/$name.calls"
		echo 'exec "$@"'
	} >"$bin/$name"
	chmod +x "$bin/$name"
}

# reaches METHOD HOP WORD...: with a stand-in for the tool METHOD, or, as METHOD=TOOL, another one
reaches()
{
	local method=${1%=*} tool=${1#*=} hop=$2 calls
	shift 2
	rm -f "$scratch/$tool.calls"
	standin "$tool" "$@"
	same "$method: a command runs behind '$hop'" "in $((6 * 7))" \
		"$(timeout 60 "$ramet" run "$hop" -- sh -c 'echo in $((6 * 7))' 2>"$scratch/stderr" </dev/null |
			sed 's/^[^ ]*: //')"
	sed 's/^/# /' "$scratch/stderr"
	calls=$(wc -l <"$scratch/$tool.calls" 2>/dev/null) || calls=0
	same "$method: its tool was run once" 1 "$calls"
}

reaches docker docker:web exec --interactive web
reaches docker 'docker:web?username=www:www&args=--context%20far&exec_args=-e%20A=b' \
	--context far exec --interactive --user=www:www -e A=b web
reaches docker 'docker:library%2Fdebian:12?run=yes' run --rm --entrypoint= --interactive library/debian:12
reaches podman podman:web exec --interactive web
reaches podman 'podman:web?username=1000&args=--remote&exec_args=--env%20%22A=b%20c%22' \
	--remote exec --interactive --user=1000 --env 'A=b c' web
reaches podman 'podman:debian?run=yes' run --rm --entrypoint= --interactive debian
reaches buildah buildah:web run -- web
reaches buildah 'buildah:web?username=www&exec_args=--isolation%20chroot' \
	run --user=www --isolation chroot -- web
reaches kubectl kubectl:pod-1 exec --stdin pod-1 --
reaches kubectl 'kubectl:pod-1?namespace=prod&container=app&args=--context%20far' \
	--context far --namespace=prod exec --stdin --container=app pod-1 --
reaches lxc=lxc-attach lxc:web --clear-env --name web --
reaches lxc=lxc-attach 'lxc:web?uid=1000&gid=100&args=-P%20%2Fsrv' -P /srv --clear-env --uid=1000 --gid=100 --name web --
reaches lxd=lxc lxd:far:web exec --mode=non-interactive far:web --
reaches lxd=lxc 'lxd:web?uid=1000&gid=100&args=--project%20p' \
	--project p exec --mode=non-interactive --user=1000 --group=100 web --
reaches incus incus:web exec --mode=non-interactive web --
reaches incus 'incus:web?uid=1000&exec_args=--cwd%20%2F' exec --mode=non-interactive --user=1000 --cwd / web --
reaches jail=jexec jail:web web
reaches jail=jexec 'jail:web?username=www&args=-l' -l -U www web
reaches srun srun:4711 --nodes=1 --ntasks=1 --unbuffered --jobid=4711
reaches srun 'srun:node07?partition=debug' --nodes=1 --ntasks=1 --unbuffered --partition=debug --nodelist=node07

# The service manager makes "$" of "$$", and of "${NAME}" and of a word "$NAME" what they are: no word may have one.
echo 'case $* in *\$*) fail "a dollar" ;; esac' >"$scratch/more"
reaches machinectl=systemd-run machinectl:box --machine=box --quiet --pipe --wait --collect --
reaches machinectl=systemd-run 'machinectl:box?username=www&args=--slice%20x' \
	--machine=box --quiet --pipe --wait --collect --uid=www --slice x --
rm "$scratch/more"

# sudo -i gives its words to a login shell as one line, in which it escapes everything but letters, digits and _-$.
cat >"$bin/sudo" <<'END'
#!/bin/sh
[ "$1 $2 $3 $4 $5 $6" = "-p ramet-sudo-prompt: -u root -i --" ] || exit 99
shift 6
line=
for word; do
	line="$line$(printf '%s\n' "$word" | sed 's/[^A-Za-z0-9_$-]/\\&/g') "
done
exec "$LOGIN_SHELL" -c "$line"
END
chmod +x "$bin/sudo"
for shell in sh dash bash ksh mksh zsh fish csh tcsh 'busybox sh'; do
	if ! command -v "${shell% sh}" >/dev/null; then
		skip "sudo -i through $shell" "it is not installed"
		continue
	fi
	printf '#!/bin/sh\nexec %s "$@"\n' "$shell" >"$scratch/shell"
	chmod +x "$scratch/shell"
	same "sudo -i through $shell" "sudo: in" \
		"$(LOGIN_SHELL=$scratch/shell timeout 60 "$ramet" run 'sudo?login=yes' -- echo in 2>&1 </dev/null)"
done
rm "$bin/sudo"

# The context that such a tool has led to uses the next one.
standin podman exec --interactive a
standin kubectl exec --stdin b --
standin incus exec --mode=non-interactive c --
timeout 60 "$ramet" tree podman:a/kubectl:b/incus:c >"$scratch/tree" 2>&1 </dev/null
same "a chain of three draws its tree" "podman:a podman:a/kubectl:b podman:a/kubectl:b/incus:c" \
	"$(sed -n 's/^[ |`-]*\(podman:[^ ]*\).*/\1/p' "$scratch/tree" | tr '\n' ' ' | sed 's/ $//')"

# A range is as many hops.
cat >"$bin/podman" <<'END'
#!/bin/sh
export BOX=$3
shift 3
exec "$@"
END
same "a range of containers is as many contexts" \
	"podman:box07: box07 podman:box08: box08 podman:box11: box11" \
	"$(timeout 60 "$ramet" run 'podman:box[07-08,11]' -- sh -c 'echo $BOX' 2>&1 </dev/null | sort | tr '\n' ' ' |
		sed 's/ $//')"
same "a range beside another path is not cut at its comma" 3 \
	"$(timeout 60 "$ramet" run 'podman:box[1,2],local' -- echo x 2>&1 </dev/null | wc -l)"

# --- failures ---

# fails TEXT HOP WORDS...: 255, and the message has the words
fails()
{
	local text=$1 hop=$2 status=0 word
	shift 2
	timeout 60 "$ramet" run "$hop" -- true >"$scratch/stdout" 2>"$scratch/stderr" </dev/null || status=$?
	same "$text exits with 255" 255 "$status"
	for word; do
		if grep -qF -- "$word" "$scratch/stderr"; then
			pass "... and the message has: $word"
		else
			fail "... and the message has: $word"
			sed 's/^/# /' "$scratch/stderr"
		fi
	done
}

printf '#!/bin/sh\necho "no such pod" >&2\nexit 3\n' >"$bin/kubectl"
fails "a tool that complains" kubectl:p 'kubectl exec --stdin p --' 'exited with status 3' 'no such pod'
printf '#!/bin/sh\nexit 1\n' >"$bin/lxc-attach"
cp "$bin/lxc-attach" "$bin/lxc"
cp "$bin/lxc-attach" "$bin/incus"
for hop in lxc:c lxd:c incus:c; do
	fails "a silent failure of ${hop%:*}" "$hop" 'exited with status 1' '/var/log'
done
rm "$bin/buildah"
if ! command -v buildah >/dev/null; then
	fails "a tool that is not there" buildah:c 'buildah: not found in PATH'
else
	skip "a tool that is not there" "buildah is installed"
fi
fails "a tool by its path" "jail:j?tool=%2Fnowhere%2Fjexec" /nowhere/jexec 'No such file'

finish

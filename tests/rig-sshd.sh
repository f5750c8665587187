# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2016 # dollars are for other shells
#
# Hosts to reach through OpenSSH, for shell tests, which begin with
#	. "$(dirname "$0")/rig-sshd.sh"
# in place of tap.sh. The test then runs in namespaces of its own (mounts, processes, network): what it starts ends
# with it, its ports are nobody else's, and the machine's accounts, keys and logs are out of its reach. /etc/passwd and
# its like are private copies with the users below, /tmp, /var/tmp, /dev/shm, /run and /var/log are empty.
# Without root or a tool that is needed the test is skipped, with the reason.
#
#	rig_users		makes the users: a key of root leads to each
#	rig_sshd PORT [LINE...]	starts an sshd with these lines in its configuration
#
# root's ~/.ssh/config says port 2201, root's key and known_hosts, $rig/keyless the same without the key; $rig is where
# all of it lives.

rig_skip()
{
	echo "1..0 # SKIP $1"
	exit 0
}

rig_needs()
{
	local tool
	PATH=$PATH:/usr/sbin:/sbin
	for tool; do
		command -v "$tool" >/dev/null || rig_skip "there is no $tool"
	done
}

# The first time: again in namespaces. $1 is the test, the rest its arguments.
rig_enter()
{
	local output
	[ -z "${RIG_INSIDE:-}" ] || return 0
	[ "$(id -u)" -eq 0 ] || rig_skip "only root may make namespaces and users"
	rig_needs unshare sshd ssh ssh-keygen busybox perl sudo
	output=$(unshare --mount --pid --net --fork --mount-proc true 2>&1) || rig_skip "no namespaces: $output"
	RIG_INSIDE=1 exec unshare --mount --pid --net --fork --kill-child --mount-proc --propagation private \
		bash "$@"
}

rig_enter "$0" "$@"

busybox ip link set lo up || exit 1
# Sources and programs may be anywhere, also below what is covered now.
mount -t tmpfs -o mode=755 rig /run || exit 1
mkdir /run/build /run/out /run/source /run/sshd /run/scratch
mount --bind "${RAMET_BUILD:-$(dirname "$0")/../build/native}" /run/build || exit 1
mount --bind "${RAMET_OUT:-$(dirname "$0")/../out}" /run/out || exit 1
mount --bind "${RAMET_SOURCE:-$(dirname "$0")/..}" /run/source || exit 1
export RAMET_BUILD=/run/build RAMET_OUT=/run/out RAMET_SOURCE=/run/source TMPDIR=/run/scratch
cd /run || exit 1
for rig_directory in /tmp /var/tmp /dev/shm; do
	mount -t tmpfs -o mode=1777 rig "$rig_directory" || exit 1
done
mount -t tmpfs rig /var/log || exit 1
. "$RAMET_SOURCE/tests/tap.sh"
chmod 711 "$scratch"
rig=$scratch
export LC_ALL=C HOME=$rig/me
unset SSH_AUTH_SOCK SSH_ASKPASS DISPLAY RAMET_LOG_LEVEL ENV BASH_ENV

# wait_for COMMAND...: until it succeeds, for ten seconds at most
wait_for()
{
	local try
	for ((try = 0; try < 500; try++)); do
		! "$@" || return 0
		sleep 0.02
	done
	return 1
}

# --- users ------------------------------------------------------------------------------------------------------------

rig_password='secret-word, "0%'\''$x' # of every user
rig_uid=61000

# rig_user NAME SHELL
rig_user()
{
	rig_uid=$((rig_uid + 1))
	echo "$1:x:$rig_uid:61000::$rig/home/$1:$2" >>/etc/passwd
	echo "$1:$rig_hash:19000:0:99999:7:::" >>/etc/shadow
	mkdir -p "$rig/home/$1/.ssh"
	cp "$rig/me/.ssh/id.pub" "$rig/home/$1/.ssh/authorized_keys"
	chown -R "$rig_uid:61000" "$rig/home/$1"
}

# Every login shell that is here, and r_NAME for those who have one of /bin/sh.
rig_users()
{
	local file name shell
	mkdir -p "$rig/etc" "$rig/me/.ssh" "$rig/home"
	chmod 711 "$rig/home"
	chmod 700 "$rig/me" "$rig/me/.ssh"
	for file in passwd shadow group shells sudoers; do
		cp -p "/etc/$file" "$rig/etc/$file"
		mount --bind "$rig/etc/$file" "/etc/$file" || exit 1
	done
	sed "s|^\(root:.*\):[^:]*:[^:]*\$|\1:$rig/me:/bin/bash|" "$rig/etc/passwd" >"$rig/etc/new"
	cat "$rig/etc/new" >/etc/passwd
	grep -q '^sshd:' /etc/passwd || echo "sshd:x:60999:65534::/run/sshd:/usr/sbin/nologin" >>/etc/passwd
	echo "r_users:x:61000:" >>/etc/group
	cat >/etc/sudoers <<-END
		Defaults secure_path="/usr/sbin:/usr/bin:/sbin:/bin", !pam_session
		root ALL=(ALL) NOPASSWD: ALL
		%r_users ALL=(ALL) NOPASSWD: ALL
	END
	rig_hash=$(perl -e 'print crypt($ARGV[0], q($6$rounds=1000$ramet$))' "$rig_password")
	ssh-keygen -q -t ed25519 -N '' -C '' -f "$rig/me/.ssh/id"
	ssh-keygen -q -t ed25519 -N '' -C '' -f "$rig/host"
	echo "* $(cat "$rig/host.pub")" >"$rig/me/.ssh/known_hosts"
	cat >"$rig/keyless" <<-END
		Host *
			Port 2201
			UserKnownHostsFile $rig/me/.ssh/known_hosts
			GlobalKnownHostsFile /dev/null
			CheckHostIP no
	END
	{
		cat "$rig/keyless"
		echo "IdentityFile $rig/me/.ssh/id"
	} >"$rig/me/.ssh/config"
	rig_shells=()
	for name in sh dash bash busybox mksh zsh fish csh tcsh; do
		shell=$(command -v "$name") || continue
		if [ "$name" = busybox ]; then
			ln -s "$shell" "$rig/ash"
			shell=$rig/ash
		fi
		echo "$shell" >>/etc/shells
		rig_shells+=("$name")
		rig_user "r_$name" "$shell"
	done
}

# --- servers ----------------------------------------------------------------------------------------------------------

rig_listens()
{
	(: >"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# rig_sshd PORT [LINE...]: $rig_before is a command that comes first, in a mount namespace of the server's own. $rig_pid
# is its process.
rig_sshd()
{
	local port=$1
	shift
	# What is said twice counts the first time.
	{
		printf '%s\n' "$@"
		cat <<-END
			Port $port
			ListenAddress 0.0.0.0
			HostKey $rig/host
			PidFile none
			KexAlgorithms curve25519-sha256
			LogLevel VERBOSE
			UsePAM no
			UseDNS no
			PermitRootLogin no
			KbdInteractiveAuthentication no
			PrintMotd no
			MaxSessions 50
		END
	} >"$rig/sshd.$port"
	! sshd -t -o PerSourcePenalties=no -f "$rig/sshd.$port" 2>/dev/null ||
		echo "PerSourcePenalties no" >>"$rig/sshd.$port"
	unshare --mount --propagation private bash -c '
		eval "$1"
		exec "$(command -v sshd)" -D -f "$2" -E "$3"' - "${rig_before:-:}" "$rig/sshd.$port" "$rig/log.$port" \
		</dev/null >/dev/null 2>&1 &
	rig_pid=$!
	wait_for rig_listens "$port" && return
	echo "Bail out! sshd does not start: $(cat "$rig/log.$port")"
	exit 1
}

# --- what is left -----------------------------------------------------------------------------------------------------

# rig_processes USER...: the processes of users, one on a line
rig_processes()
{
	ps -o pid,ppid,stat,args --no-headers -u "$(IFS=, && echo "$*")" | awk '$3 !~ /^Z/'
}

# rig_files: what the first stage may have left, where the last server sees it
rig_files()
{
	local root=/proc/$rig_pid/root
	find "$root/tmp" "$root/var/tmp" "$root/dev/shm" "$root$rig" -maxdepth 3 -name '.ramet-*'
}

rig_clean()
{
	[ -z "$(rig_processes "$1")$(rig_files)" ]
}

# rig_leaves TEXT USER: nothing is left of a user
rig_leaves()
{
	if wait_for rig_clean "$2"; then
		pass "$1"
	else
		fail "$1"
		{
			rig_processes "$2"
			rig_files
		} | sed 's/^/# /'
	fi
}

# escaped TEXT: as a target or a value in a path
escaped()
{
	perl -e '$_ = shift; s/([\/?*#&=%, ])/sprintf("%%%02X", ord $1)/ge; print' -- "$1"
}

# --- the command ------------------------------------------------------------------------------------------------------

# rig_show FILE...: what they say, for whoever reads the output of a test
rig_show()
{
	cat "$@" | head -n 30 | cut -c 1-400 | LC_ALL=C tr -c '\n -~' '?' | sed 's/^/# /'
}

# do_run ARGUMENT...: ramet, leaves $status, and the files stdout and stderr
do_run()
{
	status=0
	timeout 60 "$RAMET_OUT/ramet" "$@" >"$rig/stdout" 2>"$rig/stderr" </dev/null || status=$?
}

# reaches TEXT PATH USER: the processes there are the user's
reaches()
{
	do_run run "$2" -- /bin/sh -c '/usr/bin/id -un'
	same "$1" "0 $3" "$status $(sed -n '1s/.*: //p' "$rig/stdout")"
	[ "$status" -eq 0 ] || rig_show "$rig/stderr"
}

# refused TEXT PATH WORDS...: connecting fails, and the error has each of the words
refused()
{
	local text=$1 path=$2 word
	shift 2
	do_run run "$path" -- echo reached
	for word; do
		if [ "$status" -ne 255 ] || [ -s "$rig/stdout" ] || ! grep -qF -- "$word" "$rig/stderr"; then
			fail "$text"
			echo "# exit status $status; expected: $word"
			rig_show "$rig/stdout" "$rig/stderr"
			return
		fi
	done
	pass "$text"
}

# says TEXT WORDS, says_not TEXT WORDS: of standard error of the last command
says()
{
	if grep -qF -- "$2" "$rig/stderr"; then
		pass "$1"
	else
		fail "$1"
		rig_show "$rig/stderr"
	fi
}

says_not()
{
	if [ -s "$rig/stderr" ] && ! grep -qF -- "$2" "$rig/stderr"; then
		pass "$1"
	else
		fail "$1"
		rig_show "$rig/stderr"
	fi
}

# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Users, passwords and rules for tests of sudo, su and doas. Before tap.sh, such a test reads
#	. "$(dirname "$0")/rig-users.sh" PROGRAM...
# It is then run again, in mount and process namespaces of its own, as their init: /etc is a copy, and what these
# tools write elsewhere (/run, /var/log, /var/lib/sudo, ...) goes to file systems that go away in the end, with all
# processes. No account, rule or record of the machine is changed, and none of its passwords is needed. Where that is
# not to be had (no root, no namespaces, a PROGRAM that is not installed) the test is skipped as a whole.
#
# Then there are
#	$rig            a directory that every user can read, with the homes, and a bin of their own in it
#	$rig_password   of r_alice; that of r_bob is "$rig_password bob", and so on for each user
# and the users
#	r_alice         may do everything with her password, by sudo and doas
#	r_bob           may do everything without one
#	r_carol         in no rule
#	r_expired       whose account has expired
#	r_locked        whose password is locked
#	r_aged          who must change the password first
#	r_nologin       whose shell is nologin
set -u

rig_skip()
{
	echo "1..0 # SKIP $1"
	exit 0
}

if [ "${RIG_INSIDE:-}" != "$PPID/$$" ]; then
	[ "$(id -u)" -eq 0 ] || rig_skip "needs root"
	for rig_program in unshare mount useradd chpasswd chage setpriv "$@"; do
		command -v "$rig_program" >/dev/null || rig_skip "no $rig_program"
	done
	rig_unshare=(unshare --mount --propagation private --pid --fork --kill-child --mount-proc)
	"${rig_unshare[@]}" true 2>/dev/null || rig_skip "no namespaces"
	# The first process of a namespace has no parent in it.
	exec "${rig_unshare[@]}" env RIG_INSIDE=0/1 bash "$0"
fi
unset RIG_INSIDE

: "${RAMET_SOURCE:=$(cd "$(dirname "$0")/.." && pwd)}"
: "${RAMET_OUT:=$RAMET_SOURCE/out}"
: "${RAMET_BUILD:=$RAMET_SOURCE/build/native}"

rig_die()
{
	echo "Bail out! $1"
	exit 1
}

# rig_empty DIRECTORY [MODE]: an empty one in its place, unless what is tested is below it
rig_empty()
{
	[ -d "$1" ] || return 1
	case $RAMET_SOURCE/:$RAMET_OUT/:$RAMET_BUILD/:$0 in
	"$1"/* | *:"$1"/*) return 1 ;;
	esac
	mount -t tmpfs -o "mode=${2:-755}" ramet-test "$1"
}

# rig_sudoers LINE...: the rules of sudo: these behind the usual ones
rig_sudoers()
{
	rm -f /etc/sudoers
	printf '%s\n' 'Defaults env_reset, !use_pty, !lecture, !mail_no_user, !mail_badpass' \
		'Defaults timestamp_timeout=0, passwd_tries=3' \
		'Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"' \
		'root ALL=(ALL:ALL) ALL' 'r_alice ALL=(ALL:ALL) ALL' 'r_bob ALL=(ALL:ALL) NOPASSWD: ALL' \
		'r_expired ALL=(ALL:ALL) ALL' 'r_locked ALL=(ALL:ALL) ALL' 'r_aged ALL=(ALL:ALL) ALL' \
		"$@" >/etc/sudoers
	chmod 440 /etc/sudoers
}

# rig_doas LINE...: the rules of doas, likewise; the last one that fits holds
rig_doas()
{
	rm -f /etc/doas.conf
	printf '%s\n' 'permit r_alice' 'permit nopass r_bob' 'permit r_expired' 'permit r_locked' 'permit r_aged' \
		'permit nopass root' "$@" >/etc/doas.conf
	chmod 400 /etc/doas.conf
}

# rig_pam [DELAY [LINE...]]: how users are known; a failure takes so many microseconds; more rules
rig_pam()
{
	local tool delay=${1:-0}
	[ $# -eq 0 ] || shift
	for tool in sudo sudo-i su su-l doas other; do
		{
			[ "$tool" = "${tool#su}" ] || [ "$tool" != "${tool#sudo}" ] ||
				echo 'auth sufficient pam_rootok.so'
			[ "$delay" -eq 0 ] || echo "auth optional pam_faildelay.so delay=$delay"
			echo 'auth required pam_unix.so nodelay'
			echo 'account required pam_unix.so'
			echo 'session required pam_permit.so'
			echo 'password required pam_deny.so'
			[ $# -eq 0 ] || printf '%s\n' "$@"
		} >"/etc/pam.d/$tool"
	done
}

# rig_hold: from now on whoever has given the right password is held: rig_held waits until one is, rig_go lets it go on
rig_hold()
{
	rm -f "$rig/held" "$rig/go"
	mkfifo -m 666 "$rig/held" "$rig/go" || rig_die "no pipes"
	exec {rig_held}<>"$rig/held" {rig_go}<>"$rig/go"
	printf '%s\n' '#!/bin/sh' "echo held >$rig/held" "read -r line <$rig/go" >"$rig/bin/hold"
	chmod 755 "$rig/bin/hold"
	rig_pam 0 "account required pam_exec.so quiet $rig/bin/hold"
}

# False when that took more than ten seconds.
rig_held()
{
	local line
	read -r -t 10 line <&"$rig_held"
}

rig_go()
{
	echo go >&"$rig_go"
}

# rig_locale LANGUAGE: the name of its locale here
rig_locale()
{
	case $1 in
	*@*) echo "${1%%@*}.UTF-8@${1#*@}" ;;
	*) echo "$1.UTF-8" ;;
	esac
}

# rig_languages DOMAIN...: the languages that one of these text domains is translated into. Each gets a locale, which
# is like C but for its name: programs that change users take none from elsewhere than /usr/lib/locale.
rig_languages()
{
	local domain name
	for domain; do
		for name in /usr/share/locale/*/LC_MESSAGES/"$domain.mo"; do
			[ -e "$name" ] || continue
			name=${name#/usr/share/locale/}
			name=${name%%/*}
			ln -sfn C.utf8 "/usr/lib/locale/$(rig_locale "$name" | sed s/UTF-8/utf8/)"
			echo "$name"
		done
	done | sort -u
}

# as USER COMMAND...: with the user's environment, below no terminal
as()
{
	local user=$1
	shift
	(cd "$rig/$user" && exec setpriv --reuid "$user" --regid "$user" --init-groups \
		env "HOME=$rig/$user" "USER=$user" "LOGNAME=$user" SHELL=/bin/sh "$@")
}

# All processes but those of the test itself, which are root's and of its own session (that of nobody here).
rig_processes()
{
	ps -eo user:16=,sess=,comm=,pid=,ppid=,stat=,args= | awk '
		$1 == "root" && $2 == 0 && $3 ~ /^(bash|ps|awk|sleep)$/ { next }
		$6 !~ /^Z/'
}

rig_files()
{
	find /tmp /var/tmp /dev/shm /run "$rig" -name '.ramet*' 2>/dev/null
}

# rig_left: what is left of processes and of the files of children: within five seconds, nothing
rig_left()
{
	local try left
	for ((try = 0; try < 250; try++)); do
		left=$(rig_processes && rig_files)
		[ -n "$left" ] || return 0
		sleep 0.02
	done
	echo "$left"
}

# rig_terminals COUNT: so many may exist at once
rig_terminals()
{
	mount -o "remount,gid=5,mode=620,ptmxmode=666,max=$1" /dev/pts
}

rig_set_up()
{
	local user directory
	for rig in /srv /media /mnt /opt; do
		! rig_empty "$rig" || break
	done
	mkdir "$rig/bin" "$rig/root" "$rig/.etc" && cp -a /etc/. "$rig/.etc" && mount --bind "$rig/.etc" /etc ||
		rig_die "no copy of /etc"
	# Nothing is said to the machine's own services either.
	for directory in /run /var/log /var/lib/sudo; do
		rig_empty "$directory" || [ ! -d "$directory" ] || rig_die "cannot empty $directory"
	done
	for directory in /dev/shm /tmp /var/tmp; do
		rig_empty "$directory" 1777
	done
	# Terminals, too: rig_terminals says how many there may be.
	mount -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 ramet-test /dev/pts &&
		mount --bind /dev/pts/ptmx /dev/ptmx || rig_die "no terminals"
	[ ! -S /dev/log ] || mount --bind /dev/null /dev/log
	cp -a /usr/lib/locale/C.utf8 "$rig/.C.utf8" && mount -t tmpfs -o mode=755 ramet-test /usr/lib/locale &&
		cp -a "$rig/.C.utf8" /usr/lib/locale/C.utf8
	mkdir -m 711 /run/sudo /run/doas
	rm -rf /etc/sudoers.d /etc/pam.d/common-* /etc/ld.so.preload /etc/nologin /etc/default/locale /etc/environment
	mkdir /etc/sudoers.d
	# Every shell that there is may be a login shell.
	printf '%s\n' CREATE_HOME\ yes MAIL_CHECK_ENAB\ no >/etc/login.defs
	echo FAIL_DELAY 0 >/etc/default/su
	unset TMPDIR RAMET_DIR
	rig_password='ünlikely W0rd'
	for user in r_alice r_bob r_carol r_expired r_locked r_aged r_nologin; do
		useradd -m -b "$rig" -k /nowhere -U -s /bin/sh "$user" || rig_die "cannot add users"
	done 2>/dev/null
	{
		echo "root:$rig_password root"
		echo "r_alice:$rig_password"
		for user in bob carol expired locked aged nologin; do
			echo "r_$user:$rig_password $user"
		done
	} | chpasswd -c SHA512 -s 1000 && usermod -s /usr/sbin/nologin r_nologin && chage -E 0 r_expired &&
		usermod -L r_locked && chage -d 0 r_aged || rig_die "cannot set passwords"
	rig_sudoers
	rig_doas
	rig_pam
}

rig_set_up

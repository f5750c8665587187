#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Other users of the same machine, by the sudo, su and doas that are installed here.
# shellcheck source=tests/rig-users.sh
. "$(dirname "$0")/rig-users.sh" sudo su doas runuser setsid
# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

export LC_ALL=C
unset RAMET_LOG_LEVEL
chmod 755 "$scratch"
cd "$scratch" || exit 1
cp "$RAMET_OUT/ramet" "$RAMET_BUILD/tests/on-terminal" "$rig/bin/"
PATH=$rig/bin:$PATH
ramet=$rig/bin/ramet

# on_terminal STATUS TEXT USER ARGUMENT...: what the terminal showed is in the file shown
on_terminal()
{
	local status=0 expected=$1 text=$2 user=$3
	shift 3
	as "$user" on-terminal -k "$rig/$user/kept" "$@" >shown 2>"shown.err" </dev/null || status=$?
	if [ "$status" -eq "$expected" ]; then
		pass "$text"
	else
		fail "$text"
		echo "# exit status $status of $*"
		cat -v shown shown.err | sed 's/^/# /'
	fi
}

# shows TEXT WORDS
shows()
{
	if grep -qF -- "$2" shown; then
		pass "$1"
	else
		fail "$1"
		cat -v shown | sed 's/^/# /'
	fi
}

# --- the rig: what all below rests on ---

on_terminal 0 "the rig: sudo wants a password" r_alice -w '[sudo] password for r_alice: ' -e -a "$rig_password\\n" \
	sudo id -un
shows "... and runs a command" root
on_terminal 0 "the rig: su wants a password" r_alice -w 'Password: ' -e -a "$rig_password bob\\n" su r_bob -c 'id -un'
shows "... and runs a command" r_bob
on_terminal 0 "the rig: doas wants a password" r_alice -w 'password: ' -e -a "$rig_password\\n" doas -u r_bob id -un
shows "... and runs a command" r_bob
on_terminal 0 "the rig: who may, runs sudo without a password" r_bob sudo id -un
on_terminal 0 "the rig: who may, runs doas without a password" r_bob doas id -un
on_terminal 1 "the rig: a wrong password is wrong" r_alice -w 'Password: ' -e -a "wrong\\n" su r_bob -c 'id -un'
shows "... and su says so" 'su: Authentication failure'
same "the rig: nobody else's accounts are here" "r_alice r_bob r_carol r_expired r_locked r_aged r_nologin" \
	"$(grep ^r_ /etc/passwd | cut -d: -f1 | paste -sd' ')"
rig_clean "the rig: nothing is left"

finish

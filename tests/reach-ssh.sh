#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Reaching through OpenSSH: every login shell, host keys, passwords, noise, refusals, and what goes wrong on the way.
# shellcheck disable=SC2016 # dollars are for other shells
. "$(dirname "$0")/rig-sshd.sh"

rig_users
rig_sshd 2201

# --- the rig ----------------------------------------------------------------------------------------------------------

for shell in sh dash bash busybox mksh zsh fish csh tcsh; do
	if id "r_$shell" >/dev/null 2>&1; then
		same "ssh to a user of $shell" "$(id -u "r_$shell") $rig/home/r_$shell" \
			"$(ssh "r_$shell@127.0.0.1" 'id -u; echo $HOME' </dev/null 2>&1 | paste -sd ' ')"
	else
		skip "ssh to a user of $shell" "it is not installed"
	fi
done

finish

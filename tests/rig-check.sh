# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# What the tests in a rig (rig.sh) ask of the command.

ramet=$RAMET_OUT/ramet

# until SECONDS COMMAND...: tries the command until it succeeds
until_done()
{
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.02
	done
}

# rig_failed TEXT FILE: what a machine could not be started for; ends the test
rig_failed()
{
	fail "$1"
	tail -n 20 "$2" | sed 's/^/# /'
	finish
}

# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For shell tests, which begin with
#	. "$(dirname "$0")/tap.sh"
# and end with
#	finish
# RAMET_SOURCE is the source tree, RAMET_OUT what ./run build made, RAMET_BUILD the native build; $scratch is an
# empty directory that goes away in the end.
set -u

: "${RAMET_SOURCE:=$(cd "$(dirname "$0")/.." && pwd)}"
: "${RAMET_OUT:=$RAMET_SOURCE/out}"
: "${RAMET_BUILD:=$RAMET_SOURCE/build/native}"
tap_count=0
tap_failed=0
scratch=$(mktemp -d "${TMPDIR:-/tmp}/ramet-test.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT

# What a command that ramet runs begins with to know its context, $context: a guard stands between the two.
# shellcheck disable=SC2016,SC2034 # a text for tests, whose variables are those of the command's shell
find_context='read -r _ _ _ context _ </proc/$PPID/stat;'

pass()
{
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1"
}

fail()
{
	tap_count=$((tap_count + 1))
	tap_failed=$((tap_failed + 1))
	echo "not ok $tap_count - $1"
}

# skip TEXT REASON
skip()
{
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

# try TEXT COMMAND...: passes when the command succeeds; what it printed is shown when it does not
try()
{
	local text=$1 status=0
	shift
	"$@" >"$scratch/.output" 2>&1 </dev/null || status=$?
	if [ "$status" -eq 0 ]; then
		pass "$text"
	else
		fail "$text"
		echo "# exit status $status of: $*"
		sed 's/^/# /' "$scratch/.output"
	fi
}

# same TEXT EXPECTED GOT
same()
{
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail "$1"
		printf 'expected: %s\ngot: %s\n' "$2" "$3" | sed 's/^/# /'
	fi
}

finish()
{
	echo "1..$tap_count"
	[ "$tap_failed" -eq 0 ]
	exit
}

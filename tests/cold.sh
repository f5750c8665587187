#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Programs that travel leave behind what only parents need, and their contexts fetch it when they become parents.
. "$(dirname "$0")/tap.sh"

cc=$RAMET_OUT/bin/ramet-cc
cd "$scratch" || exit 1

# lines PATH SIZE COUNT [N]: what the program prints for N contexts of the same hop
lines()
{
	local i
	echo "$1 $2 $3"
	for ((i = 1; i < ${4:-1}; i++)); do
		echo "$1#$i $2 $3"
	done
}

namespaces=yes
unshare -m true 2>/dev/null || namespaces=no

for compiler in musl-gcc clang "clang -fuse-ld=lld"; do
	# shellcheck disable=SC2086 # the words are options
	set -- $compiler
	if ! command -v "$1" >/dev/null || { [ $# -gt 1 ] && ! command -v ld.lld >/dev/null; }; then
		skip "$compiler: a program is linked" "not installed"
		continue
	fi
	name=$compiler
	rm -f cold cold.hot
	try "$name: a program is linked" "$cc" "--cc=$1" "${@:2}" -D_GNU_SOURCE -Wall -Wextra -Werror -o cold \
		"$RAMET_SOURCE/tests/cold.c"
	whole=$(stat -c %s cold)
	same "$name: with all of it, contexts start others" "$(lines local "$whole" 3)" "$(./cold local local/local*2,fork 2>&1)"
	./cold image >cold.gz
	gzip -dc <cold.gz >cold.hot
	chmod +x cold.hot
	strip -o cold.stripped cold
	hot=$(stat -c %s cold.hot)
	try "$name: the image is smaller than the stripped program" test "$hot" -lt $(($(stat -c %s cold.stripped) - 20000))
	same "$name: as a program of its own it refuses to run" "cold: Exec format error 3" "$(./cold.hot local - 2>&1 | tail -n 1) $(./cold.hot local - >/dev/null 2>&1; echo $?)"
	same "$name: its own image is itself" "$(gzip -dc <cold.gz | sha256sum)" "$(./cold image | gzip -dc | sha256sum)"
	if [ "$namespaces" = no ]; then
		skip "$name: an image is a context" "no mount namespaces"
		continue
	fi
	same "$name: an image is a context" "$(lines local "$hot" 0)" "$(./cold -f cold.hot local - 2>&1)"
	same "$name: and a parent, of images" "$(lines local "$hot" 1)" "$(./cold -f cold.hot local local 2>&1)"
	same "$name: and forks" "$(lines local "$hot" 1)" "$(./cold -f cold.hot local fork 2>&1)"
	same "$name: several become parents of several at once" "$(lines local "$hot" 7 4)" \
		"$(./cold -f cold.hot 'local*4' 'local*3,fork*2/local*2' 2>&1)"
	same "$name: whoever is asked for children becomes a parent" "$(lines local/local "$hot" 0 5)" \
		"$(./cold -f cold.hot 'local/local*5' - 2>&1)"
	same "$name: at any depth" "$(lines local/fork/local/local/fork/local "$hot" 1)" \
		"$(./cold -f cold.hot local/fork/local/local/fork/local local 2>&1)"
	# Another build of the same program: its functions are the same, its addresses are not.
	"$cc" "--cc=$1" "${@:2}" -D_GNU_SOURCE -O0 -o other "$RAMET_SOURCE/tests/cold.c"
	./other image | gzip -dc >other.hot
	chmod +x other.hot
	try "$name: another build's image is a context" ./cold -f other.hot local -
	output=$(./cold -f other.hot local local 2>&1)
	case $output in
	*"the part for parents"*"not here"*) pass "$name: which is not given our part" ;;
	*)
		fail "$name: which is not given our part"
		echo "# $output"
		;;
	esac
done

finish

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Images for other machines: that of a set is sent where uname says that it fits, also by contexts that have no set.
# shellcheck disable=SC2016 # the variables are those of the shell in the contexts
. "$(dirname "$0")/tap.sh"

cd "$scratch" || exit 1
mkdir set other fake
cp "$RAMET_OUT/ramet" set/
printf '#!/bin/sh\necho Linux "$FAKE_MACHINE"\n' >fake/uname
chmod +x fake/uname
path=$(printf '%s' "$scratch/fake:$PATH" | sed 's|%|%25|g; s|/|%2F|g; s|:|%3A|g; s|?|%3F|g; s|&|%26|g; s|,|%2C|g')

# reach MACHINE PATHS...: the classes (1: 32 bits, 2: 64 bits) of the programs that run at the ends of these paths
reach()
{
	local machine=$1
	shift
	FAKE_MACHINE=$machine timeout 30 set/ramet run "$@" -- \
		sh -c "$find_context"'head -c 5 /proc/$context/exe | od -An -tu1 | tr -s " " | cut -d " " -f 6' 2>&1 | sed 's/.*: *//'
}

# The fake is in the PATH of the context that runs the tool, and so of the shell there.
faked="local?env.PATH=$path/exec:env"
landed="exec:env?env.PATH=$path/exec:env"

output=$(FAKE_MACHINE=s390x timeout 30 set/ramet tree "$landed" 2>&1)
case $output in
*"no image of ramet for Linux s390x: looked for $scratch/set/ramet.s390x"*"ramet-cc --arch=s390x"*)
	pass "a missing image says where the master has looked for it"
	;;
*)
	fail "a missing image says where the master has looked for it"
	echo "# $output"
	;;
esac
if [ "$(uname -m)" = x86_64 ] && [ -f "$RAMET_OUT/ramet.i686" ]; then
	cp "$RAMET_OUT/ramet.i686" set/
	same "the image beside the program is sent" 1 "$(reach i686 "$faked")"
	same "... by a context that has none" 1 "$(reach i686 "$landed")"
	same "... and its contexts become parents" 1 "$(reach i686 "$landed/local/fork")"
	mv set/ramet.i686 other/
	same "an image is found in RAMET_IMAGE_PATH" 1 "$(RAMET_IMAGE_PATH=/nowhere:$scratch/other reach i686 "$landed")"
	same "image=FILE names one" 1 \
		"$(reach x86_64 "exec:env?image=$(printf '%s' "$scratch/other/ramet.i686" | sed 's|/|%2F|g')")"
	cp "$RAMET_OUT/ramet" set/ramet.i686
	case $(FAKE_MACHINE=i686 timeout 30 set/ramet tree "$faked" 2>&1) in
	*"set/ramet.i686 is for Linux x86_64, not for Linux i686"*) pass "an image for another machine is refused" ;;
	*) fail "an image for another machine is refused" ;;
	esac
else
	skip "the image beside the program is sent" "there is no out/ramet.i686: ./run build --all-arch"
fi

finish

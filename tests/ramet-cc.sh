#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The compiler wrapper: what it makes, what it leaves to the compiler, and from where it can be called.
. "$(dirname "$0")/tap.sh"

cc=$RAMET_OUT/bin/ramet-cc
cd "$scratch" || exit 1
cat >version.c <<'EOF'
#include <stdio.h>
#include <ramet.h>

int main(void)
{
	return puts(ramet_version()) < 0;
}
EOF
cat >plain.c <<'EOF'
int main(void)
{
	return 0;
}
EOF

# shellcheck disable=SC2317 # called by try
is_static()
{
	test -x "$1" && ! readelf -l "$1" | grep -q INTERP
}

for compiler in musl-gcc gcc clang; do
	if ! command -v "$compiler" >/dev/null; then
		skip "a program is made with $compiler" "no $compiler"
		continue
	fi
	rm -f version
	try "a program is made with $compiler" "$cc" "--cc=$compiler" -Wall -Wextra -Werror -o version version.c
	try "... and is static" is_static version
	same "... and runs" "$(sed -n 's/^#define RAMET_VERSION "\(.*\)"/\1/p' "$RAMET_OUT/include/ramet.h")" \
		"$(./version 2>&1)"
done

try "-c leaves an object" "$cc" -Werror -c version.c
try "an object is linked" "$cc" -o linked version.o
same "-E does not link" "1" "$("$cc" -E version.c | grep -c 'int main')"
try "-S leaves assembly" "$cc" -Werror -S -o version.s version.c
try "-M names the header" bash -c '"$1" -M version.c | grep -q ramet.h' - "$cc"
same "-show prints a command with the library" "1" "$("$cc" -show plain.c | grep -c -- '-lramet')"
same "--show -c prints one without" "plain.c" "$("$cc" --show -c plain.c | grep -v -- '-lramet' | grep -o 'plain.c')"
same "--show keeps words apart" "1" "$("$cc" --show -c 'a b.c' | grep -cF -- "'a b.c'")"
try "what --show prints does the same" bash -c "$("$cc" --show -o 'shown it' plain.c) && test -x 'shown it'"
same "the user's -O comes after ours" "-O3" "$("$cc" --show -O3 plain.c | grep -o -- '-O[^ ]*' | tail -n 1)"
same "--version names ramet-cc" "ramet-cc" "$("$cc" --version | sed -n '1s/ .*//p')"
try "--version names the compiler" bash -c '"$1" --version | grep -q "Free Software Foundation"' - "$cc"
same "a missing compiler is named" "ramet-cc: there is no compiler nowhere-cc" "$(RAMET_CC=nowhere-cc "$cc" plain.c 2>&1)"
same "RAMET_CC chooses the compiler" "clang" "$(RAMET_CC=clang "$cc" --show plain.c 2>&1 | sed 's/ .*//')"

same "an unknown machine is named" "ramet-cc: there is no machine vax (there are aarch64, armv7l, i686 and x86_64)" \
	"$("$cc" --arch=vax plain.c 2>&1)"
same "a missing cross compiler is named with its package" \
	"ramet-cc: there is no compiler nowhere-cc for aarch64 (Debian: gcc-aarch64-linux-gnu)" \
	"$("$cc" --cc=nowhere-cc --arch arm64 plain.c 2>&1)"
same "a missing musl is named with its package" \
	"ramet-cc: there is no musl for aarch64 (Debian: dpkg --add-architecture arm64, then musl-dev:arm64)" \
	"$(RAMET_MUSL_LIBRARY=/nowhere "$cc" --cc=musl-gcc --arch=aarch64 plain.c 2>&1)"
for machine in aarch64:AArch64 armhf:ARM i386:80386; do
	case ${machine%:*} in
	armhf) directory=armv7l ;;
	i386) directory=i686 ;;
	*) directory=${machine%:*} ;;
	esac
	if [ "$(uname -m)" = "$directory" ] || ! [ -f "$RAMET_OUT/lib/$directory/libramet.a" ]; then
		skip "a program is made for ${machine%:*}" "no libramet.a: ./run build --all-arch"
		continue
	fi
	try "a program is made for ${machine%:*}" "$cc" --arch "${machine%:*}" -Werror -o version.other version.c
	same "... and is of that machine" 1 "$(readelf -h version.other | grep -c "Machine:.*${machine#*:}")"
done

mkdir elsewhere
ln -s "$cc" elsewhere/my-cc
try "it works through a symbolic link" elsewhere/my-cc -o through-link version.c
cp -r "$RAMET_OUT" "moved out"
try "it works after a move" "moved out/bin/ramet-cc" -o moved version.c
same "... with the files there" "1" "$("moved out/bin/ramet-cc" --show version.c | grep -c "moved out/include")"

finish

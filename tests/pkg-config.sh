#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The native shared library as a user of pkg-config sees it, wherever the tree was moved to.
. "$(dirname "$0")/tap.sh"

version=$(sed -n 's/^#define RAMET_VERSION "\(.*\)"/\1/p' "$RAMET_OUT/include/ramet.h")
cp -r "$RAMET_OUT" "$scratch/moved"
export PKG_CONFIG_PATH=$scratch/moved/lib/pkgconfig
cat >"$scratch/version.c" <<'EOF'
#include <stdio.h>
#include <ramet.h>

int main(void)
{
	return puts(ramet_version()) < 0;
}
EOF

same "the version is the header's" "$version" "$(pkg-config --modversion ramet)"
same "the header is found where the file lies" "$(realpath "$scratch/moved/include")" \
	"$(realpath "$(pkg-config --cflags-only-I ramet | sed 's/^-I//; s/ *$//')")"
# shellcheck disable=SC2046 # words of their own
try "a program is linked" gcc -Wall -Werror -o "$scratch/version" "$scratch/version.c" \
	$(pkg-config --cflags --libs ramet)
same "... and runs" "$version" "$(LD_LIBRARY_PATH=$scratch/moved/lib "$scratch/version" 2>&1)"
same "its library goes by the soname" "libramet.so.0" \
	"$(readelf -d "$scratch/version" | sed -n 's/.*NEEDED.*\[\(libramet.*\)\]/\1/p')"

finish

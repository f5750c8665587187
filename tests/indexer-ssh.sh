#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# examples/indexer where the files are: on another host, behind OpenSSH.
. "$(dirname "$0")/rig-sshd.sh"

rig_users
rig_sshd 2201
here=127.0.0.1
try "indexer is made by ramet-cc" "$RAMET_OUT/bin/ramet-cc" -O2 -std=gnu17 -D_GNU_SOURCE -o "$rig/indexer" \
	"$RAMET_SOURCE"/examples/indexer/*.c

# Only the user may read them.
mkdir "$scratch/private"
for i in {1..300}; do
	printf 'file %s has a needle\n' "$i" >"$scratch/private/$i"
done
chown -R r_dash "$scratch/private"
chmod 700 "$scratch/private"
answer=$(echo 'needle' | "$rig/indexer" --limit 1 "$scratch/private" "ssh:r_dash@$here/local*2" 2>"$scratch/.err")
same "files of a user on another host are indexed there" \
	"$(printf '%s\n' "$scratch/private/1:1:14: needle" 'needle: 1 of 300 places, 1 word')" "$answer$(cat "$scratch/.err")"

finish

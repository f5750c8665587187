#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A cluster of slurm with one node.
. "$(dirname "$0")/rig.sh"
. "$rig_source/rig-slurm.sh"

if ! command -v slurmctld >/dev/null || ! command -v slurmd >/dev/null || ! command -v munged >/dev/null; then
	skip "reach-slurm" "there is no slurm, or no munge"
	finish
fi
rig_lines
rig_slurm_start

# --- the rig, with slurm's own tools ---

same "srun runs a command" "0 rig 0" "$(timeout 20 srun sh -c 'id -u; hostname; echo $SLURM_PROCID' </dev/null | paste -sd' ')"
same "srun has an input" "word" "$(echo word | timeout 20 srun head -n 1)"

# no_jobs: nothing runs or waits
no_jobs()
{
	[ -z "$(timeout 5 squeue --noheader)" ]
}

# --- allocations ---

reaches "an allocation" srun rig 0 ""
reaches "a node" srun:rig rig 0 ""
rig_mark
do_run run srun -- printenv SLURM_JOB_NODELIST
same "it is a job" "0 srun: rig" "$status $(cat "$scratch/stdout" "$scratch/stderr")"
do_run run 'srun?args=--chdir%20%2Fusr%20--job-name=x' -- sh -c "pwd; echo \$SLURM_JOB_NAME"
same "the key args" "0 srun: /usr srun: x" "$status $(paste -sd' ' "$scratch/stdout")$(cat "$scratch/stderr")"
do_run run 'srun/local*2,local/srun' -- hostname
same "chains" "0 3" "$status $(grep -c ': rig$' "$scratch/stdout")$(cat "$scratch/stderr")"
# A step of a job that was allocated before.
timeout 60 salloc --no-shell --job-name step >"$scratch/salloc" 2>&1 </dev/null
job=$(sed -n 's/.*Granted job allocation \([0-9]*\).*/\1/p' "$scratch/salloc")
do_run run "srun:$job" -- printenv SLURM_JOB_ID
same "a job by its number" "0 srun:$job: $job" "$status $(cat "$scratch/stdout" "$scratch/stderr")"
scancel "$job"
try "no job is left" until_done 20 no_jobs
none_left "no process is left" ""

# Bytes of all values, both ways.
head -c 300000 /dev/urandom >"$scratch/bytes"
do_run run srun -- cat "$scratch/bytes"
same "any bytes arrive" "0 yes" "$status $(sed 's/^srun: //' "$scratch/stdout" | tr -d '\n' | cksum |
	grep -qx "$(tr -d '\n' <"$scratch/bytes" | cksum)" && echo yes)"

# --- failures ---

rig_mark
fails "no such node: srun's own words" srun:absent 'Invalid node name specified' 'exited with status 1' \
	'srun --nodes=1 --ntasks=1'
fails "no such job: srun's own words" srun:99999 'Invalid job id specified' 'exited with status 1'
fails "no such partition: srun's own words" 'srun?partition=absent' 'invalid partition'
fails "no such tool" 'srun?tool=%2Fnonexistent' 'launch: ' '/nonexistent'
try "failures leave no job" until_done 20 no_jobs
none_left "failures leave nothing" ""

# --- loss ---

rig_mark
if connected srun; then
	scancel --user root
	client_ends
	says "a job that is cancelled: the loss is told" 'srun is gone: process ' 'exited with status'
fi
if connected srun; then
	kill -KILL "$rig_client"
	wait "$rig_client" 2>/dev/null
	try "a master that is killed leaves no job" until_done 20 no_jobs
fi
none_left "... and nothing is left" ""

finish

# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For tests in a rig (rig.sh): a cluster of slurm with one node, this one.

# rig_slurm_start: leaves SLURM_CONF
rig_slurm_start()
{
	local directory=$scratch/slurm
	mkdir -p "$directory/state" "$directory/spool" /run/munge
	mkdir -m 700 "$directory/munge"
	head -c 128 /dev/urandom >"$directory/munge/key"
	chmod 600 "$directory/munge/key"
	export SLURM_CONF=$directory/slurm.conf
	cat >"$SLURM_CONF" <<END
ClusterName=rig
SlurmctldHost=rig(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=/run/munge/munge.socket.2
StateSaveLocation=$directory/state
SlurmdSpoolDir=$directory/spool
SlurmctldPidFile=$directory/slurmctld.pid
SlurmdPidFile=$directory/slurmd.pid
SlurmctldLogFile=$directory/slurmctld.log
SlurmdLogFile=$directory/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
ReturnToService=2
KillWait=2
NodeName=rig NodeAddr=127.0.0.1 CPUs=1 State=UNKNOWN
PartitionName=all Nodes=rig Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:16
END
	if ! {
		munged --force --key-file="$directory/munge/key" --socket=/run/munge/munge.socket.2 \
			--pid-file="$directory/munge/pid" --log-file="$directory/munge/log" \
			--seed-file="$directory/munge/seed" --num-threads=1 &&
			slurmctld -i -c && slurmd -c &&
			until_done 20 rig_slurm_idle
	} >"$directory/log" 2>&1; then
		cat "$directory"/*.log >>"$directory/log"
		rig_failed "slurm starts" "$directory/log"
	fi
}

rig_slurm_idle()
{
	timeout 5 sinfo --noheader --format %t | grep -q idle
}

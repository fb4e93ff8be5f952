#!/bin/busybox sh
# The first process of the machine that test-kernels.sh boots. It runs the jobs in /jobs and
# reports on the second serial line; each line starts with its job.
/bin/busybox --install -s /usr/bin
export PATH=/usr/sbin:/usr/bin HOME=/root NO_COLOR=1 SWIFT_BACKTRACE=enable=no
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t bpf bpf /sys/fs/bpf
for module in inet_diag tcp_diag udp_diag veth vrf; do insmod "/modules/$module.ko"; done
ip link set lo up
# As in the unit: before Linux 5.11, maps count as locked memory.
ulimit -l unlimited
. /settings # bundle, capabilities

report=/dev/ttyS1
stty -F "$report" raw
exec 3>"$report"

# Runs jobs that no other worker has taken, one after the other.
work() {
    while read -r privilege part filter; do
        mkdir "/run/$privilege-$part" 2>/dev/null || continue
        {
            # AgentTests start the agent with the unit's capabilities by themselves.
            case $privilege-$part in
            unit-agent) ;;
            unit-*) export REUSEPORT_TEST_CAPABILITIES="$capabilities" ;;
            esac
            "$bundle" --testing-library swift-testing --filter "$filter"
            echo "exit $?"
        } 2>&1 </dev/null | sed "s/^/$privilege $part| /" >&3
    done </jobs
}

echo "kernel| $(uname -r), $(uname -v)" >&3
export REUSEPORT_TEST_SLOW_MACHINE=1
work &
work &
wait
echo 'end| ' >&3
exec 3>&-
poweroff -f

#!/bin/bash
# test-kernels.sh
# Boots Debian's kernels under QEMU and runs the tests that depend on the kernel, as root and
# with the capabilities of the shipped unit: see CONTRIBUTING.md. Environment:
#   KERNELS          versions to test, "5.10 6.1 6.12"
#   KERNEL_PACKAGES  a folder with their packages, instead of the mirror
#   RECORD           a page that gets the table if all tests pass
# Writes the table to .build/kernels.md, and each machine's report to .build/kernels/.
set -euo pipefail
cd "$(dirname "$0")/.."

kernels=${KERNELS:-5.10 6.1 6.12}
# Timeout of a machine, in seconds. With two processors to itself, it takes less than 240.
limit=900
unit=examples/systemd/reuseport-agent.service

# The machines' tests, the longest first: privilege, part, and a regular expression for the
# tests. Emulated processors are about 15 times slower, and the verifier takes seconds for
# each pool: these are the cheapest tests of each subject. Root runs fewer of them,
# because the verifier is more lenient for root.
selection='SelectionTests/.a device.s IPv4|TurnTests/.round-robin: an'
failover='LifeTests/.after the hold|WholeCollectorTests/.connections for'
reload='GenerationTests/.a group that left'
drain='DrainTests/.drain: exporters'
sessions='SessionTests/.failback'
adoption='LifeTests/.a new agent'
refusals='LifeTests/.another seed|ReplaceTests/.a slot'
migration='ReplaceTests/.50 connections'
workers='WorkerTests/.all streams'
interfaces='InterfaceTests/.a VRF'
# The report of check on this kernel, and the agent's behaviour if the kernel lacks a feature.
agent='RefusedStartTests/.a limit of locked memory|OlderKernelTests/.on a kernel without'
jobs="unit affinity-variants KernelTests\\.AffinityVariantTests
unit tests KernelTests\\.($selection|$failover|$reload|$drain|$sessions|$adoption|$refusals|$migration|$workers)
unit other-variants KernelTests\\.OtherVariantTests
unit agent AgentTests\\.PrivilegeTests/.(with the unit|pins that an agent)
root tests KernelTests\\.($selection|$failover|$reload|$refusals|$migration|$workers|$interfaces)
root affinity-variants KernelTests\\.AffinityVariantTests
root agent AgentTests\\.($agent)
root other-variants KernelTests\\.OtherVariantTests"

fail() {
    echo "test-kernels: $*" >&2
    exit 1
}

[ "$(uname -m)" = x86_64 ] || fail "it boots x86_64 kernels, and this machine is $(uname -m); run it on an x86_64 machine"
for command in qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio xz:xz-utils strip:binutils ip:iproute2; do
    command -v "${command%:*}" >/dev/null ||
        fail "${command%:*} is missing; install the package ${command#*:}, or all that are needed: scripts/setup.sh kernels"
done
! ldd "$(command -v busybox)" >/dev/null 2>&1 || fail "busybox needs libraries; install the package busybox-static"
build=$(realpath .build/debug 2>/dev/null) || fail "nothing is built; run: swift build --build-tests"
bundle=$build/reuseport-agentPackageTests.xctest
[ -x "$bundle" ] || fail "$bundle is missing; run: swift build --build-tests"

work=$(mktemp -d)
machine=
trap '[ -z "$machine" ] || kill "$machine" 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

archive() { (cd "$1" && find . | cpio -o -H newc --quiet); }

# Copies programs and the libraries that they load, with the same paths.
copy() {
    local file
    for file in "$@" $(ldd "$@" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^\t\(\/[^ ]*\) .*/\1/p' | sort -u); do
        mkdir -p "$root$(dirname "$file")"
        [ -e "$root$file" ] || cp -L "$file" "$root$file"
    done
}

# Packs the files of all machines as $work/common.cpio.
pack_tests() {
    local root=$work/common folder
    mkdir -p "$root"/{usr/bin,usr/sbin,usr/lib,usr/lib64,proc,sys,dev,tmp,run,root,etc,"$PWD"}
    for folder in bin sbin lib lib64; do ln -s "usr/$folder" "$root/$folder"; done
    cp "$(command -v busybox)" "$root/bin/busybox"
    echo 'root:x:0:0::/root:/bin/sh' >"$root/etc/passwd"
    copy "$bundle" "$build/reuseport-agent" /usr/bin/{setpriv,prlimit,install,chown,chgrp,chmod} "$(command -v ip)"
    strip "$root$bundle" "$root$build/reuseport-agent"
    cp -r examples "$root$PWD/examples"
    cp scripts/kernel-guest.sh "$root/init"
    echo "$jobs" >"$root/jobs"
    echo "bundle='$bundle' capabilities='$(sed -n 's/^AmbientCapabilities=//p' "$unit" | xargs)'" >"$root/settings"
    archive "$root" >"$work/common.cpio"
    rm -r "$root"
}

# boot VERSION: writes the machine's report to .build/kernels/VERSION.log
boot() {
    local version=$1 package root=$work/kernel report=.build/kernels/$1.log module elapsed
    package=$(scripts/kernel-package.sh "$version") || exit 1
    mkdir -p "$root/modules"
    dpkg-deb --fsys-tarfile "$package" |
        tar -x -C "$root" --wildcards './boot/vmlinuz-*' './lib/modules/*_diag.ko*' './lib/modules/*/net/v*.ko*'
    mv "$root"/boot/vmlinuz-* "$work/vmlinuz"
    find "$root/lib" -name '*.xz' -exec xz -d {} +
    for module in inet_diag tcp_diag udp_diag veth vrf; do
        find "$root/lib" -name "$module.ko" -exec mv {} "$root/modules" \;
    done
    rm -r "$root/boot" "$root/lib"
    # The kernel unpacks one archive after the other.
    { cat "$work/common.cpio" && archive "$root"; } >"$work/initrd"
    rm -r "$root"
    echo "test-kernels: booting $(basename "$package")"
    qemu-system-x86_64 -accel tcg,thread=multi -cpu max,la57=off -smp 2 -m 3072 -display none -no-reboot -net none \
        -kernel "$work/vmlinuz" -initrd "$work/initrd" -append 'console=ttyS0 quiet panic=-1 loglevel=3' \
        -serial "file:.build/kernels/$version.console" -serial "file:$report" </dev/null &
    machine=$!
    for ((elapsed = 0; elapsed < limit; elapsed++)); do
        kill -0 "$machine" 2>/dev/null || break
        sleep 1
    done
    kill "$machine" 2>/dev/null || true
    wait "$machine" || true
    machine=
    echo "test-kernels: Linux $version took $elapsed s"
    grep -q '^end|' "$report" || {
        echo "test-kernels: the machine ended without a result; the last lines of its console and report:"
        tail -n 10 ".build/kernels/$version.console" "$report" 2>/dev/null | sed 's/^/  /'
    } >&2
}

page() {
    cat <<END
# Kernels

This page lists the kernels on which \`make test-kernels\` loads every program that an agent can
load, and runs a selection of the agent's tests. \`make test-kernels RECORD=docs/kernels.md\`
wrote this page on $(date -u +%F).

- The kernels are Debian's cloud images with default boot parameters, in QEMU without KVM.
- **root** has every capability. **unit** has only the capabilities of
  [the systemd unit](../$unit), for which the
  kernel's verifier is stricter: $(sed -n 's/^AmbientCapabilities=//p' "$unit" | xargs | sed 's/ /, /g').
- A cell counts the programs or tests that passed. Each assignment has one program for UDP and
  one for TCP; the TCP program migrates pending connections if the kernel can. Each program is
  loaded without configured exporters, with one, and with prefixes of all 162 lengths.
- *Not there* counts programs that the kernel doesn't support (before Linux 5.14, connections
  don't migrate) and tests that were skipped on that kernel or with those capabilities.
- *Tracking* counts the traffic of each source address. *Shared counters*: with more CPUs than
  blocks of counters, several CPUs share one block.
- *Dispatchers* are the small programs that are attached to the sockets and call the program that
  selects the collector. The *meter* counts bytes for [usage events](usage.md#meter).
- *Tests of the pool* send traffic through the programs, without an agent's process. *Tests of the
  agent* start the agent.

$(cat .build/kernels.md)
END
}

rm -rf .build/kernels
mkdir -p .build/kernels
pack_tests
reports=()
for version in $kernels; do
    boot "$version"
    reports+=(".build/kernels/$version.log")
done
: >"$work/problems"
awk -v problems="$work/problems" -v versions="$kernels" -v "jobs=$(echo "$jobs" | cut -d ' ' -f 1,2 | paste -sd ';')" \
    -f scripts/kernel-table.awk "${reports[@]}" >.build/kernels.md
cat .build/kernels.md
if [ -s "$work/problems" ]; then
    { head -n 100 "$work/problems" && echo "test-kernels: failed; the complete reports are in .build/kernels/"; } >&2
    exit 1
fi
if [ -n "${RECORD:-}" ]; then page >"$RECORD"; fi
echo "test-kernels: all is well on Linux $kernels"

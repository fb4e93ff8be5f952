#!/bin/bash
# test-kernels.sh
# Boots Debian's kernels under QEMU and runs there, as root and with the capabilities of the
# shipped unit, what depends on the kernel: see CONTRIBUTING.md. From the environment:
#   KERNELS          which ones, "5.10 6.1 6.12"
#   KERNEL_PACKAGES  a folder with their packages, in place of the mirror
#   RECORD           a page to write the table to, if all is well
# Leaves the table in .build/kernels.md, and each machine's report in .build/kernels/.
set -euo pipefail
cd "$(dirname "$0")/.."

kernels=${KERNELS:-5.10 6.1 6.12}
# Seconds after which a machine is stopped, whatever it does: with two processors of its own
# it takes less than 240.
limit=900
unit=examples/systemd/reuseport-agent.service

# What the machines run, the longest first: privilege, part, and which tests by a regular
# expression. The emulated processors are some 15 times slower and each pool takes seconds
# for the verifier, so of each subject these are the tests with the least work. Root has
# fewer of them, because its verifier is the lenient one.
selection='SelectionTests/.a device.s IPv4|TurnTests/.round-robin: an'
failover='LifeTests/.after the hold|WholeCollectorTests/.connections for'
reload='GenerationTests/.a group that left'
drain='DrainTests/.drain: exporters'
sessions='SessionTests/.failback'
adoption='LifeTests/.a new agent'
refusals='LifeTests/.another seed|ReplaceTests/.a slot'
migration='ReplaceTests/.50 connections'
# What check says of this kernel, and what the agent does where the kernel lacks something.
agent='RefusedStartTests/.a limit of locked memory|OlderKernelTests/.on a kernel without'
jobs="unit affinity-variants KernelTests\\.AffinityVariantTests
unit tests KernelTests\\.($selection|$failover|$reload|$drain|$sessions|$adoption|$refusals|$migration)
unit other-variants KernelTests\\.OtherVariantTests
unit agent AgentTests\\.PrivilegeTests/.(with the unit|pins that an agent)
root tests KernelTests\\.($selection|$failover|$reload|$refusals|$migration)
root affinity-variants KernelTests\\.AffinityVariantTests
root agent AgentTests\\.($agent)
root other-variants KernelTests\\.OtherVariantTests"

fail() {
    echo "test-kernels: $*" >&2
    exit 1
}

[ "$(uname -m)" = x86_64 ] || fail "it boots x86_64 kernels, and this machine is $(uname -m); run it on an x86_64 machine"
for command in qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio xz:xz-utils strip:binutils; do
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

# Programs, and the libraries that they load, at the places that they have here.
copy() {
    local file
    for file in "$@" $(ldd "$@" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^\t\(\/[^ ]*\) .*/\1/p' | sort -u); do
        mkdir -p "$root$(dirname "$file")"
        [ -e "$root$file" ] || cp -L "$file" "$root$file"
    done
}

# What all machines have, as $work/common.cpio.
pack_tests() {
    local root=$work/common folder
    mkdir -p "$root"/{usr/bin,usr/sbin,usr/lib,usr/lib64,proc,sys,dev,tmp,run,root,etc,"$PWD"}
    for folder in bin sbin lib lib64; do ln -s "usr/$folder" "$root/$folder"; done
    cp "$(command -v busybox)" "$root/bin/busybox"
    echo 'root:x:0:0::/root:/bin/sh' >"$root/etc/passwd"
    copy "$bundle" "$build/reuseport-agent" /usr/bin/{setpriv,prlimit,install,chown,chgrp,chmod}
    strip "$root$bundle" "$root$build/reuseport-agent"
    cp -r examples "$root$PWD/examples"
    cp scripts/kernel-guest.sh "$root/init"
    echo "$jobs" >"$root/jobs"
    echo "bundle='$bundle' capabilities='$(sed -n 's/^AmbientCapabilities=//p' "$unit" | xargs)'" >"$root/settings"
    archive "$root" >"$work/common.cpio"
    rm -r "$root"
}

# boot VERSION: leaves what the machine reported in .build/kernels/VERSION.log
boot() {
    local version=$1 package root=$work/kernel report=.build/kernels/$1.log module elapsed
    package=$(scripts/kernel-package.sh "$version") || exit 1
    mkdir -p "$root/modules"
    dpkg-deb --fsys-tarfile "$package" |
        tar -x -C "$root" --wildcards './boot/vmlinuz-*' './lib/modules/*_diag.ko*'
    mv "$root"/boot/vmlinuz-* "$work/vmlinuz"
    find "$root/lib" -name '*.xz' -exec xz -d {} +
    for module in inet_diag tcp_diag udp_diag; do
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

This page lists the kernels on which the tests load every program that an agent can load, and
run tests of the agent. \`make test-kernels RECORD=docs/kernels.md\` wrote this page on
$(date -u +%F).

- The kernels are Debian's cloud images with default boot parameters, in QEMU without KVM.
- **root** has every capability. **unit** has only the capabilities of
  [the systemd unit](../$unit), for which the
  kernel's verifier is stricter: $(sed -n 's/^AmbientCapabilities=//p' "$unit" | xargs | sed 's/ /, /g').
- A cell counts the programs or tests that passed. Each assignment has one program for UDP and
  one for TCP; the TCP program migrates pending connections if the kernel can. Each program is
  loaded without configured exporters, with one, and with prefixes of all 162 lengths.
- *Not there* counts what the kernel can't do: before Linux 5.14, connections don't migrate.

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

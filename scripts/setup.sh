#!/bin/sh
# setup.sh build|check|demo|test|kernels|bench
# Installs the Debian packages that are missing for that purpose. Starts and enables no
# service.
set -eu

packages="libbpf-dev libelf-dev libyaml-dev zlib1g-dev linux-libc-dev gcc pkg-config"
case ${1:-build} in
build) ;;
check) packages="$packages clang-format" ;;
demo) packages="$packages pmacct" ;;
test)
    packages="$packages chromium chromium-driver pmacct gobgpd curl haproxy prometheus python3 strace unbound util-linux"
    packages="$packages valgrind"
    ;;
kernels) packages="$packages binutils busybox-static cpio debian-archive-keyring iproute2 qemu-system-x86 util-linux xz-utils" ;;
bench) packages="$packages pmacct nftables nginx libnginx-mod-stream haproxy curl python3 python3-matplotlib" ;;
*)
    echo "usage: setup.sh build|check|demo|test|kernels|bench" >&2
    exit 2
    ;;
esac

missing=
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null || {
    echo "setup: missing$missing, and there is no apt-get; install them with your system's package manager" >&2
    exit 1
}
root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "setup: missing$missing; run as root: apt-get install$missing" >&2
        exit 1
    }
    root="sudo"
fi

echo "setup: installing$missing"
# pmacct, gobgpd, unbound and others bring services that would bind the very ports that
# are wanted here: none is started while this policy stands (invoke-rc.d(8)).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '$root rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' | $root tee "$policy" >/dev/null
    $root chmod 755 "$policy"
fi
log=$(mktemp)
if ! { $root apt-get update && $root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    echo "setup: the packages above could not be installed" >&2
    exit 1
fi
rm -f "$log"

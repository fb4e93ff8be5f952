#!/bin/bash
# kernel-package.sh VERSION
# Prints the path of the newest Debian package of that kernel, `6.1`: from the folder of .deb
# files that KERNEL_PACKAGES names, or else from the mirror, through the cache.
set -euo pipefail

version=$1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/reuseport-agent/kernels
architecture=$(dpkg --print-architecture)
pattern="linux-image-${version//./\\.}\\.[0-9][^ ]*-cloud-$architecture"

# Prints the newest kernel's name of the file names or package names.
newest() { sort -V | tail -n 1; }

if [ -n "${KERNEL_PACKAGES:-}" ]; then
    package=$(find "$KERNEL_PACKAGES" -maxdepth 1 -regextype posix-extended -regex ".*/${pattern}_.*\\.deb" | newest)
    [ -n "$package" ] || {
        echo "test-kernels: KERNEL_PACKAGES ($KERNEL_PACKAGES) has no linux-image-$version.*-cloud-${architecture}_*.deb; put it there, or unset KERNEL_PACKAGES to ask the mirror" >&2
        exit 1
    }
    echo "$package"
    exit
fi

# For kernels that the machine's own suite lacks: a separate apt state, below the cache.
case $version in
5.10) suite=bullseye ;;
6.1) suite=bookworm ;;
6.12) suite=trixie ;;
*) suite= ;;
esac
mkdir -p "$cache"
apt=()
found() { apt-cache "${apt[@]}" search --names-only "^$pattern\$" | sed 's/ .*//' | newest; }
use_suite() {
    local folder=$cache/apt/$suite mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v -e -security | head -n 1) || true
    # The mirror comes from this machine's apt sources; without one, there is no source.
    [ -n "$mirror" ] || return 0
    mkdir -p "$folder/lists/partial" "$folder/archives/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$folder/sources.list"
    apt=(-o "Dir::Etc::SourceList=$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$folder/lists" -o "Dir::Cache=$folder" -o APT::Sandbox::User=)
    apt-get "${apt[@]}" -qq update >"$folder/log" 2>&1 || true
}

name=$(found)
if [ -z "$name" ] && [ -n "$suite" ]; then
    use_suite
    name=$(found)
fi
if [ -n "$name" ]; then
    # Output format: 'ADDRESS' FILE SIZE HASH.
    file=$(apt-get "${apt[@]}" download --print-uris "$name" 2>/dev/null | sed -n "s/^'[^']*' \\([^ ]*\\) .*/\\1/p") || true
    if [ -n "$file" ] && [ ! -e "$cache/$file" ]; then
        echo "test-kernels: downloading $name" >&2
        partial=$(mktemp -d "$cache/partial.XXXXXX")
        trap 'rm -rf "$partial"' EXIT
        if (cd "$partial" && apt-get "${apt[@]}" -qq -o APT::Sandbox::User= download "$name" >log 2>&1); then
            # The cache keeps one package of each kernel.
            find "$cache" -maxdepth 1 -regextype posix-extended -regex ".*/${pattern}_.*\\.deb" -delete
            mv "$partial"/*.deb "$cache/$file"
        else
            sed 's/^/  /' "$partial/log" >&2
        fi
    fi
fi
package=$(find "$cache" -maxdepth 1 -regextype posix-extended -regex ".*/${pattern}_.*\\.deb" | newest)
[ -n "$package" ] || {
    echo "test-kernels: no package of Linux $version: the mirror of this machine's apt has none, or can't be reached; put linux-image-$version.*-cloud-${architecture}_*.deb into a folder and name that: make test-kernels KERNEL_PACKAGES=FOLDER" >&2
    exit 1
}
echo "$package"

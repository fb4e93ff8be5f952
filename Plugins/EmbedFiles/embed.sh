#!/bin/sh
# embed.sh SOURCE CONSTANT OUTPUT.swift INCLUDE_DIR
# Writes OUTPUT.swift with SOURCE's bytes as Embedded.CONSTANT. A SOURCE that
# ends in .c is a BPF program, and its object is what gets embedded; one that ends in
# .html is the page, with the style and the script that stand beside it.
set -eu
source=$1 constant=$2 output=$3 include=$4

# The Swift toolchain's own clang knows the BPF target; Debian's isn't needed.
toolchain=$(dirname "$(readlink -f "$(command -v swift)")")
clang=$toolchain/clang
[ -x "$clang" ] || {
    echo "error: cannot compile $source: no clang beside $toolchain/swift; install the whole Swift toolchain" >&2
    exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

case $source in
*.c)
    # asm/types.h stands in Debian's multiarch folder, whose name is not
    # always the triple that clang prints.
    multiarch=/usr/include/$(gcc -print-multiarch 2>/dev/null || echo "$(uname -m)-linux-gnu")
    # -mcpu=v2: loads from Linux 5.6 on, and the verifier follows its bounds.
    "$clang" -target bpf -mcpu=v2 -O2 -g -Wall -Werror \
        -ffile-prefix-map="$(dirname "$source")=bpf" -ffile-prefix-map="$include=include" \
        -I "$include" -idirafter "$multiarch" \
        -c "$source" -o "$work/bytes"
    ;;
*.html)
    sh "$(dirname "$0")/assemble-page.sh" "$source" >"$work/bytes"
    ;;
*)
    cp "$source" "$work/bytes"
    ;;
esac

cat >"$work/template" <<EOF
enum Embedded_$constant {
    static let bytes: [UInt8] = [
#embed "bytes"
    ]
}
EOF
"$clang" -E -P -x c -std=c23 --embed-dir="$work" "$work/template" -o "$output"

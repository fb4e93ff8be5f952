#!/bin/sh
# embed.sh SOURCE CONSTANT OUTPUT.swift INCLUDE_DIR
# Writes OUTPUT.swift with SOURCE's bytes as Embedded_CONSTANT. For a BPF program (.c), the
# bytes are those of its object; for the page (.html), they include the style and the script
# in the same folder.
set -eu
source=$1 constant=$2 output=$3 include=$4

# The Swift toolchain's tools have the BPF target; Debian's aren't needed.
toolchain=$(dirname "$(readlink -f "$(command -v swift)")")
for tool in clang llvm-objcopy; do
    [ -x "$toolchain/$tool" ] || {
        echo "error: cannot compile $source: no $tool beside $toolchain/swift; install the whole Swift toolchain" >&2
        exit 1
    }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

case $source in
*.c)
    # asm/types.h is in Debian's multiarch folder, whose name can differ
    # from the triple that clang prints.
    multiarch=/usr/include/$(gcc -print-multiarch 2>/dev/null || echo "$(uname -m)-linux-gnu")
    # -mcpu=v2: loads on Linux 5.6 and later, and the verifier can track its bounds.
    "$toolchain/clang" -target bpf -mcpu=v2 -O2 -g -Wall -Werror \
        -ffile-prefix-map="$(dirname "$source")=bpf" -ffile-prefix-map="$include=include" \
        -I "$include" -idirafter "$multiarch" \
        -c "$source" -o "$work/bytes"
    # Keeps BTF, which the kernel reads. DWARF and the sections that libbpf ignores are two thirds of the object.
    "$toolchain/llvm-objcopy" --strip-debug --remove-section=.rel.BTF --remove-section=.rel.BTF.ext "$work/bytes"
    ;;
*.html)
    sh "$(dirname "$0")/assemble-page.sh" "$source" >"$work/bytes"
    ;;
*)
    cp "$source" "$work/bytes"
    ;;
esac

# For 400 KiB, the compiler takes two minutes for an array literal, and almost no time for a
# string literal: each byte becomes the Unicode scalar with its number.
{
    cat <<EOF
enum Embedded_$constant {
    static var bytes: [UInt8] {
        text.withUTF8Buffer { units in
            [UInt8](unsafeUninitializedCapacity: units.count) { bytes, count in
                var high: UInt8 = 0
                for unit in units {
                    // From 0x80 on, a scalar has two units: 0b110000hh and 0b10llllll.
                    if unit >= 0xc0 {
                        high = unit << 6
                    } else {
                        bytes[count] = unit < 0x80 ? unit : high | unit & 0x3f
                        count += 1
                    }
                }
            }
        }
    }

    private static let text: StaticString = """
EOF
    od -An -v -tx1 -w32 "$work/bytes" | sed 's/ \(..\)/\\u{\1}/g; s/$/\\/'
    printf '\n"""\n}\n'
} >"$work/output"
mv "$work/output" "$output"

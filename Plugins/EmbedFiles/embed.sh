#!/bin/sh
# embed.sh SOURCE CONSTANT OUTPUT.swift INCLUDE_DIR
# Writes OUTPUT.swift with SOURCE's bytes as Embedded.CONSTANT. A SOURCE that
# ends in .c is a BPF program, and its object is what gets embedded; one that ends in
# .html is the page, with the style and the script that stand beside it.
set -eu
source=$1 constant=$2 output=$3 include=$4

# The Swift toolchain's own tools know the BPF target; Debian's aren't needed.
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
    # asm/types.h stands in Debian's multiarch folder, whose name is not
    # always the triple that clang prints.
    multiarch=/usr/include/$(gcc -print-multiarch 2>/dev/null || echo "$(uname -m)-linux-gnu")
    # -mcpu=v2: loads from Linux 5.6 on, and the verifier follows its bounds.
    "$toolchain/clang" -target bpf -mcpu=v2 -O2 -g -Wall -Werror \
        -ffile-prefix-map="$(dirname "$source")=bpf" -ffile-prefix-map="$include=include" \
        -I "$include" -idirafter "$multiarch" \
        -c "$source" -o "$work/bytes"
    # BTF stays, which the kernel reads; DWARF and what libbpf passes over are two thirds.
    "$toolchain/llvm-objcopy" --strip-debug --remove-section=.rel.BTF --remove-section=.rel.BTF.ext "$work/bytes"
    ;;
*.html)
    sh "$(dirname "$0")/assemble-page.sh" "$source" >"$work/bytes"
    ;;
*)
    cp "$source" "$work/bytes"
    ;;
esac

# A literal of the array would take the compiler two minutes for 400 KiB, one of a
# string takes none: each byte is the Unicode scalar of its number.
{
    cat <<EOF
enum Embedded_$constant {
    static var bytes: [UInt8] {
        text.withUTF8Buffer { units in
            [UInt8](unsafeUninitializedCapacity: units.count) { bytes, count in
                var high: UInt8 = 0
                for unit in units {
                    // From 0x80 on a scalar has two units, 0b110000hh and 0b10llllll.
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

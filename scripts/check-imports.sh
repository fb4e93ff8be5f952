#!/bin/sh
# Rules that the targets of Package.swift can't state. In SockArrayCore only Kernel/ touches C:
# what decides is pure.
set -eu
cd "$(dirname "$0")/.."

wrong=$(grep -rnE '^ *(@testable )?import (CBPFShim|Glibc|Foundation|FoundationEssentials)' Sources/SockArrayCore |
    grep -v '^Sources/SockArrayCore/Kernel/' || true)
if [ -n "$wrong" ]; then
    echo "imports in the wrong direction:" >&2
    echo "$wrong" >&2
    exit 1
fi

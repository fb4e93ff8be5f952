#!/bin/sh
# A rule that the targets of Package.swift can't state: what decides and what reports is pure, so it
# imports neither the C library nor Foundation.
set -eu
cd "$(dirname "$0")/.."

wrong=$(grep -rnE '^ *(@testable )?import (CBPFShim|Glibc|Foundation|FoundationEssentials)' \
    Sources/PoolModel Sources/PoolReport Sources/UsageExport || true)
if [ -n "$wrong" ]; then
    echo "imports in the wrong direction:" >&2
    echo "$wrong" >&2
    exit 1
fi

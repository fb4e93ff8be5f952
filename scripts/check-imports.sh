#!/bin/sh
# Imports run one way: reuseport-agent -> SockArrayCore -> CBPFShim -> libbpf.
# In SockArrayCore only Kernel/ touches C: what decides is pure.
set -eu
cd "$(dirname "$0")/.."

wrong=$(grep -rnE '^ *(@testable )?import (CBPFShim|Glibc|Foundation|FoundationEssentials)' Sources/SockArrayCore |
    grep -v '^Sources/SockArrayCore/Kernel/' || true)
wrong=$wrong$(grep -rnE '^ *import (TelemetryLab|CYAML|ArgumentParser|Logging)' Sources/SockArrayCore || true)
wrong=$wrong$(grep -rnE '^ *import (CYAML|ArgumentParser|Logging|reuseport_agent)' Sources/TelemetryLab || true)
if [ -n "$wrong" ]; then
    echo "imports that run the wrong way:" >&2
    echo "$wrong" >&2
    exit 1
fi

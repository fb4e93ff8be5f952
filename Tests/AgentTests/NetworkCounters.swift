import TelemetryLab
import TestSupport

/// Errors that the kernel sent instead of delivering.
struct NetworkCounters: Equatable {
    private(set) var unreachable: Int
    private(set) var resets: Int

    /// Without the answers to the agent's own probes.
    init(in sandbox: Sandbox) throws {
        func probes() throws -> [Int] {
            try ["udp-4739-0_0_0_0", "tcp-1790-0_0_0_0"].map { try PinnedMaps.probes(of: $0) }
        }
        var before: [Int]
        repeat {
            before = try probes()
            try self.init(withProbesIn: sandbox)
        } while try probes() != before
        unreachable -= before[0]
        resets -= before[1]
    }

    private init(withProbesIn sandbox: Sandbox) throws {
        let reader = try ChildProcess(["cat", "/proc/net/snmp"], in: sandbox)
        try reader.wait()
        let lines = reader.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        func value(_ group: String, _ name: String) throws -> Int {
            let rows = lines.filter { $0.first == group + ":" }
            guard rows.count == 2, let column = rows[0].firstIndex(of: name), let value = Int(rows[1][column]) else {
                throw LabError("/proc/net/snmp has no \(group) \(name)")
            }
            return value
        }
        unreachable = try value("Icmp", "OutDestUnreachs")
        resets = try value("Tcp", "OutRsts")
    }
}

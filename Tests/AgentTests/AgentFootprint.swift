import Glibc
import TelemetryLab
import TestSupport

/// The resources that the agent and its pool hold at a moment.
struct AgentFootprint: CustomStringConvertible {
    /// Memory of its own, resident or swapped out. Without the pages of files: they come and go with
    /// what else the machine does.
    let residentKiB: Int
    /// The kind of each descriptor, without numbers and inodes.
    let descriptors: [String: Int]
    let sockets: Int
    let sessions: Int

    init(of agent: AgentFixture) throws {
        let folder = "/proc/\(agent.process.pid)"
        guard let memory = Self.memory(of: agent.process.pid) else { throw LabError("the agent is gone") }
        residentKiB = memory
        var descriptors: [String: Int] = [:]
        for name in FileText.names(in: "\(folder)/fd") {
            var buffer = [CChar](repeating: 0, count: 4_096)
            let length = readlink("\(folder)/fd/\(name)", &buffer, buffer.count - 1)
            guard length > 0 else { continue }
            let target = String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            descriptors[target.hasPrefix("socket:") ? "socket" : target, default: 0] += 1
        }
        self.descriptors = descriptors
        sockets = try PinnedMaps.read().socketCount
        sessions = try PinnedMaps.sessionCount()
    }

    /// When the agent waits for what comes next, and what has ended is known to it.
    static func atRest(_ agent: AgentFixture) throws -> AgentFootprint {
        var footprint = try AgentFootprint(of: agent)
        waitUntil(.seconds(30)) {
            let last = footprint.descriptors
            guard agent.process.isAtRest, let now = try? AgentFootprint(of: agent) else {
                return agent.process.exitCode != nil
            }
            footprint = now
            return now.descriptors == last
        }
        return footprint
    }

    /// As `residentKiB`; nil: the process is gone.
    static func memory(of pid: Int32) -> Int? {
        let lines = (FileText.read("/proc/\(pid)/status") ?? "").split(separator: "\n")
        let parts = ["RssAnon:", "VmSwap:"].map { name in
            lines.first { $0.hasPrefix(name) }?.split(whereSeparator: \.isWhitespace).dropFirst().first
                .flatMap { Int($0) }
        }
        return parts[0].map { $0 + (parts[1] ?? 0) }
    }

    var description: String {
        "\(residentKiB) KiB, \(descriptors.values.reduce(0, +)) descriptors, \(sockets) sockets, \(sessions) sessions"
    }
}

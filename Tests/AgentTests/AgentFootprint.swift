import Glibc
import SockArrayCore
import TelemetryLab

/// What the agent and its pool hold at a moment.
struct AgentFootprint: CustomStringConvertible {
    let residentKiB: Int
    /// What each descriptor is, numbers and inodes left out.
    let descriptors: [String: Int]
    let sockets: Int
    let sessions: Int

    init(of agent: AgentFixture) throws {
        let folder = "/proc/\(agent.process.pid)"
        let line = (FileText.read("\(folder)/status") ?? "").split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        guard let line, let resident = line.split(separator: " ").dropLast().last.flatMap({ Int($0) }) else {
            throw LabError("the agent is gone")
        }
        residentKiB = resident
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

    var description: String {
        "\(residentKiB) KiB, \(descriptors.values.reduce(0, +)) descriptors, \(sockets) sockets, \(sessions) sessions"
    }
}

import Glibc
import TelemetryLab
import Testing
import TestSupport

@testable import AgentCore

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// An agent that was started by a command line, and its messages.
enum LogFixture {
    static let client = ControlClient(path: AgentFixture.controlPath, timeout: .seconds(10))

    /// Causes a refusal that the log reports with its collector's name.
    static func refuse(_ name: String) throws {
        let reply = try client.send(.registerProcess(collector: name, pid: getpid()), act: "try")
        guard case .failure = reply else { throw LabError("not refused: \(reply)") }
    }

    static func file(in sandbox: Sandbox) throws -> String {
        let path = sandbox.newPath("agent.yaml")
        try FileText.write(AgentFixture.configuration(), to: path)
        return path
    }

    /// Starts the agent's command line and waits until it answers.
    static func start(
        _ arguments: [String], in sandbox: Sandbox, descriptors: [Int32: Int32] = [:]
    ) throws -> ChildProcess {
        let process = try ChildProcess(arguments, in: sandbox, descriptors: descriptors)
        let answers = waitUntil(.seconds(20)) { (try? client.send(.status, act: "try")) != nil }
        guard answers else { throw LabError("no agent: \(process.errorOutput)") }
        return process
    }

    static func messages(_ text: String) throws -> [[String: String]] {
        try text.split(separator: "\n").map { try JSONDecoder().decode([String: String].self, from: Data($0.utf8)) }
    }

    static func holder(of collector: CollectorSockets, in sandbox: Sandbox) throws -> ChildProcess {
        try ChildProcess(
            ["sleep", "1000"], in: sandbox, descriptors: [5: collector.udp.number, 6: collector.tcp.number])
    }
}

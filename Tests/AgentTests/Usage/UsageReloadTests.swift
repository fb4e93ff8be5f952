import Glibc
import SockArrayCore
import TelemetryLab
import Testing

@testable import reuseport_agent

/// Usage that comes and goes by reload.
@Suite(.serialized, .enabled(if: Subject.hasPrivilege, "needs root")) struct UsageReloadTests {
    private static func reloadWithoutUsage(_ lab: UsageLab) throws {
        try FileText.write(AgentFixture.configuration(hold: "1s"), to: lab.agent.configurationPath)
        #expect(try lab.agent.command(["reload"]).exitCode == 0)
    }

    private static func status(_ lab: UsageLab) throws -> UsageStatus? {
        try JSON.decode(PoolStatus.self, from: Array(lab.agent.command(["status", "--json"]).output.utf8)).usage
    }

    @Test func `usage with another pool's folder comes by reload: status and health tell why, until it is mended`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let lab = try UsageLab(in: sandbox)
            try Self.reloadWithoutUsage(lab)
            waitUntil(.seconds(5)) { !FileText.names(in: lab.queue).isEmpty }
            let name = try #require(FileText.names(in: lab.queue).first { $0.hasSuffix(".jsonl") })
            let kept = try #require(FileText.read("\(lab.queue)/\(name)"))
            let parts = kept.split(separator: "\"edge\"", omittingEmptySubsequences: false)
            try FileText.write(parts.joined(separator: "\"core\""), to: "\(lab.queue)/\(name)")
            try lab.configure()
            #expect(try waitUntil(.seconds(10)) { try Self.status(lab)?.lastError?.contains("pool core's") == true })
            #expect(try Self.status(lab)?.isOverdue == true)
            unlink("\(lab.queue)/\(name)")
            // Without another reload.
            #expect(try waitUntil(.seconds(30)) { try Self.status(lab) == UsageStatus() })
            try lab.send(for: .milliseconds(200))
            try lab.expectExactly(events: lab.fileEvents)
        }
    }

    @Test func `a plan of a file with a new folder for usage, and a reload that is refused, make no folder`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: Subject.program)
            let folder = sandbox.newPath("events")
            let usage = "usage: {to: {file: \(folder)/u.jsonl}, queue: {folder: \(folder)/queue}}\n"
            try FileText.write(AgentFixture.configuration(extra: usage), to: agent.configurationPath)
            #expect(try agent.command(["plan"]).exitCode == 0)
            #expect(access(folder, F_OK) != 0)
            let state = "state_file: \(agent.configurationPath)\n"
            try FileText.write(AgentFixture.configuration(extra: usage + state), to: agent.configurationPath)
            #expect(try agent.command(["reload"]).exitCode != 0)
            #expect(access(folder, F_OK) != 0)
            try FileText.write(AgentFixture.configuration(extra: usage), to: agent.configurationPath)
            #expect(try agent.command(["reload"]).exitCode == 0)
            #expect(waitUntil(.seconds(10)) { !FileText.names(in: folder + "/queue").isEmpty })
        }
    }
}

import Glibc
import PoolModel
import TelemetryLab
import Testing
import TestSupport

@testable import AgentCore

/// Usage that comes and goes by reload.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct UsageReloadTests {
    @Test func `a reload to another pool's usage folder shows the cause in status and health until it is fixed`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let fixture = try UsageFixture(in: sandbox)
            try fixture.configureWithoutUsage()
            waitUntil(.seconds(5)) { !FileText.names(in: fixture.queue).isEmpty }
            let name = try #require(FileText.names(in: fixture.queue).first { $0.hasSuffix(".jsonl") })
            let kept = try #require(FileText.read("\(fixture.queue)/\(name)"))
            let parts = kept.split(separator: "\"edge\"", omittingEmptySubsequences: false)
            try FileText.write(parts.joined(separator: "\"core\""), to: "\(fixture.queue)/\(name)")
            try fixture.configure()
            #expect(try waitUntil(.seconds(10)) { try fixture.status()?.lastError?.contains("pool core's") == true })
            #expect(try fixture.status()?.isOverdue == true)
            unlink("\(fixture.queue)/\(name)")
            // Without another reload.
            #expect(try waitUntil(.seconds(30)) { try fixture.status() == UsageStatus() })
            try fixture.send(for: .milliseconds(200))
            try fixture.expectExactly(events: fixture.fileEvents)
        }
    }

    @Test func `a reload that removes usage, a meter and a group in mid-interval takes a last reading of all`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let meter = MeterFixture.isThere ? try MeterFixture(in: sandbox) : nil
            defer { meter?.end() }
            let fixture = try UsageFixture(
                in: sandbox, interval: "1h", extra: meter?.configuration(internal: "10.0.0.0/8") ?? "")
            try fixture.send(for: .milliseconds(200))
            try meter?.send(10, 72, from: "10.1.1.1", to: "10.2.2.2")
            try fixture.configureWithoutUsage(
                groups: "groups:\n  - {name: bmp, protocol: tcp, address: 0.0.0.0, port: 1790}\n")
            fixture.expectAllKept(besides: meter == nil ? 0 : 10 * 100)
            let pins = "/sys/fs/bpf/reuseport-agent/edge"
            #expect(
                waitUntil(.seconds(10)) {
                    FileText.names(in: pins + "/meter") == [] && FileText.names(in: pins + "/departed") == []
                })
        }
    }

    @Test func `neither plan nor a refused reload creates a new usage folder`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
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

    @Test(.enabled(if: UsageReceiver.isThere, "needs curl and python3"))
    func `a refused batch waits at least 2 minutes; a reload of the same file or SIGHUP retries at once`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let receiver = try UsageReceiver(in: sandbox)
            try receiver.start(refusing: 0, path: "/other")
            let fixture = try UsageFixture(in: sandbox, target: "url: \"\(receiver.url)\"")
            for mended in [{ _ = try fixture.agent.command(["reload"]) }, { fixture.agent.process.send(SIGHUP) }] {
                try fixture.send(for: .milliseconds(200))
                #expect(
                    try waitUntil(.seconds(20)) { try fixture.status()?.lastError?.contains("are refused") == true })
                try receiver.stop()
                try receiver.start(refusing: 0)
                usleep(3_000_000)
                #expect(try fixture.status()?.pendingEvents ?? 0 > 0)
                try mended()
                try fixture.expectExactly(events: receiver.events)
                try receiver.stop()
                try receiver.start(refusing: 0, path: "/other")
            }
        }
    }
}

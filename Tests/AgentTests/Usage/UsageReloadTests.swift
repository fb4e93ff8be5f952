import Glibc
import SockArrayCore
import TelemetryLab
import Testing

@testable import AgentCore

/// Usage that comes and goes by reload.
@Suite(.serialized, .enabled(if: Subject.hasPrivilege, "needs root")) struct UsageReloadTests {
    @Test func `usage with another pool's folder comes by reload: status and health tell why, until it is mended`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let lab = try UsageLab(in: sandbox)
            try lab.configureWithoutUsage()
            waitUntil(.seconds(5)) { !FileText.names(in: lab.queue).isEmpty }
            let name = try #require(FileText.names(in: lab.queue).first { $0.hasSuffix(".jsonl") })
            let kept = try #require(FileText.read("\(lab.queue)/\(name)"))
            let parts = kept.split(separator: "\"edge\"", omittingEmptySubsequences: false)
            try FileText.write(parts.joined(separator: "\"core\""), to: "\(lab.queue)/\(name)")
            try lab.configure()
            #expect(try waitUntil(.seconds(10)) { try lab.status()?.lastError?.contains("pool core's") == true })
            #expect(try lab.status()?.isOverdue == true)
            unlink("\(lab.queue)/\(name)")
            // Without another reload.
            #expect(try waitUntil(.seconds(30)) { try lab.status() == UsageStatus() })
            try lab.send(for: .milliseconds(200))
            try lab.expectExactly(events: lab.fileEvents)
        }
    }

    @Test func `usage, a meter and a group leave by one reload, amid an interval of an hour: a last reading has all`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let meter = MeterLab.isThere ? try MeterLab(in: sandbox) : nil
            defer { meter?.end() }
            let lab = try UsageLab(
                in: sandbox, interval: "1h", extra: meter?.configuration(internal: "10.0.0.0/8") ?? "")
            try lab.send(for: .milliseconds(200))
            try meter?.send(10, 72, from: "10.1.1.1", to: "10.2.2.2")
            try lab.configureWithoutUsage(
                groups: "groups:\n  - {name: bmp, protocol: tcp, address: 0.0.0.0, port: 1790}\n")
            lab.expectAllKept(besides: meter == nil ? 0 : 10 * 100)
            let pins = "/sys/fs/bpf/reuseport-agent/edge"
            #expect(
                waitUntil(.seconds(10)) {
                    FileText.names(in: pins + "/meter") == [] && FileText.names(in: pins + "/departed") == []
                })
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

    @Test(.enabled(if: UsageReceiver.isThere, "needs curl and python3"))
    func `a refused batch waits for 2 minutes at least; a reload of the same file, or SIGHUP, has it sent at once`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let receiver = try UsageReceiver(in: sandbox)
            try receiver.start(refusing: 0, path: "/other")
            let lab = try UsageLab(in: sandbox, target: "url: \"\(receiver.url)\"")
            for mended in [{ _ = try lab.agent.command(["reload"]) }, { lab.agent.process.send(SIGHUP) }] {
                try lab.send(for: .milliseconds(200))
                #expect(try waitUntil(.seconds(20)) { try lab.status()?.lastError?.contains("are refused") == true })
                try receiver.stop()
                try receiver.start(refusing: 0)
                usleep(3_000_000)
                #expect(try lab.status()?.pendingEvents ?? 0 > 0)
                try mended()
                try lab.expectExactly(events: receiver.events)
                try receiver.stop()
                try receiver.start(refusing: 0, path: "/other")
            }
        }
    }
}

import Glibc
import PoolModel
import TelemetryLab
import Testing
import TestSupport

/// Two pools with the same protocols, addresses and ports.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct RivalPoolRunTests {
    private static let control = "/run/other.sock"
    private static let sources = (0..<UInt32(40)).map { IPAddress.v4(0x0a00_0001 + $0) }

    private static func configuration(_ extra: String = "") -> String {
        let sockets = "control_socket: {path: \(control)}\nstatus_socket: {path: /run/other-status.sock}"
        return AgentFixture.configuration(extra: "\(sockets)\n\(extra)").replacing("pool: edge", with: "pool: other")
    }

    private static func file(_ text: String = configuration(), in sandbox: Sandbox) throws -> String {
        let path = sandbox.newPath("other.yaml")
        try FileText.write(text, to: path)
        return path
    }

    private static func command(_ words: [String], _ sandbox: Sandbox) throws -> CommandResult {
        try CommandResult.of(words[0], Array(words.dropFirst()), in: sandbox)
    }

    /// The collectors that receive one datagram and one connection of each source.
    private static func meetings(_ collectors: [CollectorSockets]) throws -> [String] {
        try sources.map { try $0.meeting(at: collectors) }
    }

    @Test(arguments: ["", "bpffs: /sys/fs/bpf/apart"])
    func `a pool on the ports of another one's collectors is exit 5 with both names, and takes no traffic`(
        extra: String
    )
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: AgentFixture.configuration(extra: extra))
            let collectors = try agent.registerFour()
            let before = try Self.meetings(collectors)
            #expect(Set(before) == ["c1", "c2", "c3", "c4"])
            let file = try Self.file(in: sandbox)
            let folder = extra.isEmpty ? "/sys/fs/bpf/reuseport-agent" : "/sys/fs/bpf/apart"
            let problem =
                "pool edge (pins in \(folder)/edge) has udp 0.0.0.0:4739, too, in this network namespace (its agent runs "
                + "here; registered sockets: 4)"
            let remedy = "reuseport-agent unload --pool edge --bpffs \(folder)"
            let check = try Self.command([AgentUnderTest.program, "check", "--config", file], sandbox)
            #expect(check.exitCode == 5, "\(check.output)")
            for text in ["✗ other pools of group ipfix: \(problem)", "✗ other pools of group bmp: pool edge", remedy] {
                #expect(check.output.contains(text), "\(check.output)")
            }
            let run = try Self.command([AgentUnderTest.program, "run", "--config", file], sandbox)
            #expect(run.exitCode == 5, "\(run.errorOutput)")
            for text in ["cannot run pool other: group ipfix: \(problem)", remedy] {
                #expect(run.errorOutput.contains(text), "\(run.errorOutput)")
            }
            #expect(access("/sys/fs/bpf/reuseport-agent/other", F_OK) == -1)
            #expect(try Self.meetings(collectors) == before)
            // Collectors alone show it, too, without their agent.
            try agent.kill()
            let orphaned = try Self.command([AgentUnderTest.program, "run", "--config", file], sandbox)
            #expect(orphaned.exitCode == 5, "\(orphaned.errorOutput)")
            #expect(orphaned.errorOutput.contains("(registered sockets: 4)"), "\(orphaned.errorOutput)")
            #expect(try Self.meetings(collectors) == before)
            // The remedy.
            try #require(
                try Self.command(
                    [AgentUnderTest.program, "unload", "--pool", "edge", "--bpffs", folder], sandbox
                ).exitCode == 0)
            let second = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: Self.configuration())
            #expect(!second.process.errorOutput.contains("pool edge"), "\(second.process.errorOutput)")
        }
    }

    @Test func `pools in two network namespaces may have the same ports, with or without collectors`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let file = try Self.file(in: sandbox)
            var collectors: [CollectorSockets] = []
            for hasCollectors in [false, true] {
                if hasCollectors { collectors = try agent.registerFour() }
                let check = try Self.command(
                    ["unshare", "--net", AgentUnderTest.program, "check", "--config", file], sandbox)
                #expect(check.exitCode == 0, "\(check.output)")
                #expect(!check.output.contains("other pools"), "\(check.output)")
                let other = try AgentFixture(
                    in: sandbox, program: AgentUnderTest.program, configuration: Self.configuration(),
                    launcher: ["unshare", "--net"])
                other.process.send(SIGTERM)
                try other.process.wait()
                #expect(!other.process.errorOutput.contains("pool edge"), "\(other.process.errorOutput)")
                try #require(
                    try Self.command([AgentUnderTest.program, "unload", "--pool", "other"], sandbox).exitCode == 0)
            }
            #expect(collectors.count == 4)
        }
    }

    @Test func `pins that nobody uses are no refusal: check and run say that their namespace is unknown`() async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            try agent.kill()
            let file = try Self.file(in: sandbox)
            let problem =
                "pool edge (pins in /sys/fs/bpf/reuseport-agent/edge) has udp 0.0.0.0:4739, too; nothing shows in which "
                + "network namespace"
            let check = try Self.command([AgentUnderTest.program, "check", "--config", file], sandbox)
            #expect(
                check.exitCode == 0 && check.output.contains("– other pools of group ipfix: \(problem)"), "\(check)")
            let other = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: Self.configuration())
            #expect(
                waitUntil(.seconds(20)) { other.process.errorOutput.contains("group ipfix: \(problem)") },
                "\(other.process.errorOutput)")
            // Now the other pool's agent is the one that would take over.
            let back = try Self.command([AgentUnderTest.program, "run", "--config", agent.configurationPath], sandbox)
            #expect(back.exitCode == 5, "\(back.errorOutput)")
            #expect(back.errorOutput.contains("pool other (pins in "), "\(back.errorOutput)")
            #expect(back.errorOutput.contains("(its agent runs here)"), "\(back.errorOutput)")
        }
    }

    @Test func `a reload that adds another pool's group is exit 5, and both pools stay as they are`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            let before = try Self.meetings(collectors)
            let apart = Self.configuration().replacing("4739", with: "2055").replacing("1790", with: "1791")
            let other = try AgentFixture(in: sandbox, program: AgentUnderTest.program, configuration: apart)
            let groups = FileText.names(in: "/sys/fs/bpf/reuseport-agent/other/groups")
            try FileText.write(Self.configuration(), to: other.configurationPath)
            let reload = try other.command(["reload", "--control", Self.control])
            #expect(reload.exitCode == 5, "\(reload)")
            #expect(
                reload.errorOutput.contains("cannot reload pool other: group ipfix: pool edge (pins in "), "\(reload)")
            #expect(groups.count == 2 && FileText.names(in: "/sys/fs/bpf/reuseport-agent/other/groups") == groups)
            #expect(try Self.meetings(collectors) == before)
            // A restart of an agent beside the other one's: its own groups are no other pool's.
            try agent.kill()
            try agent.restart()
            #expect(try Self.meetings(collectors) == before)
        }
    }
}

import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import TestSupport
import Testing

/// The agent as examples/systemd/reuseport-agent.service runs it: its user, its
/// capabilities, its folder of pins. What is mocked is systemd, by setpriv.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct PrivilegeTests {
    private static let user: UInt32 = 64_000
    private static let collectorUser: UInt32 = 1_001

    /// The purpose of each capability: a command that fails without it.
    private struct Need: Sendable {
        let capability: String
        /// The command that fails without it, and its result.
        let attempt: @Sendable (_ sandbox: Sandbox, _ launcher: [String]) throws -> CommandResult
        let message: String
    }

    private static let needs = [
        Need(
            capability: "CAP_BPF",
            attempt: { sandbox, launcher in
                let file = sandbox.newPath("edge.yaml")
                try FileText.write(AgentFixture.configuration(), to: file)
                return try CommandResult.of(
                    launcher[0], Array(launcher.dropFirst()) + [AgentUnderTest.program, "run", "--config", file],
                    in: sandbox)
            }, message: "CAP_BPF is missing (EPERM); give it CAP_BPF"),
        Need(
            capability: "CAP_SYS_PTRACE",
            attempt: { sandbox, launcher in
                let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program, launcher: launcher)
                let collector = try collector("c1", in: sandbox)
                return try agent.command(["register", "--collector", "c1", "--pid", "\(collector.process.pid)"])
            }, message: "could not be borrowed (EPERM); give the agent CAP_SYS_PTRACE"),
        Need(
            capability: "CAP_CHOWN",
            attempt: { sandbox, launcher in
                let file = sandbox.newPath("edge.yaml")
                try FileText.write(AgentFixture.configuration(extra: "collector_user: \(collectorUser)"), to: file)
                return try CommandResult.of(
                    launcher[0], Array(launcher.dropFirst()) + [AgentUnderTest.program, "check", "--config", file],
                    in: sandbox)
            }, message: "CAP_CHOWN is missing"),
    ]

    /// Comments of the unit, whose functions have no test here yet.
    private static let untried = ["CAP_PERFMON", "CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE"]

    /// As the machine is before the unit starts, and what systemd and the unit do then.
    private static func prepare(_ sandbox: Sandbox, _ unit: UnitFile) throws {
        chmod("/sys/fs/bpf", 0o700)
        mkdir("/run/reuseport-agent", 0o755)
        chown("/run/reuseport-agent", user, user)
        try unit.prepare(in: sandbox, user: user)
    }

    private static func collector(_ name: String, in sandbox: Sandbox) throws -> BuiltInCollector {
        let collector = try BuiltInCollector(
            name,
            command: UnitFile.launcher(user: collectorUser, capabilities: []) + [
                AgentUnderTest.program, "demo-collector",
            ],
            in: sandbox)
        guard collector.waitUntilReady(.seconds(20)) else { throw LabError(collector.process.errorOutput) }
        return collector
    }

    @Test func `with the unit's capabilities alone the agent registers, selects, adopts, reloads and unloads`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let unit = try UnitFile("reuseport-agent.service")
            try Self.prepare(sandbox, unit)
            let launcher = UnitFile.launcher(user: Self.user, capabilities: unit.capabilities)
            let exporters = "exporters: [{name: lab, addresses: [198.51.100.0/24, 198.51.100.7], collector: c2}]"
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(collectors: ["c1", "c2"], extra: exporters),
                launcher: launcher)
            #expect(ProcessFacts.user(of: agent.process.pid) == Self.user)
            let collectors = try ["c1", "c2"].map { try Self.collector($0, in: sandbox) }
            func register() throws -> [CommandResult] {
                try collectors.map {
                    try agent.command(["register", "--collector", $0.name, "--pid", "\($0.process.pid)"])
                }
            }
            for result in try register() { #expect(result.exitCode == 0, "\(result.errorOutput)") }
            let sources =
                (1...40).map { IPAddress.v4(0x0a00_0000 + UInt32($0)) } + [.v4(0xc633_6401), .v4(0xc633_6407)]
            for source in sources {
                let exporter = Exporter(source)
                try exporter.send([[1, 2, 3]])
                try exporter.openSession([1])
            }
            let seen = { collectors.map { ($0.ipfixSources, $0.bmpSources) } }
            #expect(waitUntil(.seconds(5)) { seen().map(\.0.count).reduce(0, +) == 42 })
            #expect(waitUntil(.seconds(5)) { seen().allSatisfy { $0 == $1 } }, "UDP and TCP meet")
            #expect(seen().allSatisfy { $0.0.count > 5 })
            #expect(collectors[1].ipfixSources.isSuperset(of: ["198.51.100.1", "198.51.100.7"]))

            let before = try PinnedMaps.read()
            try agent.kill()
            try agent.restart()
            #expect(try PinnedMaps.read().differences(from: before) == [])
            #expect(agent.process.errorOutput.contains("adopted: c1 (active), c2 (active)"))
            for result in try register() { #expect(result.output.contains("was already registered")) }
            let status = try agent.command(["status"])
            #expect(status.exitCode == 0 && status.output.contains("active"), "\(status.errorOutput)")
            try FileText.write(
                AgentFixture.configuration(collectors: ["c1", "c2", "c3"]), to: agent.configurationPath)
            let reload = try agent.command(["reload", "--reshuffle"])
            #expect(reload.exitCode == 0, "\(reload.errorOutput)")
            // All collectors of another user end and one returns: the program is attached before it.
            for collector in collectors { try collector.stop() }
            #expect(try agent.command(["status"]).output.contains("yes"))
            let back = try Self.collector("c1", in: sandbox)
            for source in sources { try? Exporter(source).send([[1, 2, 3]]) }
            usleep(100_000)
            #expect(back.ipfixSources == [], "it isn't registered yet")
            #expect(try agent.command(["register", "--collector", "c1", "--pid", "\(back.process.pid)"]).exitCode == 0)
            let check = try agent.command(["unregister", "--collector", "c2"])
            #expect(check.exitCode == 0, "\(check.errorOutput)")

            agent.process.send(SIGTERM)
            #expect(try agent.process.wait() == 0)
            let unload = try CommandResult.of(
                launcher[0], Array(launcher.dropFirst()) + [AgentUnderTest.program, "unload", "--pool", "edge"],
                in: sandbox)
            #expect(unload.exitCode == 0, "\(unload.errorOutput)")
            #expect(access("/sys/fs/bpf/reuseport-agent/edge", F_OK) == -1)
        }
    }

    @Test func `without any one of the unit's capabilities the exit code is 6, with the missing one`() async throws {
        let unit = try UnitFile("reuseport-agent.service")
        #expect(unit.capabilities == Self.needs.map(\.capability))
        #expect(unit.optionalCapabilities == Self.untried)
        #expect(unit.values("CapabilityBoundingSet") == unit.capabilities)
        for index in Self.needs.indices {
            try await Sandbox.run { sandbox in
                let need = Self.needs[index]
                let unit = try UnitFile("reuseport-agent.service")
                try Self.prepare(sandbox, unit)
                let others = unit.capabilities.filter { $0 != need.capability }
                let result = try need.attempt(sandbox, UnitFile.launcher(user: Self.user, capabilities: others))
                #expect(result.exitCode == 6, "without \(need.capability): \(result.errorOutput)")
                let text = result.errorOutput + result.output
                #expect(text.contains(need.message), "\(text)")
            }
        }
    }

    /// Without CAP_PERFMON the verifier is stricter. Prefixes of all 162 lengths that there are.
    @Test(arguments: [
        "assignment: rendezvous", "assignment: maglev", "assignment: round-robin", "assignment: kernel",
        "exporters: [{name: all, addresses: ["
            + ((0...128).map { "\"\(AddressPrefix(.v6(0x2001_0db8_0000_0000, 1)).cut(to: $0))\"" }
            + (96...128).map { "\(AddressPrefix(.v4(0xc633_6407)).cut(to: $0))" }).joined(separator: ", ") + "]}]",
    ])
    func `the program loads with CAP_BPF alone, whatever is constant in it`(extra: String) async throws {
        try await Sandbox.run { sandbox in
            try Self.prepare(sandbox, try UnitFile("reuseport-agent.service"))
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: AgentFixture.configuration(extra: extra),
                launcher: UnitFile.launcher(user: Self.user, capabilities: ["CAP_BPF"]))
            #expect(try agent.command(["status"]).exitCode == 0)
        }
    }

    @Test func `pins that an agent left as root are taken over by the unit's user`() async throws {
        try await Sandbox.run { sandbox in
            let unit = try UnitFile("reuseport-agent.service")
            let asRoot = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try asRoot.registerFour()
            asRoot.process.send(SIGTERM)
            try asRoot.process.wait()
            let before = try PinnedMaps.read()
            // systemd gives an existing RuntimeDirectory= to the unit's user.
            try Self.prepare(sandbox, unit)
            let launcher = UnitFile.launcher(user: Self.user, capabilities: unit.capabilities)
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program, launcher: launcher)
            #expect(try PinnedMaps.read().differences(from: before) == [])
            #expect(agent.process.errorOutput.contains("c4 (active)"), "\(agent.process.errorOutput)")
            #expect(collectors.count == 4)
        }
    }

    @Test func `check is exit 6 without the capabilities of on_move: reset and collector_user, with them exit 0`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let unit = try UnitFile("reuseport-agent.service")
            try Self.prepare(sandbox, unit)
            let file = sandbox.newPath("edge.yaml")
            try FileText.write(
                AgentFixture.configuration(extra: "on_move: reset\ncollector_user: \(Self.collectorUser)"), to: file)
            func check(_ capabilities: [String]) throws -> CommandResult {
                let launcher = UnitFile.launcher(user: Self.user, capabilities: capabilities)
                return try CommandResult.of(
                    launcher[0], Array(launcher.dropFirst()) + [AgentUnderTest.program, "check", "--config", file],
                    in: sandbox)
            }
            let without = try check(unit.capabilities.filter { $0 != "CAP_CHOWN" })
            #expect(without.exitCode == 6)
            #expect(without.output.contains("✗ on_move: reset: CAP_NET_ADMIN is missing"), "\(without.output)")
            #expect(without.output.contains("✗ collector_user 1001: CAP_CHOWN is missing"), "\(without.output)")
            let with = try check(unit.capabilities + ["CAP_NET_ADMIN"])
            #expect(with.exitCode == 0, "\(with.output)")
        }
    }

    @Test(.enabled(if: access("/usr/bin/systemd-analyze", X_OK) == 0, "needs systemd-analyze"))
    func `systemd-analyze accepts the units`() async throws {
        try await Sandbox.run { sandbox in
            for name in ["reuseport-agent.service", "nfacctd@.service"] {
                let unit = try #require(FileText.read("\(Checkout.examples)/systemd/\(name)"))
                // systemd-analyze checks that the commands exist.
                let installed = unit.split(
                    separator: "/usr/local/bin/reuseport-agent", omittingEmptySubsequences: false)
                let path = "\(sandbox.folder)/\(name)"
                try FileText.write(installed.joined(separator: AgentUnderTest.program), to: path)
                let result = try CommandResult.of("systemd-analyze", ["verify", "--man=no", path], in: sandbox)
                #expect(result.exitCode == 0, "\(result.errorOutput)")
                #expect(!result.errorOutput.contains(name.prefix { $0 != "." && $0 != "@" }), "\(result.errorOutput)")
            }
        }
    }
}

import Glibc
import PoolModel
import TelemetryLab
import Testing
import TestSupport

/// Pins that the agent makes from what it measured, and the file that keeps them.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root: namespaces and CAP_BPF"))
struct RebalanceTests {
    private static let statePath = "/run/state/edge.json"
    private static let names = (1...8).map { "c\($0)" }
    private static let configuration = AgentFixture.configuration(collectors: names, extra: "state_file: \(statePath)")

    @Test func `rebalancing lognormal rates brings max/mean from above 1.5 to at most 1.10, also after a restart`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: Self.configuration)
            let collectors = try Self.names.map { name in
                let sockets = try CollectorSockets(name)
                #expect(try sockets.register(with: agent).exitCode == 0)
                return sockets
            }
            var generator = LogNormal(seed: 11)
            let loads = (0..<UInt32(200)).map {
                (source: IPAddress.v4(0x0a00_0001 + $0 * 7), bytes: Int(generator.next(sigma: 1.5) * 2_000) + 1)
            }
            let before = try Self.maxOverMean(loads, collectors)
            #expect(before > 1.5, "\(before)")
            let proposed = try agent.command(["plan", "--rebalance"])
            #expect(proposed.exitCode == 0 && proposed.output.contains("run it again with --apply"))
            #expect(access(Self.statePath, F_OK) == -1)
            #expect(try Self.maxOverMean(loads, collectors) == before)

            let applied = try agent.command(["plan", "--rebalance", "--apply"])
            #expect(applied.exitCode == 0, "\(applied.errorOutput)")
            let after = try Self.maxOverMean(loads, collectors)
            #expect(after <= 1.1001, "\(applied.output)")
            let pins = FileText.read(Self.statePath)!.occurrences(of: "\"exporter\"")
            #expect(pins >= 1 && pins <= 20)
            print("max/mean \(before) -> \(after), \(pins) of 200 exporters pinned")

            let again = try agent.command(["plan", "--rebalance", "--apply", "--json"])
            #expect(again.output.contains("\"moved\":[]"))
            try agent.kill()
            try agent.restart()
            #expect(try Self.maxOverMean(loads, collectors) == after)
            let cleared = try agent.command(["plan", "--rebalance", "--start-over", "--bound", "100", "--apply"])
            #expect(cleared.output.contains("pins in force: 0"))
            #expect(try Self.maxOverMean(loads, collectors) == before)
        }
    }

    @Test func `--over measures from now on and doesn't pin an exporter that was heavy before`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let collectors = try agent.registerFour()
            func send(_ number: UInt32, _ count: Int) throws {
                let exporter = try InternetSocket(.udp, bind: .v4(0x0a00_0000 + number))
                for _ in 0..<count { try? exporter.send([1], to: .v4(0x7f00_0001), 4_739) }
            }
            try send(1, 5_000)
            let measuring = try agent.start(["plan", "--rebalance", "--over", "5", "--json"])
            // The command has marked the loads and sleeps.
            #expect(waitUntil(.seconds(30), every: .milliseconds(1)) { Self.sleeps(measuring) })
            for number in UInt32(2)...40 { try send(number, Int(number)) }
            #expect(try measuring.wait() == 0, "\(measuring.errorOutput)")
            #expect(measuring.output.contains("\"exporters_seen\":39"), "\(measuring.output)")
            #expect(!measuring.output.contains("\"10.0.0.1\""))
            #expect(try agent.command(["plan", "--rebalance", "--json"]).output.contains("\"exporters_seen\":40"))
            _ = collectors
        }
    }

    /// The process is in clock_nanosleep(2).
    private static func sleeps(_ process: ChildProcess) -> Bool {
        #if arch(x86_64)
            let number = 230
        #else
            let number = 115
        #endif
        return process.state == "S" && process.systemCall == number
    }

    /// Sends each exporter's bytes, and looks at what the collectors received.
    private static func maxOverMean(
        _ loads: [(source: IPAddress, bytes: Int)], _ collectors: [CollectorSockets]
    ) throws -> Double {
        var received = collectors.map { _ in 0 }
        for load in loads {
            let exporter = try InternetSocket(.udp, bind: load.source)
            var left = load.bytes
            while left > 0 {
                let length = min(left, 1_400)
                try exporter.send([UInt8](repeating: 1, count: length), to: .v4(0x7f00_0001), 4_739)
                left -= length
            }
            for (index, collector) in collectors.enumerated() {
                // As the program counts: with the UDP header.
                received[index] += collector.udp.receiveWaiting().reduce(0) { $0 + $1.bytes.count + 8 }
            }
        }
        return Double(received.max()!) / (Double(received.reduce(0, +)) / Double(received.count))
    }

    @Test(arguments: [
        ("", "is damaged"), ("{\"pins\":[{\"exporter\":\"10.0.", "is damaged"),
        ("{\"version\":9,\"pool\":\"edge\",\"pins\":[]}", "has version 9"),
        ("[1,2,3]", "is damaged"), ("{\"version\":1,\"pool\":\"edge\",\"pins\":{}}", "is damaged"),
    ])
    func `an unusable state file is set aside, and the agent runs`(text: String, message: String)
        async throws
    {
        try await Sandbox.run { sandbox in
            mkdir("/run/state", 0o755)
            try FileText.write(text, to: Self.statePath)
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: Self.configuration)
            #expect(agent.process.errorOutput.contains(message), "\(agent.process.errorOutput)")
            #expect(FileText.read(Self.statePath + ".unusable") == text)
            #expect(access(Self.statePath, F_OK) == -1)
            #expect(try agent.command(["status"]).exitCode == 0)
        }
    }

    @Test(arguments: [
        ("another pool's", 5, "it is pool other's"), ("a folder", 2, "not a regular file"),
        ("a device", 2, "not a regular file"), ("the configuration", 2, "it is the configuration"),
    ])
    func `a foreign file in place of the state file is refused and stays unchanged`(
        kind: String, exitCode: Int32, message: String
    ) async throws {
        try await Sandbox.run { sandbox in
            mkdir("/run/state", 0o755)
            let other = "{\"version\":1,\"pool\":\"other\",\"pins\":[]}"
            var path = Self.statePath
            switch kind {
            case "another pool's": try FileText.write(other, to: path)
            case "a folder": mkdir(path, 0o755)
            case "a device": #expect(mknod(path, S_IFCHR | 0o666, 0x103) == 0)
            default: path = sandbox.newPath("agent.yaml")
            }
            let configurationPath = kind == "the configuration" ? path : sandbox.newPath("agent.yaml")
            try FileText.write(AgentFixture.configuration(extra: "state_file: \(path)"), to: configurationPath)
            var before = stat()
            #expect(lstat(path, &before) == 0)
            let result = try CommandResult.of(
                AgentUnderTest.program, ["run", "--config", configurationPath], in: sandbox)
            #expect(result.exitCode == exitCode && result.errorOutput.contains(message), "\(result)")
            var after = stat()
            #expect(lstat(path, &after) == 0 && after.st_ino == before.st_ino && after.st_mode == before.st_mode)
            #expect(FileText.names(in: "/sys/fs/bpf/reuseport-agent").isEmpty)
        }
    }

    @Test func `a rebalance while a collector is down is exit 5 and names the collector`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(collectors: ["c1", "c2", "c3", "c4", "c5"]))
            let collectors = try agent.registerFour()
            let result = try agent.command(["plan", "--rebalance", "--apply"])
            #expect(result.exitCode == 5 && result.errorOutput.contains("absent collectors: c5;"), "\(result)")
            _ = collectors
        }
    }

    @Test func `a reload keeps the pins in force, whatever happened to the state file`() async throws {
        try await Sandbox.run { sandbox in
            mkdir("/run/state", 0o755)
            try FileText.write(
                "{\"version\":1,\"pool\":\"edge\",\"pins\":[{\"exporter\":\"10.0.0.1\",\"collector\":\"c3\"}]}",
                to: Self.statePath)
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: Self.configuration)
            for text in ["", "{{{"] {
                try FileText.write(text, to: Self.statePath)
                for command in ["plan", "reload"] { #expect(try agent.command([command]).exitCode == 0) }
                #expect(FileText.read(Self.statePath) == text)
                #expect(try agent.owners(of: [.v4(0x0a00_0001)]) == ["c3"])
            }
            // Another path takes them along.
            try FileText.write(
                AgentFixture.configuration(collectors: Self.names, extra: "state_file: /run/state/new.json"),
                to: agent.configurationPath)
            #expect(try agent.command(["reload"]).exitCode == 0)
            try agent.kill()
            try agent.restart()
            #expect(try agent.owners(of: [.v4(0x0a00_0001)]) == ["c3"])
        }
    }

    @Test func `pins of unknown names and addresses have no effect and stay in the file`() async throws {
        try await Sandbox.run { sandbox in
            mkdir("/run/state", 0o755)
            let text = """
                {"version":1,"pool":"edge","pins":[{"exporter":"10.0.0.1","collector":"c3"},\
                {"exporter":"no address","collector":"c3"},{"exporter":"10.0.0.2","collector":"gone"}]}
                """
            try FileText.write(text, to: Self.statePath)
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program, configuration: Self.configuration)
            let pinned = try agent.command(["explain", "10.0.0.1", "::ffff:10.0.0.1", "--json"]).output
            #expect(
                pinned.occurrences(of: "\"why\":\"pin\"") == 2 && pinned.occurrences(of: "\"collector\":\"c3\"") == 2)
            #expect(try agent.command(["explain", "10.0.0.2", "--json"]).output.contains("\"why\":\"owner\""))
            #expect(FileText.read(Self.statePath) == text)
        }
    }

    @Test func `an unwritable state file is exit 6, and no pin takes effect`() async throws {
        try await Sandbox.run { sandbox in
            // Not even root makes a folder in /proc.
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(extra: "state_file: /proc/reuseport/edge.json"))
            let collectors = try agent.registerFour()
            let owner = try agent.owners(of: [.v4(0x0a00_0001)])
            for index in 0..<UInt32(60) {
                let exporter = try InternetSocket(.udp, bind: .v4(0x0a00_0001 + index))
                for _ in 0...index % 7 * index % 7 { try exporter.send([1], to: .v4(0x7f00_0001), 4_739) }
            }
            let maps = try PinnedMaps.read()
            let result = try agent.command(["plan", "--rebalance", "--bound", "1.01", "--apply"])
            #expect(result.exitCode == 6 && result.errorOutput.contains("/proc/reuseport"), "\(result)")
            #expect(try PinnedMaps.read() == maps)
            #expect(try agent.owners(of: [.v4(0x0a00_0001)]) == owner)
            _ = collectors
        }
    }
}

/// exp(sigma * z), z by Box and Muller's transform.
private struct LogNormal {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    private mutating func uniform() -> Double {
        // xorshift64* (Vigna, 2016).
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return (Double((state &* 0x2545_f491_4f6c_dd1d) >> 11) + 0.5) / 9_007_199_254_740_992
    }

    mutating func next(sigma: Double) -> Double {
        let radius = (-2 * log(uniform())).squareRoot()
        return exp(sigma * radius * cos(2 * Double.pi * uniform()))
    }
}

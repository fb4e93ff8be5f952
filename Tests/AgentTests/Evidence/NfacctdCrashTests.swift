import Glibc
import SockArrayCore
import TelemetryLab
import Testing

/// What a crashed nfacctd leaves behind.
@Suite(.serialized, .enabled(if: Subject.hasNfacctd, "needs root and nfacctd (Debian package pmacct)"))
struct NfacctdCrashTests {
    /// A router: opens its session again until a collector answers.
    private static func open(_ exporter: Exporter, _ stream: [UInt8]) throws -> (refusals: Int, took: Duration) {
        let start = ContinuousClock.now
        var refusals = 0
        while true {
            do {
                try exporter.openSession(stream)
                return (refusals, .now - start)
            } catch {
                guard "\(error)".contains("errno \(ECONNREFUSED)"), refusals < 200 else { throw error }
                refusals += 1
                usleep(50_000)
            }
        }
    }

    /// The process has a descriptor of one of these sockets.
    private static func has(_ sockets: [BoundSocket], _ pid: Int32) -> Bool {
        let names = Set(sockets.map { "socket:[\($0.inode)]" })
        return FileText.names(in: "/proc/\(pid)/fd").contains { descriptor in
            var target = [CChar](repeating: 0, count: 64)
            let length = readlink("/proc/\(pid)/fd/\(descriptor)", &target, target.count)
            return names.contains(String(decoding: target.prefix(max(0, length)).map(UInt8.init), as: UTF8.self))
        }
    }

    private static func listeners() throws -> [BoundSocket] { try SocketDump.members(of: .tcp, port: 1_790) }

    @Test
    func `kill -9 of 1 of 2 nfacctd whose plugin keeps the BMP listener: 24 of 24 sessions are answered, in 5 s each`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: Subject.program,
                configuration: AgentFixture.configuration(collectors: ["c1", "c2"], hold: "1s"))
            let collectors = try ["c1", "c2"].map {
                try NfacctdCollector($0, in: sandbox, changing: ["print_refresh_time[flows]": "60"])
            }
            for collector in collectors where !collector.waitUntilReady() {
                throw LabError("\(collector.name) is not ready: \(collector.log)")
            }
            for collector in collectors {
                let pid = "\(collector.process.pid)"
                let result = try agent.command([
                    "register", "--collector", collector.name, "--pid", pid, "--wait", "20",
                ])
                #expect(result.exitCode == 0, "\(result.errorOutput)")
            }
            let plan = AssignmentPlan.edge(["c1", "c2"])
            // 12 routers of each.
            let addresses = ["c1", "c2"].flatMap { name in
                (0..<200).map { IPAddress.v4(0xc000_0200 + $0) }.filter { plan.owner(of: $0) == name }.prefix(12)
            }
            let core = collectors[0].process
            let inherited = try Self.listeners().filter { Self.has([$0], core.pid) }
            let heirs = ProcessFacts.descendants(of: core.pid).filter { Self.has(inherited, $0) }
            #expect(inherited.count == 1 && !heirs.isEmpty, "a plugin has inherited the BMP listener")
            // The plugin looks for its core process once a minute, a second after the
            // full one.
            #expect(waitUntil(.seconds(35)) { (4...35).contains(time(nil) % 60) })
            core.send(SIGKILL)
            try core.wait()

            var exporters: [Exporter] = []
            var (refusals, slowest) = (0, Duration.zero)
            for address in addresses {
                let exporter = Exporter(address)
                let stream = BMPSession(systemName: "r").opening(routes: [0x0a01_0000])
                let opening = try Self.open(exporter, stream)
                refusals += opening.refusals
                slowest = max(slowest, opening.took)
                exporters.append(exporter)
            }
            // A listener that nobody accepts from was there all the time.
            let left = try Self.listeners().filter { $0.inode == inherited[0].inode }
            #expect(left.count == 1 && heirs.contains { Self.has(left, $0) })
            #expect(waitUntil(.seconds(15)) { Set(collectors[1].messagesByRouter().keys).count == 24 })
            #expect(Set(collectors[1].messagesByRouter().keys) == Set(addresses.map { "\($0)" }))
            #expect(collectors[0].messagesByRouter().isEmpty)
            #expect(refusals > 0, "c1's routers were held")
            #expect(slowest < .seconds(5), "\(slowest)")
        }
    }
}

import Glibc
import PoolModel
import PoolReport
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// What a crashed nfacctd leaves behind.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasNfacctd, "needs root and nfacctd (Debian package pmacct)"))
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

    /// Whether the process has a descriptor of one of these sockets.
    private static func has(_ sockets: [BoundSocket], _ pid: Int32) -> Bool {
        let names = Set(sockets.map { "socket:[\($0.inode)]" })
        return FileText.names(in: "/proc/\(pid)/fd").contains { descriptor in
            var target = [CChar](repeating: 0, count: 64)
            let length = readlink("/proc/\(pid)/fd/\(descriptor)", &target, target.count)
            return names.contains(String(decoding: target.prefix(max(0, length)).map(UInt8.init), as: UTF8.self))
        }
    }

    private static func listeners() throws -> [BoundSocket] { try SocketDump.members(of: .tcp, port: 1_790) }

    /// The result of killing one of two nfacctd.
    private struct Sight: Sendable {
        let addresses: [IPAddress]
        /// Sessions that were refused, by any of the routers, and how long a session took at most.
        var refusals = 0
        var slowest = Duration.zero
        /// The killed one's listener was there all the time, with a plugin that accepts nothing.
        var isListenerLeft = false
        /// The exporters of the killed nfacctd, and of the other.
        var routers: [Set<String>] = []
    }

    /// Kills c1, and opens 24 sessions.
    ///
    /// - Returns: nil: its plugins may have ended meanwhile.
    private static func killOne(in sandbox: Sandbox) throws -> Sight? {
        let agent = try AgentFixture(
            in: sandbox, program: AgentUnderTest.program,
            configuration: AgentFixture.configuration(collectors: ["c1", "c2"], hold: "3s"))
        let collectors = try ["c1", "c2"].map {
            try NfacctdCollector($0, in: sandbox, changing: ["print_refresh_time[flows]": "60"])
        }
        for collector in collectors where !collector.waitUntilReady() {
            throw LabError("\(collector.name) is not ready: \(collector.log)")
        }
        for collector in collectors {
            let pid = "\(collector.process.pid)"
            let result = try agent.command(["register", "--collector", collector.name, "--pid", pid, "--wait", "20"])
            #expect(result.exitCode == 0, "\(result.errorOutput)")
        }
        let plan = AssignmentPlan.edge(["c1", "c2"])
        // 12 routers of each.
        let addresses = ["c1", "c2"].flatMap { name in
            (0..<200).map { IPAddress.v4(0xc000_0200 + $0) }.filter { plan.owner(of: $0) == name }.prefix(12)
        }
        var sight = Sight(addresses: addresses)
        let core = collectors[0].process
        let inherited = try listeners().filter { has([$0], core.pid) }
        let heirs = ProcessFacts.descendants(of: core.pid).filter { has(inherited, $0) }
        #expect(inherited.count == 1 && !heirs.isEmpty, "a plugin has inherited the BMP listener")
        // The plugin looks for its core process once a minute, a second after the full one.
        #expect(waitUntil(.seconds(60)) { (2...35).contains(time(nil) % 60) })
        let minute = time(nil) / 60
        core.send(SIGKILL)
        try core.wait()

        var exporters: [Exporter] = []
        for address in addresses {
            let exporter = Exporter(address)
            let opening = try Self.open(exporter, BMPSession(systemName: "r").opening(routes: [0x0a01_0000]))
            sight.refusals += opening.refusals
            sight.slowest = max(sight.slowest, opening.took)
            exporters.append(exporter)
        }
        let left = try listeners().filter { $0.inode == inherited[0].inode }
        sight.isListenerLeft = left.count == 1 && heirs.contains { has(left, $0) }
        guard time(nil) / 60 == minute else { return nil }
        waitUntil(.seconds(30)) { Set(collectors[1].messagesByRouter().keys).count == 24 }
        sight.routers = collectors.map { Set($0.messagesByRouter().keys) }
        _ = exporters
        return sight
    }

    @Test
    func
        `kill -9 of 1 of 2 nfacctd whose plugin keeps the BMP listener: 24 of 24 sessions are answered after the hold`()
        async throws
    {
        var sight: Sight?
        for _ in 0..<3 where sight == nil {
            sight = try await Sandbox.run { sandbox in try Self.killOne(in: sandbox) }
        }
        let seen = try #require(sight, "no attempt was over within its minute")
        #expect(seen.isListenerLeft)
        #expect(seen.routers == [[], Set(seen.addresses.map { "\($0)" })])
        #expect(seen.refusals > 0, "c1's routers were held")
        #expect(seen.slowest < .seconds(10), "\(seen.slowest)")
    }
}

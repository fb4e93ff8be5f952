import CBPFShim
import Glibc
import PoolModel
import PoolReport
import SockArrayCore
import TelemetryLab
import Testing

/// The audit on the real kernel.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct PoolAuditTests {
    private static func probes(_ pool: PoolFixture) throws -> [ProbeResult] {
        try pool.kernel.auditFacts(act: "audit").groups.map(\.probe)
    }

    /// The program of another pool, in place of any foreign program.
    private static func otherPool(_ pool: PoolFixture) throws -> Pool {
        var configuration = pool.kernel.configuration
        configuration.pool = "other"
        // A pool of the same ports would be refused.
        for index in configuration.groups.indices { configuration.groups[index].port += 1_000 }
        return try Pool(adopting: configuration)
    }

    @Test func `sockets of a collector that left before any audit are reported under its name until closed`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1", "c2"])
            try pool.reload(PoolFixture.configuration(["c2"]))
            var history = AuditHistory()
            let start = ContinuousClock.now
            var seconds: Int64 = 0
            func findings() throws -> [String] {
                seconds += 20
                let moment = AuditHistory.Moment(instant: start + .seconds(seconds), time: seconds)
                return try history.judge(pool.kernel.auditFacts(act: "test"), at: moment).findings.map {
                    "\($0.name) \($0.text.contains("was collector c1's"))"
                }
            }
            _ = try findings()
            for _ in 0..<2 {
                let found = try findings()
                #expect(found == ["old_socket_in_group true", "old_socket_in_group true"])
            }
            pool.stop("c1")
            let found = try findings()
            #expect(found == [])
        }
    }

    @Test(arguments: ["0.0.0.0", "::", "127.0.0.1", "192.0.2.1", "::1"])
    func `100 audits see both groups' programs, deliver nothing and count no outcome`(address: String)
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(address: IPAddress(address)!)
            for _ in 0..<100 {
                let probes = try Self.probes(pool)
                #expect(probes == [.attached, .attached])
            }
            #expect(pool.takeReceived().values.allSatisfy { $0.isEmpty })
            #expect(pool.takeAccepted().values.allSatisfy { $0.isEmpty })
            #expect(try pool.outcomes("ipfix").total == 0)
            #expect(try pool.outcomes("bmp").total == 0)
            #expect(try pool.kernel.seenExporters(act: "look").isEmpty)
        }
    }

    @Test(arguments: ["0.0.0.0", "::"])
    func `one audit finds a detached program and attaches it again, for UDP and TCP`(address: String) async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(address: IPAddress(address)!)
            for member in [pool.udp["c1"]!, pool.tcp["c2"]!] { #expect(rpa_detach_reuseport(member.number) == 0) }
            #expect(try Self.probes(pool) == [.replaced, .replaced])
            #expect(try Self.probes(pool) == [.attached, .attached])
            _ = (pool.takeReceived(), pool.takeAccepted())
            for index in 0..<UInt32(50) {
                let source = IPAddress.v4(0x0a07_0000 + index)
                let place = try pool.meeting(of: source)
                let owner = try pool.kernel.explain(source).collector
                #expect(place.udp == owner && place.tcp == owner)
            }
        }
    }

    @Test func `one audit finds another pool's program in our groups and restores ours`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture()
            let other = try Self.otherPool(pool)
            for (group, member) in zip(other.groups, [pool.udp["c3"]!, pool.tcp["c3"]!]) {
                #expect(rpa_attach_reuseport(member.number, group.dispatcher.number) == 0)
            }
            #expect(try Self.probes(pool) == [.replaced, .replaced])
            #expect(try Self.probes(pool) == [.attached, .attached])
        }
    }

    @Test func `an address of another host gets no probe, which would leave this host`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1"], address: IPAddress("2001:db8::1")!)
            #expect(try Self.probes(pool) == [.unsendable(errno: 99), .unsendable(errno: 99)])
        }
    }

    @Test func `a group without members gets no probe`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(registering: false)
            #expect(try Self.probes(pool) == [.empty, .empty])
        }
    }

    @Test func `without collectors the placeholders keep the groups, and audits see their programs`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture()
            for name in ["c1", "c2", "c3", "c4"] { pool.stop(name) }
            #expect(try Self.probes(pool) == [.attached, .attached])
            #expect(pool.kernel.placeholderNumbers.count == 2)
        }
    }

    @Test func `datagrams that reach a placeholder can be read there, and an audit empties it`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1"])
            func readable() -> Int {
                var waits = pool.kernel.placeholderNumbers.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
                return Int(poll(&waits, UInt(waits.count), 0))
            }
            #expect(readable() == 0)
            rpa_detach_reuseport(pool.udp["c1"]!.number)
            for index in 0..<UInt32(200) { try pool.send(from: .v4(0x0a07_0000 + index)) }
            #expect(readable() == 1)
            #expect(try Self.probes(pool) == [.replaced, .attached])
            #expect(readable() == 0)
        }
    }

    @Test func `a socket without a slot is a stranger; one that left its slot belongs to its collector`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1", "c2"])
            var history = AuditHistory()
            let start = ContinuousClock.now
            func names(at second: Int64) throws -> [String] {
                let moment = AuditHistory.Moment(instant: start + .seconds(second), time: second)
                return try history.judge(pool.kernel.auditFacts(act: "audit"), at: moment).findings.map(\.name)
            }
            #expect(try names(at: 0).isEmpty)
            let stranger = try InternetSocket.collector(.udp, .v4(0), port: PoolFixture.ipfixPort)
            _ = try pool.kernel.unregister("c2")
            #expect(try names(at: 1).isEmpty)
            #expect(
                try names(at: 11).sorted() == ["old_socket_in_group", "old_socket_in_group", "stranger_in_group"])
            _ = stranger
        }
    }

    @Test func `a foreign socket in our map is found, and a restarted agent accepts it`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1", "c2"])
            let planted = try InternetSocket.collector(.udp, .v4(0), port: PoolFixture.ipfixPort)
            let map = Descriptor(
                owning: rpa_open_pin("/sys/fs/bpf/reuseport-agent/edge/groups/udp-4739-0_0_0_0/sockets"))
            var value = UInt64(planted.number)
            #expect(rpa_map_update(map.number, 0, &value) == 0)
            func findings() throws -> [AuditFinding] {
                var history = AuditHistory()
                let facts = try pool.kernel.auditFacts(act: "audit")
                return history.judge(facts, at: .init(instant: .now, time: 0)).findings
            }
            #expect(try findings().map(\.name) == ["socket_replaced"])
            #expect(try findings().map(\.collector) == ["c1"])
            try pool.reload(pool.kernel.configuration)
            #expect(try findings().map(\.name) == ["socket_replaced"])
            try pool.restartAgent()
            #expect(try findings().isEmpty)
        }
    }

    @Test func `a probe avoids an address that another socket has`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture()
            let narrow = try InternetSocket.collector(.udp, IPAddress("127.0.0.1")!, port: PoolFixture.ipfixPort)
            let facts = try pool.kernel.auditFacts(act: "audit")
            #expect(facts.groups.map(\.probe) == [.attached, .attached])
            #expect(narrow.receiveWaiting().isEmpty)
        }
    }

    @Test func `tracking names the lone source of 1,200 runs`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1", "c2"])
            var census = SourceCensus()
            func look() throws {
                census.look(
                    runs: try pool.kernel.totalRuns(act: "look"), try pool.kernel.seenExporters(act: "look"),
                    untracked: try pool.kernel.readTrackedExporters(act: "look").untracked.runs, isSpread: true)
            }
            try look()
            let socket = try InternetSocket(.udp, bind: .v4(0x0a08_0001))
            for _ in 0..<1_200 { try? socket.send([1], to: .v4(0x7f00_0001), PoolFixture.ipfixPort) }
            #expect(try pool.kernel.totalRuns(act: "look") == 1_200)
            try look()
            #expect(census.loneSource == .v4(0x0a08_0001))
        }
    }
}

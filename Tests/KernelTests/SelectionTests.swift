import CBPFShim
import Glibc
import PoolModel
import TelemetryLab
import Testing

/// The program on the real kernel, with real sockets.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct SelectionTests {
    @Test func `explain names who receives, for 1,000 of 1,000 exporters, IPv4 and IPv6, UDP and TCP`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(address: .v6(0, 0))
            for index in 0..<UInt32(1_000) {
                let source: IPAddress =
                    index % 2 == 0
                    ? .v4(0x0a00_0001 + index * 7) : .v6(0x2001_0db8_0000_0000 | UInt64(index), UInt64(index))
                let expected = try pool.kernel.explain(source)
                #expect(expected.why == "owner")
                try pool.send(from: source)
                #expect(try pool.connect(from: source))
                let received = pool.takeReceived().filter { !$0.value.isEmpty }
                let accepted = pool.takeAccepted().filter { !$0.value.isEmpty }
                #expect(received == [expected.collector!: [source]])
                #expect(accepted == [expected.collector!: [source]])
            }
            #expect(try pool.outcomes("ipfix").selected == 1_000)
            #expect(try pool.outcomes("bmp").selected == 1_000)
        }
    }

    @Test func `each run has one outcome: selected, held, failed_over or no_collector`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(hold: ModelledPool.hold)
            // A group, and its program, vanish with the last member.
            let lastMember = try InternetSocket.collector(.udp, .v4(0), port: PoolFixture.ipfixPort)
            func sendFromAll() throws { for index in 0..<UInt32(600) { try pool.send(from: .v4(0x0a01_0000 + index)) } }
            try sendFromAll()
            pool.stop("c2")
            try sendFromAll()  // held for c2
            let ownedByC2 = try pool.outcomes("ipfix").held
            #expect(ownedByC2 > 75 && ownedByC2 < 225)
            try pool.endHolds()
            try sendFromAll()  // c2's have failed over
            for name in ["c1", "c3", "c4"] { pool.stop(name) }
            try sendFromAll()  // held for all
            try pool.endHolds()
            try sendFromAll()  // nobody is left
            let outcomes = try pool.outcomes("ipfix")
            #expect(outcomes.total == 3_000)
            #expect(outcomes.badPacket == 0)
            #expect(outcomes.noCollector == 600)
            #expect(outcomes.held == ownedByC2 + 600)
            #expect(outcomes.failedOver == ownedByC2)
            let runs = try pool.kernel.status().collectors.reduce(0) { $0 + $1.groups["ipfix"]!.runs }
            #expect(runs == outcomes.selected + outcomes.failedOver)
            #expect(lastMember.receiveWaiting().isEmpty)
        }
    }

    @Test func `bytes count the UDP header and the payload`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1"])
            for index in 0..<UInt32(100) { try pool.send(from: .v4(0x0a01_0000 + index), bytes: 200) }
            let group = try pool.kernel.status().collectors[0].groups["ipfix"]!
            #expect(group.runs == 100)
            #expect(group.bytes == 20_800)
            #expect(group.queuedBytes > 0)
        }
    }

    @Test func `an unregistered member gets no datagram, even while a slot is empty`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture()
            let stranger = try InternetSocket.collector(.udp, .v4(0), port: PoolFixture.ipfixPort)
            pool.stop("c3")
            for index in 0..<UInt32(2_000) { try pool.send(from: .v4(0x0a02_0000 + index)) }
            #expect(stranger.receiveWaiting().isEmpty)
        }
    }

    @Test func `a device's IPv4, mapped IPv4 on a dual-stack socket, and TCP meet at one collector`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(address: .v6(0, 0))
            for index in 0..<UInt64(200) {
                let plain = IPAddress.v4(UInt32(0x0a03_0000 + index))
                try pool.send(from: plain)
                // An AF_INET6 socket bound to ::ffff:a.b.c.d sends IPv4.
                let mapped = try InternetSocket(.udp, bind: .v6(0, 0xffff_0a03_0000 + index), family: AF_INET6)
                try mapped.send([1], to: .v6(0, 0xffff_7f00_0001), PoolFixture.ipfixPort)
                #expect(try pool.connect(from: plain))
                let received = pool.takeReceived().filter { !$0.value.isEmpty }
                #expect(received.count == 1 && received.values.first?.count == 2)
                #expect(Array(pool.takeAccepted().filter { !$0.value.isEmpty }.keys) == Array(received.keys))
            }
        }
    }
}

enum Privilege {
    /// With CI=true a missing privilege is a failure: the tests run, and fail.
    static var isThere: Bool { geteuid() == 0 || getenv("CI").map { String(cString: $0) } == "true" }

    /// The capabilities of code in a sandbox: see `SandboxCapabilities`.
    static var canEndSessions: Bool { SandboxCapabilities.include("CAP_NET_ADMIN") }
}

enum Kernel {
    /// Connections that wait at a listener that closes go to another one.
    static let migratesConnections = rpa_probe_migration() != 0
}

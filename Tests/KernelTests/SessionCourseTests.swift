import Glibc
import PoolModel
import TelemetryLab
import Testing

/// The kernel's figures of the exporters' sessions.
@Suite struct SessionCourseTests {
    @Test(arguments: [("0.0.0.0", "10.0.0.1"), ("::", "10.0.0.1"), ("::", "fd00::7")])
    func `sessions by exporter have start, payload, round-trip time and collector, and vanish when they end`(
        bind: String, source: String
    ) async throws {
        try await Sandbox.run { _ in
            let address = try #require(IPAddress(source))
            let pool = try PoolFixture(collectors: ["c1", "c2"], address: try #require(IPAddress(bind)))
            let before = Self.now
            var routers: [InternetSocket] = []
            for size in [10, 300] {
                let router = try InternetSocket(.tcp, bind: address)
                try router.connect(PoolFixture.target(for: address), PoolFixture.bmpPort)
                try router.write([UInt8](repeating: 1, count: size))
                routers.append(router)
            }
            let after = Self.now
            let accepted = pool.tcp.mapValues { $0.acceptSessions() }
            let owner = try #require(accepted.first { !$0.value.isEmpty }?.key)
            let start = Self.now
            let all = try pool.kernel.bmpSessions(act: "test")
            // The reading of two clocks, one after the other, may be interrupted between them.
            let tolerance = Self.now - start + 0.01
            #expect(Array(all.keys) == [address])
            let sessions = try #require(all[address]).listed.sorted { $0.bytesReceived < $1.bytesReceived }
            #expect(sessions.map(\.bytesReceived) == [10, 300])
            for session in sessions {
                #expect(session.group == "bmp" && session.collector == owner)
                let up = try #require(session.upSince)
                #expect(up >= before - tolerance && up <= after + 0.01)
                // Measured by the handshake, on loopback. TCP's clock counts in milliseconds.
                #expect(session.rtt > 0 && session.rtt < after - before + 0.01)
                #expect(session.minRtt.map { $0 > 0 && $0 <= session.rtt } ?? false)
                // The kernel counts it in jiffies, 10 ms at most.
                #expect(session.silentFor >= 0 && session.silentFor < Self.now - before + 0.02)
            }
            routers = []
            #expect(accepted.values.flatMap(\.self).count == 2)
            #expect(
                waitUntil(.seconds(5)) { (try? pool.kernel.bmpSessions(act: "test"))?[address] == nil },
                "closed by the routers: no longer live")
        }
    }

    @Test func `64 of an address's 100 sessions are listed, all are counted, and so are another address's`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1"])
            var routers: [InternetSocket] = []
            let (many, one) = (IPAddress.v4(0x0a00_0001), IPAddress.v4(0x0a00_0002))
            for source in Array(repeating: many, count: 100) + [one] {
                let router = try InternetSocket(.tcp, bind: source)
                try router.connect(.v4(0x7f00_0001), PoolFixture.bmpPort)
                routers.append(router)
            }
            let accepted = pool.tcp["c1"]?.acceptSessions()
            let all = try pool.kernel.bmpSessions(act: "test")
            #expect(all.mapValues(\.count) == [many: 100, one: 1])
            #expect(all[many]?.listed.count == 64 && Set(all[many]?.listed.map(\.peerPort) ?? []).count == 64)
            #expect(all[one]?.listed.count == 1 && all[one]?.listed[0].collector == "c1")
            withExtendedLifetime((routers, accepted)) {}
        }
    }

    private static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

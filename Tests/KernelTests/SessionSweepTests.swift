import CBPFShim
import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// Sessions that are over take no room from those that live.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct SessionSweepTests {
    /// Opens and ends sessions of one router, from the ports from 10,000 on.
    private static func openAndEnd(_ count: Int, _ pool: PoolFixture) throws {
        let router = Router(.v4(0x0a05_0001))
        for number in 0..<count {
            try router.connect(pool, from: UInt16(10_000 + number))
            router.disconnect(byReset: true)
        }
        try waitForEnds()
    }

    /// Waits until collectors have no session from the ports from that one on: the kernel
    /// may handle a reset after the call that sent it.
    private static func waitForEnds(from port: UInt16 = 10_000) throws {
        let haveEnded = try waitUntil(.seconds(30), every: .milliseconds(1)) {
            try TCPSession.all(onPort: PoolFixture.bmpPort).allSatisfy { $0.peerPort < port }
        }
        #expect(haveEnded)
    }

    /// Without a margin: every session of a test is in the kernel's list by then.
    private static func sweep(_ pool: PoolFixture, after count: UInt64 = 0) throws -> Bool {
        try pool.kernel.sweepSessions(after: count, margin: .zero, act: "test")
    }

    @Test(arguments: [IPAddress.v4(0), .v6(0, 0)])
    func `after two sweeps only the 20 living ones of 300 sessions are known`(address: IPAddress) async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(address: address)
            let living = try (0..<UInt16(20)).map { index in
                let router = Router(.v4(0x0a05_0100 + UInt32(index)))
                try router.connect(pool, from: 5_000 + index)
                return router
            }
            try Self.openAndEnd(280, pool)
            #expect(try PinnedMaps.sessionCount() == 300)
            #expect(try Self.sweep(pool))
            #expect(try PinnedMaps.sessionCount() == 300, "a list may miss a session: none goes at once")
            #expect(try !Self.sweep(pool))
            #expect(try PinnedMaps.sessionPorts().sorted() == (5_000..<5_020).map { $0 })
            #expect(try pool.kernel.status().collectors.count == 4)
            _ = living
        }
    }

    @Test func `a sweep forgets nothing until enough sessions have begun`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture()
            try Self.openAndEnd(50, pool)
            for _ in 0..<2 { #expect(try !Self.sweep(pool, after: 51)) }
            #expect(try PinnedMaps.sessionCount() == 50)
            #expect(try Self.sweep(pool, after: 50))
            #expect(try !Self.sweep(pool, after: 50))
            #expect(try PinnedMaps.sessionCount() == 0)
        }
    }

    @Test func `a sweep forgets neither a new session nor one that is back from the same port`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture()
            try Self.openAndEnd(2, pool)
            #expect(try Self.sweep(pool))
            let router = Router(.v4(0x0a05_0001))
            try router.connect(pool, from: 10_000)
            #expect(try !Self.sweep(pool))
            #expect(try PinnedMaps.sessionPorts() == [10_000])
            // It has ended, but the sweep can't know yet that it never was established.
            let start = ContinuousClock.now
            let other = Router(.v4(0x0a05_0002))
            try other.connect(pool, from: 20_000)
            other.disconnect(byReset: true)
            try Self.waitForEnds(from: 10_001)
            let hasLeft = try pool.kernel.sweepSessions(after: 0, act: "test")
            #expect(!hasLeft || ContinuousClock.now - start > Pool.sweepMargin)
            for _ in 0..<2 { #expect(try !pool.kernel.sweepSessions(after: 0, margin: .seconds(60), act: "test")) }
            #expect(try PinnedMaps.sessionPorts().sorted() == [10_000, 20_000])
            #expect(try Self.sweep(pool), "only the margin kept it")
        }
    }

    @Test func `a sweep keeps an entry whose session began again since it was read`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture()
            try Self.openAndEnd(1, pool)
            let map = Descriptor(owning: rpa_open_pin("/sys/fs/bpf/reuseport-agent/edge/sessions"))
            var key = rpa_session(high: 0, low: 0xffff_0a05_0001, port: 10_000, group: 1)
            var start = rpa_session_start()
            if rpa_session_lookup(map.number, &key, &start) != 0 { key.group = 0 }
            try #require(rpa_session_lookup(map.number, &key, &start) == 0)
            let before = start
            #expect(rpa_session_delete(map.number, &key, start.time - 1) == 0)
            #expect(rpa_session_lookup(map.number, &key, &start) == 0)
            #expect(start.time == before.time && start.slot == before.slot)
            #expect(rpa_session_delete(map.number, &key, start.time) == 0)
            #expect(rpa_session_lookup(map.number, &key, &start) == -ENOENT)
        }
    }

    @Test func `a sweep forgets a SYN without an answer, too`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture()
            // Waits for data that never comes, and is no session until then.
            for (_, listener) in pool.tcp { try listener.set(Int32(IPPROTO_TCP), TCP_DEFER_ACCEPT, 1) }
            var client: InternetSocket? = try InternetSocket(.tcp, bind: .v4(0x0a05_0001), port: 5_000)
            try client?.connect(PoolFixture.target(for: .v4(0x0a05_0001)), PoolFixture.bmpPort)
            #expect(try !Self.sweep(pool))
            #expect(try PinnedMaps.sessionPorts() == [5_000], "the request lives")
            client?.endByReset()
            client = nil
            try Self.waitForEnds(from: 5_000)
            #expect(try Self.sweep(pool))
            #expect(try !Self.sweep(pool))
            #expect(try PinnedMaps.sessionCount() == 0)
        }
    }

    @Test func `constant sweeps while routers come and go at few ports know the living sessions at the end`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let pool = try PoolFixture()
            var routers = (0..<UInt32(40)).map { Router(.v4(0x0a05_0000 + $0)) }
            // Each comes and goes at one port of its own, so that every entry is used again and again.
            let start = ContinuousClock.now
            var (rounds, swept) = (0, 0)
            while rounds <= 20 || swept <= 20 || ContinuousClock.now - start < .seconds(1) {
                guard ContinuousClock.now - start < .seconds(60) else { break }
                // Few entries are older than the margin: without it those of all ended sessions go.
                let margin = rounds % 5 == 4 ? Duration.zero : Pool.sweepMargin
                for (number, router) in routers.enumerated() where (number + rounds) % 3 == 0 {
                    if router.client == nil {
                        try router.connect(pool, from: UInt16(5_000 + number))
                    } else {
                        router.disconnect(byReset: true)
                    }
                    if try pool.kernel.sweepSessions(after: 0, margin: margin, act: "test") { swept += 1 }
                }
                rounds += 1
                let living = routers.enumerated().filter { $0.element.client != nil }.map { UInt16(5_000 + $0.offset) }
                #expect(try Set(living).isSubset(of: PinnedMaps.sessionPorts()))
            }
            #expect(rounds > 20 && swept > 20, "\(rounds) rounds, \(swept) sweeps left something")
            for router in routers where router.client != nil {
                let collector = router.collector
                #expect(try pool.kernel.explain(router.address).collector == collector)
            }
            routers = []
        }
    }
}

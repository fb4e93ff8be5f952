import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// Changes of a running pool's configuration.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct GenerationTests {
    private static let sources = (0..<UInt32(200)).map { IPAddress.v4(0x0a00_0001 + $0) }

    private static func owners(_ pool: PoolFixture) throws -> [String?] {
        try sources.map { source in
            let meeting = try pool.meeting(of: source)
            #expect(meeting.udp == meeting.tcp)
            #expect(try pool.kernel.explain(source).collector == meeting.udp)
            return meeting.udp
        }
    }

    @Test func `another assignment, seed or table size is refused; with reshuffle all groups apply it`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture()
            var configuration = pool.kernel.configuration
            var before = try Self.owners(pool)
            let changes: [(change: (inout PoolConfiguration) -> Void, cause: String)] = [
                ({ $0.assignment = .maglev }, "its assignment is rendezvous"), ({ $0.seed = "other" }, "another seed"),
                ({ $0.tableSize = 1_009 }, "its table has 65537 rows"),
            ]
            for (change, cause) in changes {
                change(&configuration)
                let maps = try PinnedMaps.read()
                let failure = try #require(throws: Failure.self) { try pool.reload(configuration) }
                #expect(failure.kind == .conflict && failure.cause.contains(cause), "\(failure)")
                #expect(try PinnedMaps.read() == maps)
                try pool.reload(configuration, reshuffle: true)
                let after = try Self.owners(pool)
                #expect(!after.contains(nil))
                let moved = zip(before, after).count { $0 != $1 }
                #expect(moved > 50, "\(moved) of 200 moved")
                before = after
            }
            // Counters continued, and the next agent adopts the pool.
            #expect(try pool.outcomes("ipfix").selected == 800)
        }
    }

    @Test func `a reload that adds and removes exporters moves no others, and counters continue`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture()
            let before = try Self.owners(pool)
            var configuration = pool.kernel.configuration
            let alias = PoolConfiguration.Exporter(
                name: "alias", prefixes: Self.sources.prefix(20).map { AddressPrefix($0) }, collector: "c4")
            configuration.exporters = [alias]
            try pool.reload(configuration)
            let during = try Self.owners(pool)
            #expect(during.prefix(20).allSatisfy { $0 == "c4" } && during.dropFirst(20) == before.dropFirst(20))
            configuration.exporters = []
            try pool.reload(configuration)
            #expect(try Self.owners(pool) == before)
            #expect(try pool.outcomes("bmp").selected == 600)
        }
    }

    @Test func `a group that left the configuration is the kernel's again, and the other one continues`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture()
            let before = try Self.owners(pool)
            var configuration = pool.kernel.configuration
            configuration.groups.removeFirst()
            try pool.reload(configuration)
            #expect(pool.kernel.departedGroups == ["udp-4739-0_0_0_0"])
            #expect(FileText.names(in: "/sys/fs/bpf/reuseport-agent/edge/groups") == ["tcp-1790-0_0_0_0"])
            // Four streams of an exporter are scattered, its connection is not.
            var met = 0
            for (source, owner) in zip(Self.sources, before) {
                for _ in 0..<4 { try pool.send(from: source) }
                if pool.takeReceived().values.contains(where: { $0.count == 4 }) { met += 1 }
                #expect(try pool.connect(from: source))
                #expect(pool.takeAccepted()[owner!] == [source])
            }
            #expect(met < 20, "\(met) of 200 met")
        }
    }

    /// With tracking the ranks are kept with the tracked exporters, without it the owners are asked.
    @Test(arguments: [Tracking(), .off])
    func `after a kill while rows are written UDP and TCP agree, and the next agent writes the rest`(
        tracking: Tracking
    ) async throws {
        try await Sandbox.run { _ in
            var configuration = PoolFixture.configuration(["c1", "c2", "c3", "c4"])
            configuration.tracking = tracking
            let pool = try PoolFixture(configuration)
            let before = try Self.owners(pool)
            #expect(try PinnedMaps.read().rowsWithAnotherOwner == [])
            try PinnedMaps.interruptWriting(allRowsTo: 2)
            #expect(try PinnedMaps.read().rowsWithAnotherOwner.count > 40_000)
            for _ in 0..<2 {
                for source in Self.sources.prefix(50) { #expect(try pool.meeting(of: source) == ("c3", "c3")) }
            }
            let kernel = pool.kernel.configuration
            try pool.reload(kernel)
            #expect(try Self.owners(pool) == before)
            try PinnedMaps.interruptWriting(allOwnersTo: 1)
            #expect(try PinnedMaps.read().rowsWithAnotherOwner.count > 40_000)
            #expect(try Self.owners(pool) == before)
            try pool.reload(kernel)
            #expect(try Self.owners(pool) == before)
            let maps = try PinnedMaps.read()
            #expect(maps.rowsWithAnotherOwner == [])
            try pool.reload(kernel)
            #expect(try PinnedMaps.read().content["settings"] == maps.content["settings"])
        }
    }

    @Test func `20 reloads leave two generations of pins`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture()
            var configuration = pool.kernel.configuration
            for round in 0..<UInt32(20) {
                configuration.exporters = [
                    PoolConfiguration.Exporter(name: "e", prefixes: [AddressPrefix(.v4(0x0a00_0000 + round))])
                ]
                try pool.reload(configuration)
            }
            let folder = FileText.names(in: "/sys/fs/bpf/reuseport-agent/edge").sorted()
            #expect(
                folder == [
                    "exporter_events", "generation-0", "generation-1", "group_sockets", "groups", "orphans",
                    "retired_counts", "sessions", "settings", "slots", "tenants", "tracked-65536",
                ],
                "\(folder)")
        }
    }

    @Test func `a pool with an incomplete next generation is adopted and reloaded`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture()
            let before = try Self.owners(pool)
            // As an agent leaves it that is killed while it makes the maps.
            mkdir("/sys/fs/bpf/reuseport-agent/edge/generation-0", 0o700)
            let pin = "/sys/fs/bpf/reuseport-agent/edge/"
            #expect(link(pin + "slots", pin + "generation-0/rows") == 0)
            var configuration = pool.kernel.configuration
            configuration.exporters = [
                PoolConfiguration.Exporter(name: "e", prefixes: [AddressPrefix(Self.sources[0])])
            ]
            try pool.reload(configuration)
            #expect(try Self.owners(pool).dropFirst() == before.dropFirst())
        }
    }
}

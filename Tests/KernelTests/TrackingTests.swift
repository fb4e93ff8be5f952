import CBPFShim
import CLabShim
import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// Exporters in the kernel: counts, room, news.
@Suite struct TrackingTests {
    private static func configuration(
        _ tracking: Tracking, hold: Duration = .milliseconds(300)
    ) -> PoolConfiguration {
        var configuration = PoolFixture.configuration(["c1", "c2"], .v4(0), hold)
        configuration.tracking = tracking
        return configuration
    }

    /// Addresses of a network that is local in the sandbox.
    private static func source(_ index: Int) -> IPAddress { .v4(0x0a00_0000 + UInt32(index)) }

    /// Runs and bytes of tracked exporters and of untracked traffic, and those of the groups.
    private static func sums(of pool: PoolFixture) throws -> (seen: ExporterTraffic, counted: ExporterTraffic) {
        let (tracked, untracked) = try pool.kernel.readTrackedExporters(act: "test")
        var seen = untracked
        for exporter in tracked {
            seen += exporter.udp
            seen += exporter.tcp
        }
        var counted = ExporterTraffic()
        let status = try pool.kernel.status()
        for group in status.groups {
            counted += ExporterTraffic(
                runs: group.outcomes.total - group.outcomes.badPacket, bytes: group.droppedBytes)
        }
        for member in status.collectors.flatMap(\.groups.values) { counted.bytes += member.bytes }
        return (seen, counted)
    }

    private static func expectSumsAgree(_ pool: PoolFixture, _ place: SourceLocation = #_sourceLocation) throws {
        let (seen, counted) = try sums(of: pool)
        #expect(seen == counted, sourceLocation: place)
    }

    @Test func `after a slot changes hands the former collector's exporters aren't shown at the new one`() async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(Self.configuration(Tracking()))
            let sources = (0..<60).map(Self.source)
            for source in sources { try pool.send(from: source) }
            func collectors() throws -> [String: String?] {
                let seen = try pool.kernel.exporterRecords(act: "test").map { $0.tracked { pool.kernel.name(of: $0) } }
                return Dictionary(uniqueKeysWithValues: seen.map { ($0.address, $0.collector) })
            }
            let before = try collectors()
            let slot = try #require(pool.kernel.slots(of: "c1").first)
            #expect(Set(before.values) == ["c1", "c2"])
            for names in [["c2"], ["c2", "c3", "c4"]] {
                var configuration = PoolFixture.configuration(names)
                configuration.tracking = Tracking()
                try pool.reload(configuration)
            }
            #expect(["c3", "c4"].contains { pool.kernel.slots(of: $0) == [slot] })
            let after = try collectors()
            for (address, collector) in before { #expect(after[address] == (collector == "c2" ? "c2" : String?.none)) }
        }
    }

    @Test func `tracking has counts by protocol, times and the last receiver of each exporter`() async throws {
        try await Sandbox.run { _ in
            let start = BootClock.now()
            let pool = try PoolFixture(Self.configuration(Tracking()))
            let sources = (0..<400).map(Self.source)
            var owners: [String: String] = [:]
            for source in sources {
                for _ in 0..<3 { try pool.send(from: source, bytes: 100) }
                for (name, received) in pool.takeReceived() where !received.isEmpty { owners["\(source)"] = name }
                _ = try pool.connect(from: source)
                _ = pool.takeAccepted()
            }
            let seen = try pool.kernel.exporterRecords(act: "test").map { $0.tracked { pool.kernel.name(of: $0) } }
            #expect(Set(seen.map(\.address)) == Set(sources.map { "\($0)" }))
            for exporter in seen {
                #expect(exporter.udp == ExporterTraffic(runs: 3, bytes: 3 * 108))
                // A SYN's TCP header has 20 to 60 bytes.
                #expect(exporter.tcp.runs == 1 && (20...60).contains(exporter.tcp.bytes))
                #expect(exporter.collector != nil && exporter.collector == owners[exporter.address])
                #expect(exporter.firstSeen <= exporter.lastSeen)
                #expect(exporter.firstSeen > start.unixTime(of: .zero))
            }
            try Self.expectSumsAgree(pool)
        }
    }

    @Test func `with room for 64, 64 of 2,000 sources are tracked, and all sums agree`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(Self.configuration(Tracking(size: 64)))
            for index in 0..<2_000 {
                try pool.send(from: Self.source(index))
                if index % 100 == 99 { _ = pool.takeReceived() }
            }
            let status = try #require(try pool.kernel.status().tracking)
            #expect(status.tracked == 64 && status.fill == 1)
            #expect(try pool.kernel.seenExporters(act: "test").count == 64)
            #expect(status.untracked.runs == 2_000 - 64)
            try Self.expectSumsAgree(pool)
        }
    }

    @Test func `a silent exporter makes room for a new one, an active one stays, and the sums keep both`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(Self.configuration(Tracking(size: 64)))
            for index in 0..<64 { try pool.send(from: Self.source(index)) }
            try PinnedMaps.ageTrackedExporters(.seconds(61), size: 64)
            func notes() throws -> [UInt32?] {
                let notes = try PinnedMaps.lastNotes(ofTable: 64)
                return (0..<10).map { notes[Self.source($0)] }
            }
            // 10 of them continue to send, until the program has noted each: it does so once in half an
            // interval.
            let before = try notes()
            var runs: UInt64 = 1
            let areNoted = try waitUntil(.seconds(30)) {
                for index in 0..<10 { try pool.send(from: Self.source(index)) }
                runs += 1
                return try zip(notes(), before).allSatisfy { $0 != $1 }
            }
            #expect(areNoted)
            // In a full table a CPU makes 64 searches in vain, then none until 4 jiffies are over.
            for _ in 0..<5 {
                for index in (1_000..<1_300).shuffled() { try pool.send(from: Self.source(index)) }
                Jiffies.pass(4)
            }
            let seen = try pool.kernel.seenExporters(act: "test")
            #expect(seen.count == 64)
            for index in 0..<10 {
                #expect(seen.first { $0.address == Self.source(index) }?.runs == runs, "exporter \(index)")
            }
            let evicted = try #require(try pool.kernel.status().tracking?.evicted)
            // Nearly all of the 54 that were silent: newcomers have 16 places each.
            #expect(evicted >= 48 && evicted <= 54)
            #expect(seen.filter { $0.address >= 1_000 }.count == Int(evicted))
            try Self.expectSumsAgree(pool)
            try pool.restartAgent()
            try Self.expectSumsAgree(pool)
        }
    }

    @Test func `an exporter whose entry another CPU gave away is tracked again, and no run is lost or counted twice`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(Self.configuration(Tracking(size: 64, interval: .seconds(1))))
            let exporters = (0..<64).map(Self.source)
            lab_run_on_cpu(0)
            for source in exporters { try pool.send(from: source) }
            try PinnedMaps.ageTrackedExporters(.seconds(60), size: 64)
            // CPU 0 still has counters of those that lose their entries on CPU 1.
            lab_run_on_cpu(1)
            for index in (1_000..<1_200).shuffled() { try pool.send(from: Self.source(index)) }
            let evicted = try #require(try pool.kernel.status().tracking?.evicted)
            #expect(evicted > 32)
            try Self.expectSumsAgree(pool)
            lab_run_on_cpu(0)
            for source in exporters { try pool.send(from: source) }
            try Self.expectSumsAgree(pool)
            // Those of CPU 1 become silent, so that there is room.
            let areBack = try waitUntil(.seconds(30)) {
                try PinnedMaps.ageTrackedExporters(.seconds(60), size: 64)
                for source in exporters { try pool.send(from: source) }
                _ = pool.takeReceived()
                return try pool.kernel.seenExporters(act: "test").filter { $0.address < 64 }.count > 48
            }
            #expect(areBack)
            try Self.expectSumsAgree(pool)
        }
    }

    @Test func `an exporter is last seen when it sent its last datagram, between two updates of its entry, too`()
        async throws
    {
        try await Sandbox.run { _ in
            // Its entry is updated once in more than 10 s.
            let pool = try PoolFixture(Self.configuration(Tracking(size: 64, interval: .seconds(3_600))))
            func lastSeen() throws -> Duration {
                try #require(try pool.kernel.seenExporters(act: "test").first?.lastSeen)
            }
            let isLater = try waitUntil(.seconds(60)) {
                try pool.send(from: Self.source(1))
                let (first, notes) = (try lastSeen(), try PinnedMaps.lastNotes(ofTable: 64))
                let isLater = try waitUntil(.seconds(5)) {
                    try pool.send(from: Self.source(1))
                    return try lastSeen() > first
                }
                // Otherwise an update came in between.
                return try isLater && notes == PinnedMaps.lastNotes(ofTable: 64)
            }
            #expect(isLater)
            let age = try Duration.nanoseconds(rpa_monotonic_ns()) - lastSeen()
            #expect(age < .seconds(2) && age > .seconds(-2))
        }
    }

    @Test func `an exporter's datagrams within an interval from two CPUs cause one event, in two intervals two`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(Self.configuration(Tracking(size: 64)))
            var runs: UInt64 = 0
            func send(_ count: Int = 200) throws {
                for index in 0..<count {
                    lab_run_on_cpu(Int32(index % 2))
                    try pool.send(from: Self.source(1))
                }
                runs += UInt64(count)
            }
            try send()
            let first = pool.kernel.exporterEvents.next()
            #expect(first.map(\.address) == [Self.source(1)] && first.map(\.former) == [.new])
            try send()
            #expect(pool.kernel.exporterEvents.next().isEmpty)
            try PinnedMaps.ageTrackedExporters(.seconds(61), size: 64)
            // The program looks at the clock once in half an interval, on each CPU.
            var second: [ExporterEvents.Event] = []
            try waitUntil(.seconds(30)) {
                try send(2)
                second = pool.kernel.exporterEvents.next()
                return !second.isEmpty
            }
            try send()
            second += pool.kernel.exporterEvents.next()
            #expect(second.map(\.address) == [Self.source(1)] && second.map(\.former) == [.notified(first[0].slot)])
            #expect(try pool.kernel.seenExporters(act: "test").map(\.runs) == [runs])
        }
    }

    @Test func `with interval exact each datagram is an event, and the counts are the same`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(Self.configuration(Tracking(interval: .zero)))
            for index in 0..<300 { try pool.send(from: Self.source(index % 5)) }
            let events = pool.kernel.exporterEvents.next()
            #expect(events.count == 300)
            #expect(events.filter { $0.former == .new }.count == 5)
            #expect(try pool.kernel.seenExporters(act: "test").map(\.runs) == [60, 60, 60, 60, 60])
        }
    }

    @Test func `an exporter that fails over is reported as moved, once`() async throws {
        try await Sandbox.run { _ in
            let tracking = Tracking(size: 64, interval: .seconds(60))
            let pool = try PoolFixture(Self.configuration(tracking, hold: ModelledPool.hold))
            let source = Self.source(7)
            try pool.send(from: source)
            let first = try #require(pool.kernel.exporterEvents.next().first)
            let owner = try #require(first.slot)
            pool.stop(pool.kernel.name(of: owner))
            try pool.send(from: source)  // held
            try pool.endHolds()
            try PinnedMaps.ageTrackedExporters(.seconds(61), size: 64)
            for _ in 0..<10 { try pool.send(from: source) }
            let events = pool.kernel.exporterEvents.next()
            #expect(events.map(\.former) == [.notified(owner)])
            #expect(events.first?.slot != owner && events.first?.slot != nil)
        }
    }

    @Test func `unread events are lost and counted, and the counts continue`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(Self.configuration(Tracking(interval: .zero)))
            let count = 20_000
            for index in 0..<count {
                try pool.send(from: Self.source(index % 50))
                if index % 200 == 199 { _ = pool.takeReceived() }
            }
            var taken = 0
            while true {
                let events = pool.kernel.exporterEvents.next()
                if events.isEmpty { break }
                taken += events.count
            }
            let lost = try #require(try pool.kernel.status().tracking?.eventsLost)
            #expect(lost > 0 && Int(lost) + taken == count)
            try Self.expectSumsAgree(pool)
        }
    }

    @Test func `tracking's sums continue over another size, off and on again`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(Self.configuration(Tracking(size: 100)))
            func send() throws {
                for index in 0..<80 { try pool.send(from: Self.source(index)) }
                _ = pool.takeReceived()
            }
            try send()
            try pool.reload(Self.configuration(Tracking(size: 200)))
            #expect(try pool.kernel.seenExporters(act: "test").isEmpty)
            try send()
            #expect(try pool.kernel.seenExporters(act: "test").count == 80)
            try Self.expectSumsAgree(pool)
            let before = try Self.sums(of: pool).seen
            try pool.reload(Self.configuration(.off))
            try send()
            #expect(try Self.sums(of: pool).seen == before)
            try pool.reload(Self.configuration(Tracking(size: 200)))
            try pool.restartAgent()
            try send()
            #expect(try Self.sums(of: pool).seen.runs == before.runs + 80)
            #expect(
                Directory.names(in: "/sys/fs/bpf/reuseport-agent/edge").filter { $0.hasPrefix("tracked-") }
                    == ["tracked-200"])
        }
    }
}

extension IPAddress {
    fileprivate static func >= (address: IPAddress, index: Int) -> Bool { !(address < index) }

    fileprivate static func < (address: IPAddress, index: Int) -> Bool {
        if case .v4(let word) = address { word < 0x0a00_0000 + UInt32(index) } else { false }
    }
}

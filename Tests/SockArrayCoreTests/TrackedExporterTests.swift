import PoolModel
import Testing

@Suite struct TrackedExporterTests {
    private static func exporter(_ runs: UInt64, _ bytes: UInt64, firstSeen: Duration = .seconds(5)) -> TrackedExporter
    {
        var exporter = TrackedExporter(address: .v4(0xc000_0201), runs: runs, bytes: bytes)
        exporter.firstSeen = firstSeen
        return exporter
    }

    @Test func `runs and bytes since a reading are the differences, or there are none`() {
        let before = Self.exporter(7, 1_400)
        #expect(Self.exporter(10, 2_000).since(before)?.runs == 3)
        #expect(Self.exporter(10, 2_000).since(before)?.bytes == 600)
        #expect(before.since(before) == nil)
    }

    @Test func `an address with two entries is one exporter with both counts, and the slot of the later run`() {
        var first = TrackedExporter(
            address: .v4(0xc000_0201), udp: ExporterTraffic(runs: 7, bytes: 700),
            tcp: ExporterTraffic(runs: 1, bytes: 60))
        (first.slot, first.firstSeen, first.lastSeen) = (Slot(1), .seconds(5), .seconds(20))
        var second = Self.exporter(2, 200, firstSeen: .seconds(6))
        (second.slot, second.lastSeen) = (Slot(2), .seconds(30))
        for merged in [first.merged(with: second), second.merged(with: first)] {
            #expect(merged.udp == ExporterTraffic(runs: 9, bytes: 900) && merged.tcp.runs == 1)
            #expect(merged.slot == Slot(2))
            #expect(merged.firstSeen == .seconds(5) && merged.lastSeen == .seconds(30))
        }
    }

    @Test func `an exporter that was evicted and returned between two readings counts in full`() {
        let before = Self.exporter(7, 1_400)
        let again = Self.exporter(9, 900, firstSeen: .seconds(8))
        #expect(again.since(before) == again)
        // Seen first in the same tick: more runs, fewer bytes.
        #expect(Self.exporter(9, 900).since(before) == Self.exporter(9, 900))
    }
}

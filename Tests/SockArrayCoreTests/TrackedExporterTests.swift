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

    @Test func `an exporter that was evicted and returned between two readings counts in full`() {
        let before = Self.exporter(7, 1_400)
        let again = Self.exporter(9, 900, firstSeen: .seconds(8))
        #expect(again.since(before) == again)
        // Seen first in the same tick: more runs, fewer bytes.
        #expect(Self.exporter(9, 900).since(before) == Self.exporter(9, 900))
    }
}

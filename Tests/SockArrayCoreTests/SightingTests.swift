import PoolModel
import Testing

@Suite struct SightingTests {
    private static func sighting(_ runs: UInt64, _ bytes: UInt64, firstSeen: Duration = .seconds(5)) -> Sighting {
        var sighting = Sighting(address: .v4(0xc000_0201), runs: runs, bytes: bytes)
        sighting.firstSeen = firstSeen
        return sighting
    }

    @Test func `runs and bytes since a reading are the differences, or there are none`() {
        let before = Self.sighting(7, 1_400)
        #expect(Self.sighting(10, 2_000).since(before)?.runs == 3)
        #expect(Self.sighting(10, 2_000).since(before)?.bytes == 600)
        #expect(before.since(before) == nil)
    }

    @Test func `an exporter that was evicted and returned between two readings counts in full`() {
        let before = Self.sighting(7, 1_400)
        let again = Self.sighting(9, 900, firstSeen: .seconds(8))
        #expect(again.since(before) == again)
        // Seen first in the same tick: more runs, fewer bytes.
        #expect(Self.sighting(9, 900).since(before) == Self.sighting(9, 900))
    }
}

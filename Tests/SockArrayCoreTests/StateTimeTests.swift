import CBPFShim
import Testing

@testable import SockArrayCore

@Suite struct StateTimeTests {
    private static let range = UInt64(1) << UInt64(RPA_STATE_TIME_BITS)

    @Test func `times are compared over the end of their range`() {
        #expect(StateTime.difference(5, 3) == 2)
        #expect(StateTime.difference(3, 5) == -2)
        #expect(StateTime.difference(1, Self.range - 1) == 2)
        #expect(StateTime.difference(Self.range - 1, 1) == -2)
        // Above its bits, a state has others.
        #expect(StateTime.difference(5 + 7 * Self.range, 3) == 2)
    }

    /// Two times of the same period differ in no bit of the mask.
    @Test(arguments: [(1, 1), (2, 2), (3, 2), (16, 16), (31, 16), (1 << 20, 1 << 8)])
    func `an entry is updated once in a period, rounded down to a power of two`(_ units: Int, _ period: UInt64) {
        let mask = StateTime.updateMask(period: StateTime.unit * units)
        #expect((0..<period).allSatisfy { ($0 ^ 0) & mask == 0 })
        #expect((period ^ 0) & mask != 0)
        #expect(mask & UInt64(RPA_UPDATE_ALWAYS) == 0)
    }

    @Test func `a period of zero updates an entry by each run`() {
        #expect(StateTime.updateMask(period: .zero) == UInt64(RPA_UPDATE_ALWAYS))
    }

    @Test(arguments: [64, 65, 100, 65_536, 1_048_576])
    func `a table has half as many entries again as exporters`(_ limit: Int) {
        let sizes = TrackingSizes(limit: limit, cpuCount: 3)
        #expect(sizes.entries >= limit * 3 / 2 - 4 && sizes.entries <= limit * 3 / 2 + 8)
        #expect(sizes.blocks == 4 && !sizes.isShared)
        #expect(TrackingSizes(limit: limit, cpuCount: 17).isShared)
    }
}

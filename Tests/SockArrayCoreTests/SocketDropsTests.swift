import PoolModel
import SockArrayCore
import Testing

@Suite struct SocketDropsTests {
    private static func total(_ readings: [(UInt64, UInt32)]) -> UInt64 {
        var drops = SocketDrops()
        for (cookie, count) in readings { drops.note(count, of: cookie) }
        return drops.total
    }

    @Test func `drops of successive sockets add up`() {
        #expect(Self.total([(1, 4), (1, 10), (2, 0), (3, 2), (3, 5), (3, 5)]) == 15)
    }

    @Test func `drops of a socket that comes back count once`() {
        #expect(Self.total([(1, 10), (2, 3), (1, 10), (1, 12), (2, 4)]) == 16)
    }

    @Test func `the sum continues when the kernel's 32-bit count starts over`() {
        #expect(Self.total([(1, .max - 1), (1, 4)]) == 1 << 32 + 4)
        #expect(Self.total([(1, 3_000_000_000), (1, 100), (1, 2_000_000_000)]) == 1 << 32 + 2_000_000_000)
    }

    @Test func `random, partly late readings never go backwards and never exceed the drops`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20 {
            var (drops, counts) = (SocketDrops(), [UInt64: UInt32]())
            for _ in 0..<500 {
                let cookie = UInt64.random(in: 1...3, using: &generator)
                let count = (counts[cookie] ?? 0) + UInt32.random(in: 0...1_000, using: &generator)
                counts[cookie] = count
                let before = drops.total
                // One in three comes late: the socket has dropped more since.
                let late = UInt32.random(in: 0...2, using: &generator) == 0 ? count / 2 : count
                drops.note(late, of: cookie)
                #expect(drops.total >= before)
                #expect(drops.total <= counts.values.reduce(0) { $0 + UInt64($1) })
            }
            for (cookie, count) in counts { drops.note(count, of: cookie) }
            #expect(drops.total == counts.values.reduce(0) { $0 + UInt64($1) })
        }
    }

    @Test func `of many sockets 128 are remembered and all are counted`() {
        var drops = SocketDrops()
        for cookie in 1...1_000 as ClosedRange<UInt64> { drops.note(7, of: cookie) }
        #expect(drops.total == 7_000 && drops.readings.map(\.cookie) == (873...1_000).reversed())
    }
}

import SockArrayCore
import Testing

@Suite struct SocketDropsTests {
    private static func total(_ readings: [(UInt64, UInt32)]) -> UInt64 {
        var drops = SocketDrops()
        for (cookie, count) in readings { drops.note(count, of: cookie) }
        return drops.total
    }

    @Test func `3 sockets, one after the other, that dropped 10, 0 and 5: 15`() {
        #expect(Self.total([(1, 4), (1, 10), (2, 0), (3, 2), (3, 5), (3, 5)]) == 15)
    }

    @Test func `the first socket comes back after the second: what it dropped counts once`() {
        #expect(Self.total([(1, 10), (2, 3), (1, 10), (1, 12), (2, 4)]) == 16)
    }

    @Test func `the kernel's count of 32 bits starts over: the sum goes on`() {
        #expect(Self.total([(1, .max - 1), (1, 4)]) == 1 << 32 + 4)
        #expect(Self.total([(1, 3_000_000_000), (1, 100), (1, 2_000_000_000)]) == 1 << 32 + 2_000_000_000)
    }

    @Test func `500 readings of 3 sockets, some of them late: never backwards, and never above what was dropped`() {
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

    @Test func `100 sockets: 4 are remembered, all are counted`() {
        var drops = SocketDrops()
        for cookie in 1...100 as ClosedRange<UInt64> { drops.note(7, of: cookie) }
        #expect(drops.total == 700 && drops.readings.map(\.cookie) == [100, 99, 98, 97])
    }
}

import Testing

@testable import PoolModel

@Suite struct WorkerLoadTests {
    private static let start = ContinuousClock.now

    /// Looks every 4 s at workers with these drops and queues.
    private static func looks(_ rows: [[(drops: UInt32, queued: UInt64)]]) -> [Bool] {
        var load = WorkerLoad()
        return rows.enumerated().map { index, row in
            load.isUneven(
                row.enumerated().map {
                    .init(cookie: UInt64($0.offset), drops: $0.element.drops, queued: $0.element.queued)
                },
                of: Slot(1), in: 0, at: start + .seconds(4 * index))
        }
    }

    @Test func `a socket that drops twice while half of them are idle is found, for a minute`() {
        let idle: [(UInt32, UInt64)] = [(0, 0), (0, 0)]
        let found = looks(
            [[(5, 9), (0, 9)] + idle, [(9, 9), (0, 9)] + idle, [(12, 9), (0, 9)] + idle]
                + Array(repeating: [(12, 0), (0, 0)] + idle, count: 16))
        #expect(found == [false, false, true] + Array(repeating: true, count: 14) + [false, false])
        func looks(_ rows: [[(UInt32, UInt64)]]) -> [Bool] {
            Self.looks(rows.map { $0.map { (drops: $0.0, queued: $0.1) } })
        }
    }

    @Test func `all sockets busy, a single socket and former drops are no finding`() {
        #expect(Self.looks([[(0, 9), (0, 9)], [(9, 9), (0, 9)]]) == [false, false])
        #expect(Self.looks([[(0, 9), (0, 0)], [(9, 9), (3, 0)]]) == [false, false])
        #expect(Self.looks([[(0, 9)], [(9, 9)]]) == [false, false])
        #expect(Self.looks([[(7, 0), (0, 0)], [(7, 0), (0, 0)]]) == [false, false])
    }
}

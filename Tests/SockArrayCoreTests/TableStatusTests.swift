import Testing

@testable import PoolModel
@testable import PoolReport

@Suite struct TableStatusTests {
    private static func availability(_ states: [SlotState]) -> SlotAvailability {
        var availability = SlotAvailability()
        for (index, state) in states.enumerated() {
            availability.set(Slot(UInt16(index)), state, wasFilled: true, isClosed: false)
        }
        return availability
    }

    private static func status(
        _ states: [SlotState], rows: [[UInt16]], desired: [Int: [UInt16]] = [:], hasAffinity: Bool = true
    ) -> TableStatus {
        let availability = availability(states)
        let collectors = states.indices.map {
            TableStatus.Collector(name: "c\($0)", slot: $0, standing: availability[Slot(UInt16($0))])
        }
        return TableStatus(
            pool: "edge", assignment: "rendezvous", tableSize: rows.count, restartHold: 10, collectors: collectors,
            hasAffinity: hasAffinity, availability
        ) { index in
            (
                BucketRow(ranks: rows[index].map { Slot($0) }),
                desired[index].map { BucketRow(ranks: $0.map { Slot($0) }) }
            )
        }
    }

    @Test(arguments: [
        ([], ""), ([0], "AA=="), ([255, 1], "/wE="), ([1, 2, 3], "AQID"), ([0xfb, 0xff, 0xbf, 4], "+/+/BA=="),
    ])
    func `base64 of 0 to 4 bytes`(bytes: [UInt8], text: String) {
        #expect(Base64.text(of: bytes) == text)
    }

    @Test func `held, failed-over and waiting rows each count once and have a cell`() {
        let status = Self.status(
            [.active, .holding(left: .seconds(3)), .failed], rows: [[0, 1], [1, 0], [2, 0], [0, 1]],
            desired: [3: [1, 0]])
        #expect(status.owners == Base64.text(of: [0, 1, 2, 1]))
        #expect(status.now == Base64.text(of: [0, 1, 0, 0]))
        #expect(status.collectors.map(\.standing) == ["usable", "held", "away"])
        #expect(status.collectors.map(\.owned) == [1, 2, 1])
        #expect(status.collectors.map(\.served) == [3, 0, 0])
        #expect(status.collectors.map(\.servedOfOthers) == [2, 0, 0])
        #expect(status.collectors.map(\.waiting) == [0, 1, 0])
        #expect(status.collectors.map(\.lost) == [0, 0, 0])
    }

    @Test func `without a usable collector rows are lost and stay their owners' cells`() {
        let status = Self.status([.failed, .failed], rows: [[0, 1], [1, 0]])
        #expect(status.now == status.owners)
        #expect(status.collectors.map(\.lost) == [1, 1] && status.collectors.map(\.served) == [0, 0])
    }

    @Test func `a row without an owner is a slot without a collector`() {
        let status = Self.status([.failed], rows: [[], [0]])
        #expect(status.owners == Base64.text(of: [1, 0]) && status.now == status.owners)
    }

    @Test func `without affinity no row waits, and now is left out`() {
        let status = Self.status([.active, .failed], rows: [[0], [1]], hasAffinity: false)
        #expect(status.now == nil && status.collectors.map(\.served) == [1, 1])
    }

    @Test(arguments: [256, 65_536, 65_537, 100_003, 1_048_576])
    func `tables of any size have at most 65,536 cells that count all rows`(size: Int) {
        let status = Self.status([.active], rows: Array(repeating: [0], count: size))
        #expect(status.owners.utf8.count == (min(size, 65_536) + 2) / 3 * 4)
        #expect(status.collectors[0].owned == size)
    }
}

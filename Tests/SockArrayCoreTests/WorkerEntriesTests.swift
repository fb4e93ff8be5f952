import Testing

@testable import PoolModel

@Suite struct WorkerEntriesTests {
    private static func entries(_ workers: [Int?], cpus: [Int?]? = nil, by choice: WorkerChoice = .exporter)
        -> WorkerEntries
    {
        WorkerEntries(
            workers.indices.map {
                .init(cookie: UInt64($0), cpu: cpus?[$0], worker: workers[$0])
            }, by: choice)
    }

    @Test func `numbers have no gaps, and sockets keep theirs as far as that allows`() {
        #expect(Self.entries([nil, nil, nil]).workers == [0, 1, 2])
        #expect(Self.entries([0, 2, nil]).workers == [0, 2, 1])
        #expect(Self.entries([0, 3]).workers == [0, 1])
        #expect(Self.entries([5, 3, 1]).workers == [0, 2, 1])
        #expect(Self.entries([5]).workers == [5] && Self.entries([5]).span == 6)
    }

    @Test func `by CPU a socket with SO_INCOMING_CPU has the number of that CPU modulo the span`() {
        func placed(_ cpus: [Int?], _ workers: [Int?]? = nil) -> WorkerEntries {
            Self.entries(workers ?? cpus.map { _ in nil }, cpus: cpus, by: .cpu)
        }
        #expect(placed([3, 2, 1, 0]).workers == [3, 2, 1, 0])
        // They move to their numbers.
        #expect(placed([1, 0], [0, 1]).workers == [1, 0])
        // 0 and 4 differ modulo 3, and 0, 2 and 4 do, too.
        #expect(placed([0, 4]).span == 3 && placed([0, 4]).workers == [0, 1])
        #expect(placed([0, 2, 4]).span == 3 && placed([0, 2, 4]).workers == [0, 2, 1])
        #expect(placed([1, nil, nil]).workers == [1, 0, 2])
        // Two sockets of one CPU, or none with a CPU: the order decides.
        #expect(placed([1, 1]).workers == [0, 1] && placed([nil, nil]).workers == [0, 1])
        #expect(Self.entries([nil, nil], cpus: [1, 0], by: .flow).workers == [0, 1])
    }

    @Test func `random sockets get numbers of their own, and as many of the least ones as there are sockets`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2_000 {
            let count = Int.random(in: 2...SocketEntry.workerLimit, using: &generator)
            let present = Array((0..<SocketEntry.workerLimit).shuffled(using: &generator).prefix(count))
            let workers = present.map { Bool.random(using: &generator) ? $0 : nil }
            let entries = Self.entries(workers)
            #expect(Set(entries.workers) == Set(0..<count) && entries.span == count)
            let unmoved = zip(workers, entries.workers).allSatisfy { before, now in
                before.map { $0 >= count || $0 == now } ?? true
            }
            #expect(unmoved)
        }
    }
}

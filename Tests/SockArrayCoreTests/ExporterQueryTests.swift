import Testing

@testable import PoolModel
@testable import PoolReport

@Suite struct ExporterQueryTests {
    private static let collectors = ["c1", "c2"]

    private func query(_ parameters: [(String, String)]) throws(Failure) -> ExporterQuery {
        try ExporterQuery(parameters.map { (name: $0.0, value: $0.1) }, collectors: Self.collectors)
    }

    private func select(_ query: ExporterQuery, _ records: [ExporterRecord]) -> (matching: Int, page: [ExporterRecord])
    {
        query.select(from: records) { $0 == "c1" ? [Slot(0)] : [Slot(1)] }
    }

    /// In a random order.
    private static func records(_ count: Int) -> [ExporterRecord] {
        (0..<count).map(record).shuffled()
    }

    private static func record(_ number: Int) -> ExporterRecord {
        let isSix = number % 3 == 0
        let address: IPAddress = isSix ? .v6(0x2001_0db8 << 32, UInt64(number)) : .v4(0x0a00_0000 + UInt32(number))
        var record = ExporterRecord(address: address)
        record.slot = number % 5 == 0 ? nil : Slot(UInt16(number % 2))
        record.firstSeen = Double(number * 7_919 % 1_000)
        record.lastSeen = 1_700_000_000 + Double(number * 104_729 % 1_000) / 8
        record.udp = ExporterTraffic(runs: UInt64(number * 31 % 50), bytes: UInt64(number * 17 % 100))
        record.tcp = ExporterTraffic(runs: 1, bytes: UInt64(number % 7))
        return record
    }

    @Test func `without parameters: the first 100, most bytes first`() throws {
        let plain = try query([])
        #expect(plain.limit == 100 && plain.offset == 0 && "\(plain.order)" == "-bytes")
        #expect(plain.collector == nil && plain.prefix == nil)
        let all = try query([
            ("sort", "last_seen"), ("limit", "1000"), ("offset", "70"), ("collector", "c2"), ("prefix", "192.0.2.0/24"),
        ])
        #expect("\(all.order)" == "last_seen" && all.limit == 1_000 && all.offset == 70 && all.collector == "c2")
        #expect(try all.prefix == AddressPrefix(parsing: "192.0.2.0/24"))
    }

    @Test(arguments: [
        ("sort", "size", "use one of bytes, runs, last_seen, first_seen, address, or with - before it"),
        ("sort", "--runs", "there is no sort --runs"), ("sort", "", "there is no sort"),
        ("limit", "0", "limit 0 is not a whole number from 1 to 1000"), ("limit", "1001", "from 1 to 1000"),
        ("limit", "+5", "from 1 to 1000"), ("limit", "05", "from 1 to 1000"), ("limit", "1e2", "from 1 to 1000"),
        ("offset", "-1", "from 0 to 9999999"), ("offset", "99999999999999999999", "from 0 to"),
        ("collector", "c9", "there is no collector c9; use one of c1, c2"),
        ("prefix", "192.0.2.1/24", "has bits beyond its length; write 192.0.2.0/24"),
        ("prefix", "x", "write it like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.1"),
        ("prefix", "10.0.0.0/33", "is no prefix"),
        ("order", "x", "there is no parameter order; use sort, limit, offset, collector, prefix"),
    ])
    func `a wrong parameter is refused with the allowed values`(name: String, value: String, text: String) {
        let failure = #expect(throws: Failure.self) { try query([(name, value)]) }
        #expect(failure?.kind == .usage && "\(failure!)".contains(text), "\(failure!)")
    }

    @Test(arguments: ExporterQuery.Key.allCases, [false, true])
    func `pages in any order are those of all exporters sorted at once, ties by address`(
        key: ExporterQuery.Key, isDescending: Bool
    ) {
        let records = Self.records(1_000)
        func value(_ record: ExporterRecord) -> Double {
            switch key {
            case .bytes: Double(record.bytes)
            case .runs: Double(record.runs)
            case .lastSeen: record.lastSeen
            case .firstSeen: record.firstSeen
            case .address: 0
            }
        }
        let byAddress = records.sorted { IPAddress.isOrdered($0.address, before: $1.address) }
        // Swift's sort is stable.
        var expected = byAddress.sorted { isDescending ? value($0) > value($1) : value($0) < value($1) }
        if key == .address, isDescending { expected.reverse() }
        var query = ExporterQuery()
        query.order.key = key
        query.order.isDescending = isDescending
        query.limit = 7
        var all: [ExporterRecord] = []
        while all.count < records.count {
            query.offset = all.count
            let (matching, page) = select(query, records)
            #expect(matching == 1_000 && page.count == min(7, 1_000 - all.count))
            all += page
            if page.isEmpty { break }
        }
        #expect(all == expected)
        #expect(IPAddress.isOrdered(.v4(.max), before: .v6(0, 1)))
    }

    @Test func `filters by collector and by prefix combine, and a page after the last is empty`() throws {
        let records = Self.records(1_000)
        let ones = records.count { $0.slot == Slot(0) }
        #expect(try select(query([("collector", "c1"), ("limit", "1")]), records).matching == ones)
        let prefix = try select(query([("prefix", "10.0.0.0/30"), ("limit", "1000")]), records)
        #expect(Set(prefix.page.map { "\($0.address)" }) == ["10.0.0.1", "10.0.0.2"])
        let single = try select(query([("prefix", "10.0.0.1"), ("collector", "c2")]), records)
        #expect(single.page.map { "\($0.address)" } == ["10.0.0.1"])
        #expect(try select(query([("prefix", "::/0")]), records).matching == records.count { $0.address.isSix })
        let beyond = try select(query([("offset", "1000")]), records)
        #expect(beyond.matching == 1_000 && beyond.page.isEmpty)
        #expect(select(ExporterQuery(), []).matching == 0)
    }

    @Test func `65,536 exporters with equal bytes don't take quadratic time`() {
        var records = (0..<UInt32(65_536)).map { ExporterRecord(address: .v4($0)) }
        var query = ExporterQuery()
        query.offset = 32_768
        query.limit = 2
        #expect(select(query, records).page.map(\.address) == [.v4(32_768), .v4(32_769)])
        records = Array(repeating: records[0], count: 65_536)
        #expect(select(query, records).page.count == 2)
    }
}

extension IPAddress {
    fileprivate var isSix: Bool { if case .v6 = self { true } else { false } }
}

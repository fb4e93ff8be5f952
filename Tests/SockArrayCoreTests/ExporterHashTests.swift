import Testing

@testable import PoolModel
@testable import PoolReport

@Suite struct ExporterHashTests {
    private let hash = ExporterHash(seed: PoolConfiguration.defaultSeed)

    @Test func `an IPv4 address and its mapped form are one exporter`() throws {
        let plain = try #require(IPAddress("203.0.113.90"))
        let mapped = try #require(IPAddress("::ffff:203.0.113.90"))
        #expect(hash(plain) == hash(mapped))
    }

    @Test func `another seed gives other buckets`() {
        let other = ExporterHash(seed: "other")
        let same = (0..<1_000).count { index in
            let address = IPAddress.v4(UInt32(index))
            return hash.bucket(of: address, tableSize: 65_536) == other.bucket(of: address, tableSize: 65_536)
        }
        #expect(same < 5)
    }

    /// Worked out by another program from the definition: a change of any moves
    /// nearly every exporter of every pool.
    @Test(arguments: [
        ("192.0.2.1", 65_210), ("10.0.0.1", 5_311), ("203.0.113.90", 16_948), ("2001:db8::1", 22_969),
        ("2001:db8:1:2:3:4:5:6", 65_313),
    ])
    func `the hash is the same on every host and release`(text: String, bucket: UInt32) throws {
        let address = try #require(IPAddress(text))
        #expect(hash.bucket(of: address, tableSize: 65_536).index == bucket)
    }

    /// As above.
    @Test(arguments: [
        ("pe1.zrh", 4_884), ("elephant", 1_774), ("lab", 17_152),
        ("a-name-of-more-than-eight-bytes.example.net", 43_145),
    ])
    func `an exporter's name has the same bucket on every host and release`(name: String, bucket: UInt32) {
        #expect(ExporterHash.bucket(of: hash(name: name), tableSize: 65_536).index == bucket)
    }

    /// Every input bit flips every output bit in about half of the cases.
    @Test func `one flipped bit flips each hash bit in 50 ± 4 % of 4,096 addresses`() {
        var generator = SplitMix(state: 1)
        var flips = [[Int]](repeating: [Int](repeating: 0, count: 64), count: 128)
        let samples = 4_096
        for _ in 0..<samples {
            let (high, low) = (generator.next(), generator.next())
            let before = hash(.v6(high, low))
            for bit in 0..<128 {
                let flippedHigh = bit < 64 ? high ^ 1 << UInt64(bit) : high
                let flippedLow = bit < 64 ? low : low ^ 1 << UInt64(bit - 64)
                var changed = before ^ hash(.v6(flippedHigh, flippedLow))
                while changed != 0 {
                    flips[bit][changed.trailingZeroBitCount] += 1
                    changed &= changed - 1
                }
            }
        }
        let worst = flips.joined().map { abs(Double($0) / Double(samples) - 0.5) }.max()!
        #expect(worst < 0.04)
    }

    /// Addresses as operators number their routers. Balancers that sum the words
    /// of an IPv6 address give 256 such loopbacks one hash.
    @Test(arguments: StructuredSet.allCases, [256, 10_000])
    func `structured addresses fill as many buckets as random ones, within 1 %`(set: StructuredSet, count: Int) {
        let addresses = set.addresses(count)
        for seed in [PoolConfiguration.defaultSeed, "a", "b"] {
            let hash = ExporterHash(seed: seed)
            let distinct = Set(addresses.map { hash.bucket(of: $0, tableSize: 65_536) }).count
            // n balls into m bins leave m (1 - (1 - 1/m)^n) filled.
            var empty = 1.0
            for _ in addresses { empty *= 1 - 1 / 65_536.0 }
            let expected = 65_536 * (1 - empty)
            #expect(abs(Double(distinct) / expected - 1) < 0.01, "\(distinct) of \(expected), seed \(seed)")
        }
    }

    /// Pearson's test: with 7 degrees of freedom chi-square is above 24.3 once in
    /// 1,000 sets of random addresses.
    @Test(arguments: StructuredSet.allCases)
    func `10,000 structured exporters fall on 8 collectors as random ones do: chi-square below 24.3`(
        set: StructuredSet
    ) {
        let plan = AssignmentPlan(.pool((1...8).map { "c\($0)" }))
        var counts: [String: Int] = [:]
        for address in set.addresses(10_000) { counts[plan.owner(of: address)!, default: 0] += 1 }
        let chiSquare = plan.shares.reduce(0.0) { sum, share in
            let expected = share.value * 10_000
            let difference = Double(counts[share.key] ?? 0) - expected
            return sum + difference * difference / expected
        }
        #expect(chiSquare < 24.3, "\(counts)")
    }

    enum StructuredSet: CaseIterable {
        case loopbacks, twiceNumbered, complements, networks, sequentialIPv4, everySecondOctet

        func addresses(_ count: Int) -> [IPAddress] {
            (1...UInt64(count)).map { number in
                switch self {
                case .loopbacks: .v6(0x2001_0db8_0000_0000, number)
                case .twiceNumbered: .v6(0x2001_0db8_0000_0000 | number, number)
                case .complements: .v6(0x2001_0db8_0000_0000 | number, UInt64(count) + 1 - number)
                case .networks: .v6(0x2001_0db8_0000_0000 + number, 1)
                case .sequentialIPv4: .v4(0x0a00_0000 + UInt32(number))
                case .everySecondOctet: .v4(0x0a00_0001 + UInt32(number % 256) << 16 + UInt32(number / 256) << 8)
                }
            }
        }
    }
}

/// A reproducible source of test data.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return mix13(state)
    }
}

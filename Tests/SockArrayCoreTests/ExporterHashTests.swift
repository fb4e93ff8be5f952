import Testing

@testable import SockArrayCore

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
    func `is the same on every host and release`(text: String, bucket: UInt32) throws {
        let address = try #require(IPAddress(text))
        #expect(hash.bucket(of: address, tableSize: 65_536).index == bucket)
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

    /// Addresses as operators number their routers: PEERS of this hash sum the
    /// words of an IPv6 address, and 256 loopbacks share one hash.
    @Test(arguments: StructuredSet.allCases)
    func `structured addresses fill as many buckets as random ones, within 3 %`(set: StructuredSet) {
        let addresses = set.addresses
        let distinct = Set(addresses.map { hash.bucket(of: $0, tableSize: 65_536) }).count
        // n balls into m bins leave m (1 - (1 - 1/m)^n) filled.
        var empty = 1.0
        for _ in addresses { empty *= 1 - 1 / 65_536.0 }
        let expected = 65_536 * (1 - empty)
        #expect(abs(Double(distinct) / expected - 1) < 0.03, "\(distinct) of \(expected)")
    }

    enum StructuredSet: CaseIterable {
        case loopbacks, twiceNumbered, complements, networks, sequentialIPv4, everySecondOctet

        var addresses: [IPAddress] {
            switch self {
            case .loopbacks: (1...10_000).map { .v6(0x2001_0db8_0000_0000, UInt64($0)) }
            case .twiceNumbered: (1...10_000).map { .v6(0x2001_0db8_0000_0000 | UInt64($0), UInt64($0)) }
            case .complements: (1...10_000).map { .v6(0x2001_0db8_0000_0000 | UInt64($0), UInt64(10_001 - $0)) }
            case .networks: (1...10_000).map { .v6(0x2001_0db8_0000_0000 + UInt64($0), 1) }
            case .sequentialIPv4: (1...10_000).map { .v4(0x0a00_0000 + UInt32($0)) }
            case .everySecondOctet:
                (0..<10_000).map { .v4(0x0a00_0001 + UInt32($0 % 256) << 16 + UInt32($0 / 256) << 8) }
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

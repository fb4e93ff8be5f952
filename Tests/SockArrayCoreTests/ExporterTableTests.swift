import Testing

@testable import PoolModel

@Suite struct ExporterTableTests {
    private let hash = ExporterHash(seed: "a")

    /// The definition: of all prefixes that cover the address, the longest.
    private func definition(_ exporters: [AddressPrefix: UInt32], _ address: IPAddress) -> Int? {
        let full = AddressPrefix(address)
        return exporters.filter { $0.key.covers(full) }.max { $0.key.length < $1.key.length }.map { Int($0.value) }
    }

    @Test func `lookups in tables of random overlapping prefixes follow the definition`() {
        var generator = SplitMix(state: 3)
        for _ in 0..<20 {
            var exporters: [AddressPrefix: UInt32] = [:]
            for number in 0..<UInt32(150) { exporters[Self.randomPrefix(&generator)] = number }
            let table = ExporterTable(exporters: exporters, hash: hash)
            let prefixes = exporters.keys.sorted()
            for step in 0..<1_000 {
                // Half of them inside a prefix, half anywhere near.
                var address = Self.randomAddress(&generator)
                if step % 2 == 0 {
                    address = prefixes[Int(generator.next() % UInt64(prefixes.count))].someAddress(&generator)
                }
                #expect(table.exporter(of: address) == definition(exporters, address), "\(address)")
            }
        }
    }

    @Test func `with all prefix lengths nested each address finds its longest prefix`() throws {
        var exporters: [AddressPrefix: UInt32] = [:]
        let deepIPv6 = AddressPrefix(try #require(IPAddress("2001:db8:1234:5678:9abc:def0:1234:5679")))
        let deepIPv4 = AddressPrefix(try #require(IPAddress("203.0.113.91")))
        for length in 0...128 { exporters[deepIPv6.cut(to: length)] = UInt32(length) }
        for length in 96...128 { exporters[deepIPv4.cut(to: length)] = UInt32(1_000 + length) }
        let table = ExporterTable(exporters: exporters, hash: hash)
        var generator = SplitMix(state: 5)
        for prefix in exporters.keys {
            for _ in 0..<5 {
                let address = prefix.someAddress(&generator)
                #expect(table.exporter(of: address) == definition(exporters, address))
            }
        }
    }

    @Test func `each of 100,000 exporters is found, with at most half of the entries used`() {
        var exporters: [AddressPrefix: UInt32] = [:]
        for number in 0..<UInt32(100_000) {
            let address: IPAddress =
                number % 2 == 0 ? .v4(0x0a00_0000 + number) : .v6(0x2001_0db8_0000_0000, UInt64(number))
            exporters[AddressPrefix(address)] = number
        }
        let table = ExporterTable(exporters: exporters, hash: hash)
        #expect(table.entries.count >= 200_000)
        for (prefix, number) in exporters where number % 97 == 0 {
            let address: IPAddress =
                prefix.isIPv4 ? .v4(UInt32(truncatingIfNeeded: prefix.low)) : .v6(prefix.high, prefix.low)
            #expect(table.exporter(of: address) == Int(number))
        }
        #expect(table.exporter(of: .v4(0x0b00_0000)) == nil)
    }

    @Test func `single addresses alone need one probe, no markers`() {
        let exporters: [AddressPrefix: UInt32] = [
            AddressPrefix(.v4(1)): 0, AddressPrefix(.v4(2)): 1, AddressPrefix(.v6(1, 1)): 2,
        ]
        let table = ExporterTable(exporters: exporters, hash: hash)
        #expect(table.entries.count { $0.lengthTag != 0 } == 3)
        #expect(table.lengths.ipv4 == [128] && table.lengths.ipv6 == [128])
    }

    @Test func `the same exporters in another order give the same entries and digest`() {
        var generator = SplitMix(state: 8)
        let prefixes = (0..<500).map { _ in Self.randomPrefix(&generator) }
        func table(_ order: [AddressPrefix]) -> ExporterTable {
            var exporters: [AddressPrefix: UInt32] = [:]
            for prefix in order { exporters[prefix] = UInt32(truncatingIfNeeded: prefix.low >> 33) & 0xff }
            return ExporterTable(exporters: exporters, hash: hash)
        }
        let (one, other) = (table(prefixes), table(prefixes.reversed()))
        #expect(one.entries == other.entries && one.digest == other.digest)
    }

    /// In few networks, so that they overlap.
    private static func randomAddress(_ generator: inout SplitMix) -> IPAddress {
        let word = generator.next()
        return word % 2 == 0
            ? .v4(0x0a00_0000 | UInt32(truncatingIfNeeded: word >> 40) & 0x0003_0f0f)
            : .v6(0x2001_0db8_0000_0000 | (word >> 8) & 0x3, (word >> 16) & 0xf000_0000_0000_000f)
    }

    private static func randomPrefix(_ generator: inout SplitMix) -> AddressPrefix {
        let full = AddressPrefix(randomAddress(&generator))
        let shortest: UInt64 = full.isIPv4 ? 96 : 0
        return full.cut(to: Int(shortest + generator.next() % (129 - shortest)))
    }
}

extension AddressPrefix {
    fileprivate func someAddress(_ generator: inout SplitMix) -> IPAddress {
        let (randomHigh, randomLow) = (generator.next(), generator.next())
        let highMask: UInt64 = length >= 64 ? 0 : ~0 >> UInt64(length)
        let lowMask: UInt64 = length <= 64 ? ~0 : length == 128 ? 0 : ~0 >> UInt64(length - 64)
        let (high, low) = (high | randomHigh & highMask, low | randomLow & lowMask)
        return isIPv4 ? .v4(UInt32(truncatingIfNeeded: low)) : .v6(high, low)
    }
}

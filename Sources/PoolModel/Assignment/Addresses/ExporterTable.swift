/// The configured exporters in the form that the program searches: it maps a source
/// address to the exporter with the longest prefix that covers it.
///
/// A hash table of prefixes, searched as by Waldvogel, Varghese, Turner and
/// Plattner ("Scalable high speed IP routing lookups", SIGCOMM 1997): a binary
/// search over the lengths that occur. A marker shows that the search must continue
/// with longer prefixes. It names the exporter of the longest prefix that covers it, so
/// that a search never turns back. With single addresses alone, one probe is enough.
public struct ExporterTable: Sendable {
    /// An entry of the map "exporters" (rpa_exporter), with the exporter in place of its row.
    package struct Entry: Equatable, Sendable {
        package var high: UInt64 = 0
        package var low: UInt64 = 0
        /// Index in the list of exporters, or `nobody`: the entry is only a marker.
        package var exporter: UInt32 = 0
        /// Prefix length + 1; 0: free.
        package var lengthTag: UInt32 = 0
    }

    package static let nobody: UInt32 = 0x7fff_ffff
    /// Entries that a lookup reads before it gives up (RPA_EXPORTER_PROBES).
    package static let probes = 32

    /// The entries: a power of two, or none.
    package private(set) var entries: [Entry] = []
    /// Lengths that occur, in ascending order: IPv6's, and IPv4's (96 … 128).
    package let lengths: (ipv6: [Int], ipv4: [Int])
    private let hash: ExporterHash

    /// - Parameter exporters: indices in a list of exporters, by prefix.
    package init(exporters: [AddressPrefix: UInt32], hash: ExporterHash) {
        self.hash = hash
        func lengths(_ isIPv4: Bool) -> [Int] {
            Set(exporters.keys.lazy.filter { $0.isIPv4 == isIPv4 }.map(\.length)).sorted()
        }
        self.lengths = (lengths(false), lengths(true))
        guard !exporters.isEmpty else { return }
        let all = withMarkers(exporters)
        var capacity = 2
        while capacity < 2 * all.count { capacity *= 2 }
        while !place(all, capacity: capacity) { capacity *= 2 }
    }

    public var isEmpty: Bool { entries.isEmpty }

    /// Distinguishes tables: pinned with a generation, and compared when that is adopted.
    var digest: UInt64 {
        entries.reduce(UInt64(entries.count)) { digest, entry in
            mix13(digest ^ entry.high) &+ mix13(entry.low ^ UInt64(entry.exporter) << 32 ^ UInt64(entry.lengthTag))
        }
    }

    /// The exporter with the longest prefix that covers the address, by the same steps
    /// as in the program.
    package func exporter(of address: IPAddress) -> Int? {
        guard !isEmpty else { return nil }
        let prefix = AddressPrefix(address)
        let lengths = prefix.isIPv4 ? self.lengths.ipv4 : self.lengths.ipv6
        var (from, to) = (0, lengths.count)
        var found: Int?
        while from < to {
            let middle = (from + to) / 2
            guard let exporter = exporter(at: prefix.cut(to: lengths[middle])) else {
                to = middle
                continue
            }
            if exporter != Self.nobody { found = Int(exporter) }
            from = middle + 1
        }
        return found
    }

    private func exporter(at prefix: AddressPrefix) -> UInt32? {
        let start = Int(truncatingIfNeeded: hash(prefix) & 0xffff_ffff)
        for probe in 0..<Self.probes {
            let entry = entries[(start + probe) & (entries.count - 1)]
            if entry.lengthTag == 0 { return nil }
            if entry.high == prefix.high, entry.low == prefix.low, entry.lengthTag == UInt32(prefix.length + 1) {
                return entry.exporter
            }
        }
        return nil
    }

    /// False: some entry has no free place within the probes.
    private mutating func place(_ exporters: [AddressPrefix: UInt32], capacity: Int) -> Bool {
        entries = Array(repeating: Entry(), count: capacity)
        // In order, so that equal configurations give equal tables.
        for prefix in exporters.keys.sorted() {
            let start = Int(truncatingIfNeeded: hash(prefix) & 0xffff_ffff)
            let place = (0..<Self.probes).lazy.map { (start + $0) & (capacity - 1) }
                .first { entries[$0].lengthTag == 0 }
            guard let place else { return false }
            entries[place] = Entry(
                high: prefix.high, low: prefix.low, exporter: exporters[prefix]!, lengthTag: UInt32(prefix.length + 1))
        }
        return true
    }

    /// The prefixes and, for each, markers at the lengths where a search for it
    /// must continue.
    private func withMarkers(_ exporters: [AddressPrefix: UInt32]) -> [AddressPrefix: UInt32] {
        var all = exporters
        // The prefixes that cover the current one, shortest first.
        var covering: [AddressPrefix] = []
        for prefix in exporters.keys.sorted() {
            while let last = covering.last, !last.covers(prefix) { covering.removeLast() }
            for length in lengthsSearched(before: prefix) {
                let marker = prefix.cut(to: length)
                guard all[marker] == nil else { continue }
                all[marker] = covering.last { $0.length <= length }.map { exporters[$0]! } ?? Self.nobody
            }
            covering.append(prefix)
        }
        return all
    }

    /// The shorter lengths that the binary search tries before it reaches the prefix's.
    private func lengthsSearched(before prefix: AddressPrefix) -> [Int] {
        let lengths = prefix.isIPv4 ? self.lengths.ipv4 : self.lengths.ipv6
        var (from, to) = (0, lengths.count)
        var shorter: [Int] = []
        while from < to {
            let middle = (from + to) / 2
            if lengths[middle] == prefix.length { break }
            if lengths[middle] < prefix.length {
                shorter.append(lengths[middle])
                from = middle + 1
            } else {
                to = middle
            }
        }
        return shorter
    }
}

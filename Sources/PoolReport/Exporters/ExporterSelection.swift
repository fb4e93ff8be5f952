import PoolModel

extension ExporterQuery {
    /// The requested records in the requested order, and the number of matching ones.
    ///
    /// The time is proportional to the number of records, wherever the page is: only
    /// the records of the page are sorted.
    public func select(
        from records: [ExporterRecord], slots: (String) -> Set<Slot>
    ) -> (matching: Int, page: [ExporterRecord]) {
        let slots = collector.map(slots)
        var entries: [Entry] = []
        entries.reserveCapacity(records.count)
        for (index, record) in records.enumerated() {
            if let slots, !(record.slot.map(slots.contains) ?? false) { continue }
            if let prefix, !prefix.covers(AddressPrefix(record.address)) { continue }
            entries.append(Entry(rank: rank(of: record), index: UInt32(index)))
        }
        let start = min(offset, entries.count)
        let end = min(start + limit, entries.count)
        func isOrdered(_ left: Entry, _ right: Entry) -> Bool {
            if left.rank != right.rank { return (left.rank < right.rank) != order.isDescending }
            let isBefore = IPAddress.isOrdered(
                records[Int(left.index)].address, before: records[Int(right.index)].address)
            // Records with equal keys are in the order of their addresses, unless addresses are the key.
            guard order.key == .address, order.isDescending else { return isBefore }
            return IPAddress.isOrdered(records[Int(right.index)].address, before: records[Int(left.index)].address)
        }
        entries.narrow(to: start..<end, by: isOrdered)
        return (entries.count, entries[start..<end].sorted(by: isOrdered).map { records[Int($0.index)] })
    }

    private struct Entry {
        let rank: UInt64
        let index: UInt32
    }

    /// A number with the order of the key. Times since 1970 are not negative, so their bits have that order.
    private func rank(of record: ExporterRecord) -> UInt64 {
        switch order.key {
        case .bytes: record.bytes
        case .runs: record.runs
        case .lastSeen: max(0, record.lastSeen).bitPattern
        case .firstSeen: max(0, record.firstSeen).bitPattern
        case .address: 0
        }
    }
}

extension Array {
    /// Moves the records into the range, in no order, that sorting would put there
    /// (quickselect, C. A. R. Hoare, 1961). Pivots are random: no input order
    /// makes it slow.
    mutating func narrow(to range: Range<Int>, by isOrdered: (Element, Element) -> Bool) {
        if range.isEmpty { return }
        if range.lowerBound > 0 { place(range.lowerBound, within: 0..<count, by: isOrdered) }
        if range.upperBound < count { place(range.upperBound, within: range.lowerBound..<count, by: isOrdered) }
    }

    /// Afterward, no record before the index belongs after one from the index on.
    private mutating func place(_ index: Int, within bounds: Range<Int>, by isOrdered: (Element, Element) -> Bool) {
        var (low, high) = (bounds.lowerBound, bounds.upperBound)
        while high - low > 1 {
            let pivot = self[Int.random(in: low..<high)]
            // Before `less`: records less than the pivot; from `more` on: records greater than it.
            var (less, more, next) = (low, high, low)
            while next < more {
                if isOrdered(self[next], pivot) {
                    swapAt(less, next)
                    less += 1
                    next += 1
                } else if isOrdered(pivot, self[next]) {
                    more -= 1
                    swapAt(next, more)
                } else {
                    next += 1
                }
            }
            if index < less {
                high = less
            } else if index >= more {
                low = more
            } else {
                return
            }
        }
    }
}

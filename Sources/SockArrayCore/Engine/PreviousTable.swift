import PoolModel

/// The rows of the generation before, as a new one finds its own among them.
struct PreviousTable {
    private let words: MappedArray
    /// So many buckets have the same number in both.
    let comparable: Int
    /// Rows of exporters that have one of their own now: index before, by index now.
    private let apart: [Int: Int]

    /// - Parameters:
    ///   - predecessor: the table of the generation before, if it is known.
    init(
        ofNumber number: UInt64, _ shape: GenerationShape, as table: AssignmentTable,
        predecessor: AssignmentTable?, in folder: PinFolder
    ) throws(PoolError) {
        words = try Generation.rows(ofNumber: number, count: Int(shape.rowCount), in: folder)
        let isComparable = table.assignment.hasAffinity && table.shape.keepsAssignment(of: shape)
        comparable = isComparable ? table.tableSize : 0
        let exporters = table.exportersWithDedicatedRows
        let before = predecessor?.places(of: exporters) ?? []
        apart = Dictionary(
            uniqueKeysWithValues: zip(exporters, before).compactMap { exporter, places in
                places.first.map { (exporter.row, $0.row) }
            })
    }

    /// Nil: it has no counterpart.
    func row(at index: Int) -> BucketRow? {
        if index < comparable { return BucketRow(word: words[index]) }
        return apart[index].map { BucketRow(word: words[$0]) }
    }
}

extension PreviousTable {
    /// Exporters that another table takes from where they are, and whose row it gives to others too:
    /// they keep rows of their own until their sessions have ended.
    ///
    /// - Parameters:
    ///   - base: the other table, which keeps nobody.
    ///   - left: exporters with rows of their own in the table before that are to keep them.
    /// - Returns: names or addresses.
    func exportersToKeep(
        from base: AssignmentTable, leaving left: [AssignmentTable.Apart], _ live: [LiveSession]
    ) -> Set<String> {
        var kept = Set(base.places(of: left).joined().filter { $0.row < base.tableSize }.map(\.exporter))
        var peers: [String: [Slot: Set<IPAddress>]] = [:]
        for session in live {
            guard let slot = session.slot, let place = base.place(of: session.connection.peer) else { continue }
            peers[place.exporter, default: [:]][slot, default: []].insert(session.connection.peer.unmapped)
            if place.row < base.tableSize, row(at: place.row)?.owner != slot { kept.insert(place.exporter) }
        }
        // An exporter whose addresses are at several collectors stays with most of them.
        for bySlot in peers.values where bySlot.count > 1 {
            let largest = bySlot.max { ($0.value.count, $1.key) < ($1.value.count, $0.key) }!.key
            for (slot, addresses) in bySlot where slot != largest { kept.formUnion(addresses.map { "\($0)" }) }
        }
        return kept
    }
}

import CBPFShim
import PoolModel

/// A table in the kernel, and the means to load programs for it.
final class Generation {
    /// Number of the generation, from 1 since the pool was made.
    let number: UInt64
    let rows: MappedArray
    private let owners: OwnerTable
    private let exporters: Descriptor?
    private let constants: rpa_constants

    /// The lowest bit of the number, which names the folder of the pins and programs.
    var parity: Int { Int(number & 1) }

    /// Opens the pinned maps of that parity, and makes the missing ones.
    init(adopting table: AssignmentTable, number: UInt64, in pool: PinFolder) throws(PoolError) {
        let folder = Self.folder(number, in: pool)
        self.number = number
        constants = table.constants(ofGeneration: number)
        rows = try MappedArray.pinned("rows", in: folder, entries: table.rowCount, wordsPerEntry: 1)
        owners = try OwnerTable(in: folder, rowCount: table.rowCount)
        // An agent that was killed while it wrote can leave owners that differ from their rows.
        for index in 0..<table.rowCount { owners.set(index, BucketRow(word: rows[index]).owner) }
        exporters =
            table.lookup.isEmpty
            ? nil
            : try folder.map(
                "exporters", RPA_MAP_ARRAY, valueSize: MemoryLayout<rpa_exporter>.size,
                entries: Int32(table.lookup.entries.count))
    }

    /// Makes the maps anew; the rows are still to be written. Removes the generation before
    /// the one in force.
    convenience init(making table: AssignmentTable, number: UInt64, in pool: PinFolder) throws(PoolError) {
        let folder = Self.folder(number, in: pool)
        try PoolError.wrap { () throws(KernelError) in
            try folder.remove()
            try folder.make()
        }
        try self.init(adopting: table, number: number, in: pool)
        try PoolError.wrap { () throws(KernelError) in try fillExporters(of: table) }
    }

    func row(at index: Int) -> BucketRow { BucketRow(word: rows[index]) }

    /// Writes each row that differs by one store, and then its owner. The program's count of
    /// SYNs is kept.
    ///
    /// - Returns: the number of rows that differed.
    @discardableResult
    func write(_ table: some Sequence<(Int, BucketRow)>) -> Int {
        var changed = 0
        for (index, row) in table where self.row(at: index) != row {
            while true {
                let word = rows[index]
                if replace(index, expected: word, with: row) { break }
            }
            changed += 1
        }
        return changed
    }

    /// Writes the row only if no SYN came since its word was read.
    func replace(_ index: Int, expected word: UInt64, with row: BucketRow) -> Bool {
        let isReplaced = rows.replace(index, expected: word, with: Self.word(of: row, after: word))
        if isReplaced { owners.set(index, row.owner) }
        return isReplaced
    }

    private static func word(of row: BucketRow, after word: UInt64) -> UInt64 { word & ~BucketRow.rankMask | row.word }

    /// The rows of a generation that is about to be replaced.
    static func rows(ofNumber number: UInt64, count: Int, in pool: PinFolder) throws(PoolError) -> MappedArray {
        try MappedArray.pinned("rows", in: folder(number, in: pool), entries: count, wordsPerEntry: 1)
    }

    /// The program of one group, with its group's maps.
    ///
    /// - Parameters:
    ///   - object: path of an object with the maps and constants of bpf/sk_reuseport.c.
    ///   - number: the group's number.
    func program(
        _ name: String, of object: [UInt8] = Embedded_skReuseportProgram.bytes, group number: Int, isStream: Bool,
        groupMaps: [(name: String, number: Int32)]
    ) throws(PoolError) -> Descriptor {
        let own: [(name: String, number: Int32)] = [
            ("rows", rows.map.number), ("owners", owners.map.number), ("exporters", exporterMapNumber), ("turns", -1),
        ]
        var constants = self.constants
        constants.ownGroup = number
        constants.is_stream = isStream ? 1 : 0
        return try SelectionProgram.load(object: object, program: name, maps: own + groupMaps, constants: constants)
    }

    private var exporterMapNumber: Int32 {
        switch exporters {
        case .some(let map): map.number
        case nil: -1
        }
    }

    private func fillExporters(of table: AssignmentTable) throws(KernelError) {
        let rows = table.exporterRows
        for (index, entry) in table.lookup.entries.enumerated() where entry.lengthTag != 0 {
            var value = rpa_exporter(
                high: entry.high, low: entry.low,
                row: entry.exporter == ExporterTable.nobody ? UInt32(RPA_NO_ROW) : rows[Int(entry.exporter)],
                length_tag: entry.lengthTag)
            try kernel("bpf_map_update_elem exporters", rpa_map_update(exporterMapNumber, UInt32(index), &value))
        }
    }

    private static func folder(_ number: UInt64, in pool: PinFolder) -> PinFolder {
        pool.subfolder("generation-\(number & 1)")
    }
}

extension rpa_constants {
    /// The number of the program's group.
    package var ownGroup: Int {
        get { Int(group) }
        set {
            group = UInt32(newValue)
            other_groups = UInt64(UInt32.max) & ~(1 << UInt64(newValue))
            several = 1 << UInt64(Int(RPA_SEVERAL_SHIFT) + newValue)
        }
    }
}

extension AssignmentTable {
    /// The constants that the program is loaded with.
    func constants(ofGeneration number: UInt64) -> rpa_constants {
        var constants = rpa_constants()
        constants.generation = UInt32(truncatingIfNeeded: number)
        let keys = hash.keys
        constants.hash_keys = (keys[0], keys[1], keys[2], keys[3], keys[4], keys[5])
        constants.table_size = UInt64(tableSize)
        let selection =
            switch assignment {
            case .rendezvous, .maglev: RPA_BY_EXPORTER
            case .roundRobin: RPA_BY_TURN
            case .kernel: RPA_BY_FLOW
            }
        constants.selection = selection.rawValue
        constants.exporter_mask = UInt32(max(lookup.entries.count, 1) - 1)
        if trackedLimit > 0 {
            let shape = TrackingSizes(limit: trackedLimit, cpuCount: max(1, Int(rpa_possible_cpus())))
            constants.primary_buckets = UInt32(shape.primaryBuckets)
            constants.other_buckets = UInt32(shape.otherBuckets)
            constants.tracked_limit = UInt32(trackedLimit)
            constants.counter_block_mask = UInt32(shape.blocks - 1)
            constants.shares_counters = shape.isShared ? 1 : 0
        }
        let (ipv6, ipv4) = lookup.lengths
        constants.length_begin = (0, UInt32(ipv6.count), UInt32(ipv6.count + ipv4.count))
        withUnsafeMutableBytes(of: &constants.lengths) { bytes in
            bytes.copyBytes(from: (ipv6 + ipv4).map(UInt8.init))
        }
        return constants
    }
}

/// The rows of the generation before, as a new one finds its own among them.
struct PreviousTable {
    private let words: MappedArray
    /// So many buckets have the same number in both.
    let comparable: Int
    /// Rows of exporters that have one of their own now: index before, by index now.
    private let dedicated: [Int: Int]

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
        dedicated = Dictionary(
            uniqueKeysWithValues: zip(exporters, before).compactMap { exporter, places in
                places.first.map { (exporter.row, $0.row) }
            })
    }

    /// Nil: it has no counterpart.
    func row(at index: Int) -> BucketRow? {
        if index < comparable { return BucketRow(word: words[index]) }
        return dedicated[index].map { BucketRow(word: words[$0]) }
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
        from base: AssignmentTable, leaving left: [AssignmentTable.DedicatedExporter], _ live: [LiveSession]
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

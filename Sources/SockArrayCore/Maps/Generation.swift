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
        constants.group = UInt32(number)
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
            constants.primary_mask = UInt32(shape.primaryWords - 1)
            constants.overflow_mask = UInt32(shape.spareWords - 1)
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

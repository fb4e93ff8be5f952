/// Each exporter's row and the content of the rows: all the data that the program
/// receives, computed from the configuration alone.
public struct AssignmentTable: Sendable {
    public let assignment: Assignment
    /// Rows that are chosen by hash or turn. The dedicated rows of exporters
    /// follow.
    public let tableSize: Int
    public let hash: ExporterHash
    public let lookup: ExporterTable
    /// The number of exporters that the program can track; 0: none.
    public let trackedLimit: Int
    private let seed: String
    /// The configured exporters, and addresses with a dedicated row.
    private let exporters: [Exporter]
    /// Indices in `exporters` of exporters with a dedicated row, in the order of the rows.
    private let dedicated: [Int]

    fileprivate struct Exporter {
        let name: String
        let bucket: Bucket
        let pin: String?
        /// The dedicated row, or the bucket's.
        var row: UInt32
        /// The exporter is in the configuration.
        let isConfigured: Bool
        /// One address of a configured exporter, with a row of its own.
        var isPart = false
        let hasDedicatedRow: Bool
        /// Single addresses of an exporter with a dedicated row.
        var addresses: [IPAddress] = []
    }

    /// - Parameters:
    ///   - pins: a pin has no effect if it names an unknown exporter, an exporter with a
    ///     configured collector, or an unknown collector.
    ///   - kept: exporters, by name or address, that get a dedicated row although
    ///     they aren't pinned, so that the row can differ from their bucket's.
    public init(_ configuration: PoolConfiguration, pins: [Pin] = [], keeping kept: Set<String> = []) {
        assignment = configuration.assignment
        seed = configuration.seed
        trackedLimit = configuration.tracking.size
        let hash = ExporterHash(seed: configuration.seed)
        let tableSize =
            assignment.hasAffinity
            ? configuration.tableSize ?? assignment.defaultTableSize
            : TurnCycle.length(weights: configuration.collectors.map(\.weight))
        let collectors = Set(configuration.collectors.map(\.name))
        let names = pins.isEmpty && kept.isEmpty ? [] : Set(configuration.exporters.map(\.name))
        let wanted = Dictionary(
            pins.lazy.filter { collectors.contains($0.collector) }
                .map { (Self.identity($0.exporter, among: names), $0.collector) },
            uniquingKeysWith: { $1 })
        var exporters: [Exporter] = []
        var byPrefix: [AddressPrefix: UInt32] = [:]
        for exporter in configuration.exporters {
            let bucket = ExporterHash.bucket(of: hash(name: exporter.name), tableSize: tableSize)
            let pin = exporter.collector ?? wanted[exporter.name]
            let hasDedicatedRow = pin != nil || kept.contains(exporter.name)
            for prefix in exporter.prefixes { byPrefix[prefix] = UInt32(exporters.count) }
            exporters.append(
                Exporter(
                    name: exporter.name, bucket: bucket, pin: pin, row: bucket.index, isConfigured: true,
                    hasDedicatedRow: hasDedicatedRow,
                    addresses: hasDedicatedRow ? exporter.prefixes.compactMap(\.address) : []))
        }
        let configured = ExporterTable(exporters: names.isEmpty ? [:] : byPrefix, hash: hash)
        for text in Set(wanted.keys).union(kept).subtracting(names).sorted() {
            guard let address = IPAddress(text)?.unmapped else { continue }
            let whole = configured.exporter(of: address).map { exporters[$0] }
            if whole != nil, !kept.contains(text) { continue }
            let bucket = whole?.bucket ?? hash.bucket(of: address, tableSize: tableSize)
            byPrefix[AddressPrefix(address)] = UInt32(exporters.count)
            exporters.append(
                Exporter(
                    name: whole?.name ?? "\(address)", bucket: bucket, pin: whole == nil ? wanted[text] : whole?.pin,
                    row: bucket.index, isConfigured: whole != nil, isPart: whole != nil, hasDedicatedRow: true,
                    addresses: [address]))
        }
        dedicated = exporters.indices.filter { exporters[$0].hasDedicatedRow }
        for (index, exporter) in dedicated.enumerated() { exporters[exporter].row = UInt32(tableSize + index) }
        self.hash = hash
        self.tableSize = tableSize
        self.exporters = exporters
        lookup = ExporterTable(exporters: byPrefix, hash: hash)
    }

    /// Number of rows: the table's and the dedicated ones.
    public var rowCount: Int { tableSize + dedicated.count }

    /// All rows, the table's first.
    public func rows(for candidates: [WeightedCollector]) -> [BucketRow] {
        let table: [BucketRow] =
            switch assignment {
            case .rendezvous: Rendezvous(seed: seed).table(of: candidates, tableSize: tableSize)
            case .maglev: Maglev(seed: seed).table(of: candidates, tableSize: tableSize)
            case .roundRobin, .kernel: TurnCycle.rows(of: candidates, count: tableSize)
            }
        let slots = Dictionary(uniqueKeysWithValues: candidates.map { ($0.name, $0.slot) })
        return table
            + dedicated.map { index in
                let exporter = exporters[index]
                return Self.row(pinnedTo: exporter.pin.flatMap { slots[$0] }, in: table, exporter.bucket)
            }
    }

    /// False: most exporters of a pool that runs with the other assignment would move.
    public func keepsAssignment(of other: AssignmentTable) -> Bool { shape.keepsAssignment(of: other.shape) }

    /// The pinned collector is rank 1; the ranks of the bucket follow.
    private static func row(pinnedTo slot: Slot?, in table: [BucketRow], _ bucket: Bucket) -> BucketRow {
        let row = table[Int(bucket.index)]
        return slot.map { row.putting(first: $0) } ?? row
    }

    /// An exporter's position in the table.
    public struct Place: Equatable, Sendable {
        public enum Reason: Equatable, Sendable { case address, alias, pin }

        /// The exporter's identity: its configured name, or its address.
        public let exporter: String
        public let bucket: Bucket
        /// Index of the row: the bucket's, or the dedicated one.
        public let row: Int
        public let reason: Reason
    }

    /// Index of the address's row; nil if the assignment ignores addresses.
    public func row(of address: IPAddress) -> Int? {
        guard assignment.hasAffinity else { return nil }
        if let index = lookup.exporter(of: address) { return Int(exporters[index].row) }
        return Int(hash.bucket(of: address, tableSize: tableSize).index)
    }

    /// Nil if the assignment ignores addresses.
    public func place(of address: IPAddress) -> Place? {
        guard assignment.hasAffinity else { return nil }
        guard let index = lookup.exporter(of: address) else {
            let bucket = hash.bucket(of: address, tableSize: tableSize)
            return Place(exporter: "\(address.unmapped)", bucket: bucket, row: Int(bucket.index), reason: .address)
        }
        return Place(exporters[index])
    }

    // MARK: - Dedicated rows

    /// An exporter that has a dedicated row.
    package struct DedicatedExporter {
        package let name: String
        /// Single addresses of the exporter.
        package let addresses: [IPAddress]
        package let row: Int
        package let isPinned: Bool
    }

    /// The exporters of the rows from `tableSize` on.
    package var exportersWithDedicatedRows: [DedicatedExporter] {
        dedicated.lazy.map { exporters[$0] }.filter { !$0.isPart }
            .map {
                DedicatedExporter(name: $0.name, addresses: $0.addresses, row: Int($0.row), isPinned: $0.pin != nil)
            }
    }

    /// The rows of another table's exporters in this one: for each exporter, the rows of its
    /// name if that is configured, or else of its addresses.
    package func places(of others: [DedicatedExporter]) -> [[Place]] {
        let names = Set(others.map(\.name))
        let configured = Dictionary(
            exporters.lazy.filter { $0.isConfigured && !$0.isPart && names.contains($0.name) }
                .map { ($0.name, Place($0)) },
            uniquingKeysWith: { $1 })
        return others.map { other in configured[other.name].map { [$0] } ?? other.addresses.compactMap(place) }
    }

    /// Identical for all texts of one address.
    private static func identity(_ exporter: String, among names: Set<String>) -> String {
        if names.contains(exporter) { return exporter }
        return IPAddress(exporter).map { "\($0.unmapped)" } ?? exporter
    }

    /// Rows by the index that `lookup` returns.
    package var exporterRows: [UInt32] { exporters.map(\.row) }

    /// The properties that the pinned maps of a generation must match.
    package var shape: GenerationShape {
        GenerationShape(
            assignment: assignment.code, tableSize: UInt64(tableSize), seedFingerprint: hash.fingerprint,
            exporterDigest: exporters.reduce(lookup.digest) { mix13($0 ^ UInt64($1.row)) },
            rowCount: UInt64(rowCount), trackedLimit: UInt64(trackedLimit))
    }
}

extension AssignmentTable.Place {
    fileprivate init(_ exporter: AssignmentTable.Exporter) {
        self.init(
            exporter: exporter.name, bucket: exporter.bucket, row: Int(exporter.row),
            reason: exporter.pin != nil ? .pin : exporter.isConfigured ? .alias : .address)
    }
}

/// The properties that a generation was made for (rpa_shape).
package struct GenerationShape: Equatable, Sendable {
    package var assignment: UInt64 = 0
    package var tableSize: UInt64 = 0
    package var seedFingerprint: UInt64 = 0
    package var exporterDigest: UInt64 = 0
    package var rowCount: UInt64 = 0
    package var trackedLimit: UInt64 = 0

    package init(
        assignment: UInt64 = 0, tableSize: UInt64 = 0, seedFingerprint: UInt64 = 0, exporterDigest: UInt64 = 0,
        rowCount: UInt64 = 0, trackedLimit: UInt64 = 0
    ) {
        (self.assignment, self.tableSize, self.seedFingerprint) = (assignment, tableSize, seedFingerprint)
        (self.exporterDigest, self.rowCount, self.trackedLimit) = (exporterDigest, rowCount, trackedLimit)
    }

    /// Whether a change to the other shape moves only the exporters that it names.
    package func keepsAssignment(of other: GenerationShape) -> Bool {
        guard assignment == other.assignment else { return false }
        let hasAffinity = Assignment.allCases.contains { $0.code == assignment && $0.hasAffinity }
        return !hasAffinity || tableSize == other.tableSize && seedFingerprint == other.seedFingerprint
    }
}

/// A pin that the agent keeps for itself, beside those of the configuration.
public struct Pin: Equatable, Sendable, Codable {
    /// A configured exporter's name, or an address.
    public var exporter: String
    public var collector: String

    public init(exporter: String, collector: String) {
        self.exporter = exporter
        self.collector = collector
    }
}

/// Which row an exporter has, and what stands in the rows: all that the program
/// is given, worked out from the configuration alone.
public struct AssignmentTable: Sendable {
    public let assignment: Assignment
    /// Rows that are chosen by hash or turn. Those of pinned exporters follow.
    public let tableSize: Int
    public let hash: ExporterHash
    public let lookup: ExporterTable
    private let seed: String
    /// The configured exporters, and addresses that are pinned.
    private let exporters: [Exporter]
    /// Indices in `exporters`, in the order of their rows.
    private let pinned: [Int]

    private struct Exporter {
        let name: String
        let bucket: Bucket
        let pin: String?
        /// Its own one if it is pinned, else its bucket's.
        var row: UInt32
        let isAlias: Bool
    }

    /// - Parameter pins: those that name no exporter, or one that has its
    ///   collector by configuration, or no collector, have no effect.
    public init(_ configuration: PoolConfiguration, pins: [Pin] = []) {
        assignment = configuration.assignment
        seed = configuration.seed
        hash = ExporterHash(seed: configuration.seed)
        tableSize =
            assignment.hasAffinity
            ? configuration.tableSize ?? assignment.defaultTableSize
            : TurnCycle.length(weights: configuration.collectors.map(\.weight))
        let collectors = Set(configuration.collectors.map(\.name))
        let wanted = Dictionary(
            pins.lazy.filter { collectors.contains($0.collector) }.map { ($0.exporter, $0.collector) },
            uniquingKeysWith: { $1 })
        var exporters: [Exporter] = []
        var byPrefix: [AddressPrefix: UInt32] = [:]
        for exporter in configuration.exporters {
            let bucket = ExporterHash.bucket(of: hash(name: exporter.name), tableSize: tableSize)
            for prefix in exporter.prefixes { byPrefix[prefix] = UInt32(exporters.count) }
            exporters.append(
                Exporter(
                    name: exporter.name, bucket: bucket, pin: exporter.collector ?? wanted[exporter.name],
                    row: bucket.index, isAlias: true))
        }
        if !wanted.isEmpty {
            let configured = ExporterTable(exporters: byPrefix, hash: hash)
            for (text, collector) in wanted.sorted(by: { $0.key < $1.key }) {
                guard let address = IPAddress(text)?.unmapped, configured.exporter(of: address) == nil else { continue }
                let bucket = hash.bucket(of: address, tableSize: tableSize)
                byPrefix[AddressPrefix(address)] = UInt32(exporters.count)
                exporters.append(
                    Exporter(
                        name: "\(address)", bucket: bucket, pin: collector, row: bucket.index, isAlias: false))
            }
        }
        pinned = exporters.indices.filter { exporters[$0].pin != nil }
        for (index, exporter) in pinned.enumerated() { exporters[exporter].row = UInt32(tableSize + index) }
        self.exporters = exporters
        lookup = ExporterTable(exporters: byPrefix, hash: hash)
    }

    /// Of the table and of the pinned exporters.
    public var rowCount: Int { tableSize + pinned.count }

    /// All rows, the table's first.
    public func rows(for contenders: [Contender]) -> [BucketRow] {
        let table: [BucketRow] =
            switch assignment {
            case .rendezvous: Rendezvous(seed: seed).table(of: contenders, tableSize: tableSize)
            case .maglev: Maglev(seed: seed).table(of: contenders, tableSize: tableSize)
            case .roundRobin, .kernel: TurnCycle.rows(of: contenders, count: tableSize)
            }
        let slots = Dictionary(uniqueKeysWithValues: contenders.map { ($0.name, $0.slot) })
        return table + pinned.map { Self.row(pinnedTo: slots[exporters[$0].pin!], in: table, exporters[$0].bucket) }
    }

    /// False: a pool that runs by the other one would see most exporters move.
    public func keepsAssignment(of other: AssignmentTable) -> Bool { shape.keepsAssignment(of: other.shape) }

    /// The pin is rank 1; when it is away, its bucket's ranks follow.
    private static func row(pinnedTo slot: Slot?, in table: [BucketRow], _ bucket: Bucket) -> BucketRow {
        let row = table[Int(bucket.index)]
        return slot.map { row.putting(first: $0) } ?? row
    }

    /// Where an exporter stands in the table.
    public struct Place: Equatable, Sendable {
        public enum Reason: Equatable, Sendable { case address, alias, pin }

        /// The exporter's identity: its configured name, or its address.
        public let exporter: String
        public let bucket: Bucket
        /// Index in the rows: the bucket's, or the pinned exporter's own.
        public let row: Int
        public let reason: Reason
    }

    /// Index of the address's row; nil where the address doesn't matter.
    public func row(of address: IPAddress) -> Int? {
        guard assignment.hasAffinity else { return nil }
        if let index = lookup.exporter(of: address) { return Int(exporters[index].row) }
        return Int(hash.bucket(of: address, tableSize: tableSize).index)
    }

    /// Nil where the address doesn't matter.
    public func place(of address: IPAddress) -> Place? {
        guard assignment.hasAffinity else { return nil }
        guard let index = lookup.exporter(of: address) else {
            let bucket = hash.bucket(of: address, tableSize: tableSize)
            return Place(exporter: "\(address.unmapped)", bucket: bucket, row: Int(bucket.index), reason: .address)
        }
        let exporter = exporters[index]
        return Place(
            exporter: exporter.name, bucket: exporter.bucket, row: Int(exporter.row),
            reason: exporter.pin != nil ? .pin : .alias)
    }

    /// Rows by index in the list that `lookup` names.
    var exporterRows: [UInt32] { exporters.map(\.row) }

    /// What the pinned maps of a generation have to fit.
    var shape: GenerationShape {
        GenerationShape(
            assignment: assignment.code, tableSize: UInt64(tableSize), seedFingerprint: hash.fingerprint,
            exporterDigest: exporters.reduce(lookup.digest) { mix13($0 ^ UInt64($1.row)) },
            rowCount: UInt64(rowCount))
    }
}

/// What a generation was made for (rpa_shape).
struct GenerationShape: Equatable, Sendable {
    var assignment: UInt64 = 0
    var tableSize: UInt64 = 0
    var seedFingerprint: UInt64 = 0
    var exporterDigest: UInt64 = 0
    var rowCount: UInt64 = 0

    /// A change to this keeps exporters where they are, but for those that it names.
    func keepsAssignment(of other: GenerationShape) -> Bool {
        guard assignment == other.assignment else { return false }
        let hasAffinity = Assignment.allCases.contains { $0.code == assignment && $0.hasAffinity }
        return !hasAffinity || tableSize == other.tableSize && seedFingerprint == other.seedFingerprint
    }
}

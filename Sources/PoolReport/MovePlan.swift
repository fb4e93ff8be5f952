import PoolModel

/// The moves of a changed configuration: the answer of `plan` and, before it moves
/// anything, of `reload`.
public struct MovePlan: Equatable, Sendable, Codable {
    public var pool: String
    public var rows: Rows
    /// By rows, most first.
    public var moves: [Move]
    public var exportersSeen: Int
    /// Those seen that would move, by bytes, most first.
    public var exporters: [MovingExporter]
    /// By name, of both configurations.
    public var balance: [Balance]
    /// The highest load of a collector, relative to its weight's part of all that
    /// was measured; 1 is perfect.
    public var maxOverMean: BeforeAfter<Double>
    /// Further notes, a sentence each.
    public var notes: [String]

    public struct Rows: Equatable, Sendable, Codable {
        public var total: Int
        public var moved: Int
        /// False: the tables have not the same rows, and `total` random addresses
        /// were compared; 0 of them where an exporter belongs to no collector.
        public var isExact: Bool
    }

    public struct Move: Equatable, Sendable, Codable {
        public var from: String
        public var to: String
        public var rows: Int
        /// Of all rows, 0 … 1.
        public var share: Double
        public var exportersSeen: Int
    }

    public struct MovingExporter: Equatable, Sendable, Codable {
        public var address: String
        public var exporter: String
        public var from: String
        public var to: String
        public var runs: UInt64
        public var bytes: UInt64
    }

    public struct Balance: Equatable, Sendable, Codable {
        public var collector: String
        /// 0: it isn't there.
        public var weight: BeforeAfter<Int>
        /// Of all rows, 0 … 1.
        public var share: BeforeAfter<Double>
        public var exportersSeen: BeforeAfter<Int>
        public var bytes: BeforeAfter<UInt64>
    }

    public struct BeforeAfter<Value: Equatable & Sendable & Codable>: Equatable, Sendable, Codable {
        public var before: Value
        public var after: Value
    }
}

extension MovePlan {
    /// Addresses that stand for all, where rows can't be compared.
    private static let sampleCount = 65_536

    public init(from before: AssignmentPlan, to after: AssignmentPlan, tracked: [TrackedExporter]) {
        pool = after.configuration.pool
        let (owners, isExact) = Self.ownerPairs(before, after)
        var moved: [Pair: Move] = [:]
        for pair in owners {
            guard let from = pair.from, let to = pair.to, from != to else { continue }
            moved[pair, default: Move(from: from, to: to, rows: 0, share: 0, exportersSeen: 0)].rows += 1
        }
        rows = Rows(total: owners.count, moved: moved.values.reduce(0) { $0 + $1.rows }, isExact: isExact)
        exporters = []
        var loads = (before: Loads(), after: Loads())
        for exporter in tracked {
            let pair = Pair(from: before.owner(of: exporter.address), to: after.owner(of: exporter.address))
            loads.before.add(exporter, to: pair.from)
            loads.after.add(exporter, to: pair.to)
            guard let from = pair.from, let to = pair.to, from != to else { continue }
            moved[pair, default: Move(from: from, to: to, rows: 0, share: 0, exportersSeen: 0)].exportersSeen += 1
            exporters.append(
                MovingExporter(
                    address: "\(exporter.address)",
                    exporter: after.table.place(of: exporter.address)?.exporter ?? "\(exporter.address)", from: from,
                    to: to, runs: exporter.runs, bytes: exporter.bytes))
        }
        exporters.sort { ($1.bytes, $0.address) < ($0.bytes, $1.address) }
        exportersSeen = tracked.count
        let total = Double(max(1, owners.count))
        moves = moved.values
            .map { move in
                var move = move
                move.share = Double(move.rows) / total
                return move
            }
            .sorted { ($1.rows, $0.from, $0.to) < ($0.rows, $1.from, $1.to) }
        let weights = (before.weights, after.weights)
        let shares = (before.shares, after.shares)
        balance = Set(weights.0.keys).union(weights.1.keys).sorted().map { name in
            Balance(
                collector: name,
                weight: BeforeAfter(before: weights.0[name] ?? 0, after: weights.1[name] ?? 0),
                share: BeforeAfter(before: shares.0[name] ?? 0, after: shares.1[name] ?? 0),
                exportersSeen: BeforeAfter(
                    before: loads.before.exporters[name] ?? 0, after: loads.after.exporters[name] ?? 0),
                bytes: BeforeAfter(before: loads.before.bytes[name] ?? 0, after: loads.after.bytes[name] ?? 0))
        }
        maxOverMean = BeforeAfter(
            before: loads.before.maxOverMean(weights.0), after: loads.after.maxOverMean(weights.1))
        notes = Self.notes(before, after)
    }

    private static func notes(_ before: AssignmentPlan, _ after: AssignmentPlan) -> [String] {
        var notes: [String] = []
        if !after.table.keepsAssignment(of: before.table) {
            notes.append("another assignment, seed or table size: reload needs --reshuffle")
        }
        let newcomers = after.weights.keys.filter { before.weights[$0] == nil }.sorted()
        if !newcomers.isEmpty, after.table.assignment.hasAffinity {
            notes.append(
                "new: \(newcomers.joined(separator: ", ")); exporters go there when it registers, and stay where they are until then"
            )
            let isSomeoneGone = before.weights.keys.contains { after.weights[$0] == nil }
            if isSomeoneGone { notes.append("those of a removed collector go to other collectors meanwhile") }
        }
        let (old, new) = (before.configuration.groups, after.configuration.groups)
        let added = new.filter { group in !old.contains { $0.isSameGroup(as: group) } }.map(\.name)
        if !added.isEmpty {
            notes.append(
                "groups added: \(added.joined(separator: ", ")); a new group takes no traffic from sockets that are bound "
                    + "there until a collector registers for it, and then only registered collectors receive: register "
                    + "each collector again with a socket for them")
        }
        let removed = old.filter { group in !new.contains { $0.isSameGroup(as: group) } }.map(\.name)
        if !removed.isEmpty {
            notes.append(
                "groups removed: \(removed.joined(separator: ", ")); the kernel scatters their traffic over the sockets"
            )
        }
        notes += before.configuration.differences(to: after.configuration)
        if before.configuration == after.configuration {
            notes.append("the configuration is unchanged")
        }
        return notes
    }

    private struct Pair: Hashable {
        var from: String?
        var to: String?
    }

    /// Row by row; of tables that differ in size, seed or kind, by random addresses.
    private static func ownerPairs(_ before: AssignmentPlan, _ after: AssignmentPlan) -> ([Pair], isExact: Bool) {
        let size = before.table.tableSize
        if before.table.hash == after.table.hash, size == after.table.tableSize,
            before.table.assignment == after.table.assignment, before.table.assignment.hasAffinity
        {
            let (left, right) = (before.ownersByRow, after.ownersByRow)
            return ((0..<size).map { Pair(from: left[$0], to: right[$0]) }, true)
        }
        guard before.table.assignment.hasAffinity, after.table.assignment.hasAffinity else { return ([], false) }
        return (
            (0..<sampleCount).map { index in
                let address = IPAddress.v6(mix13(UInt64(2 * index)), mix13(UInt64(2 * index + 1)))
                return Pair(from: before.owner(of: address), to: after.owner(of: address))
            }, false
        )
    }

    /// What was seen, by collector.
    private struct Loads {
        var exporters: [String: Int] = [:]
        var bytes: [String: UInt64] = [:]

        mutating func add(_ exporter: TrackedExporter, to collector: String?) {
            guard let collector else { return }
            exporters[collector, default: 0] += 1
            bytes[collector, default: 0] &+= exporter.bytes
        }

        func maxOverMean(_ weights: [String: Int]) -> Double {
            MovePlan.maxOverMean(weights.map { (bytes[$0.key] ?? 0, $0.value) })
        }
    }

    /// The highest load relative to its weight's part of all; 1 without any load.
    package static func maxOverMean(_ loads: [(bytes: UInt64, weight: Int)]) -> Double {
        let total = loads.reduce(0.0) { $0 + Double($1.bytes) }
        let weight = loads.reduce(0.0) { $0 + Double($1.weight) }
        guard total > 0 else { return 1 }
        return loads.map { Double($0.bytes) / total * weight / Double($0.weight) }.max() ?? 1
    }
}

import PoolModel
import SockArrayCore
import TelemetryLab
import TestSupport

/// One sequence of operations on a model and a real pool, which are compared after each operation.
struct PoolComparison {
    private var model: PoolModel
    private let pool: ModelledPool
    private(set) var history: [String] = []

    /// Model and pool differ.
    struct Difference: Error, CustomStringConvertible {
        let description: String
    }

    static let sourceCount = 12
    /// Few rows, because the model has every row.
    static let tableSize = 16
    /// More slots than a sequence uses.
    static let slotCount: UInt32 = 16

    init(seed: UInt64, using generator: inout SeededGenerator) throws {
        let count = Int.random(in: 3...5, using: &generator)
        let collectors = Dictionary(
            uniqueKeysWithValues: (1...count).map { ("c\($0)", Int.random(in: 1...2, using: &generator)) })
        var configuration = PoolFixture.configuration([], .v4(0), ModelledPool.hold)
        configuration.pool = "pool-\(seed)"
        configuration.seed = "seed \(seed)"
        configuration.tableSize = Self.tableSize
        // With tracking, the program caches owners beside the exporters; without it, it reads them from the table.
        configuration.tracking = seed.isMultiple(of: 2) ? .off : Tracking(size: 1_024)
        // Of three pools, one has no group of an interface, one has one of two, and one has both.
        for group in configuration.groups.indices where group < seed % 3 {
            configuration.groups[group].interface = "lo"
        }
        configuration.collectors = ModelledPool.list(collectors)
        let (sources, theirs) = Self.sources(AssignmentTable(configuration))
        let rows = theirs + (0..<Self.tableSize).filter { !theirs.contains($0) }
        model = PoolModel(collectors: collectors, sourceCount: sources.count, rowNumbers: rows) { [configuration] in
            Self.ranking($0, configuration, rows)
        }
        pool = try ModelledPool(configuration, sources: sources)
    }

    func end() throws { try pool.remove() }

    /// Sources with different rows, because a row moves as a whole.
    private static func sources(_ table: AssignmentTable) -> ([IPAddress], [Int]) {
        var sources: [IPAddress] = []
        var rows: [Int] = []
        for index in 0..<UInt32(1_000) where sources.count < sourceCount {
            let row = table.row(of: .v4(0x0a09_0000 + index))!
            if rows.contains(row) { continue }
            sources.append(.v4(0x0a09_0000 + index))
            rows.append(row)
        }
        return (sources, rows)
    }

    private static func ranking(
        _ collectors: [String: Int], _ configuration: PoolConfiguration, _ rows: [Int]
    ) -> [[String]] {
        var configuration = configuration
        configuration.collectors = ModelledPool.list(collectors)
        let names = configuration.collectors.map(\.name)
        let table = AssignmentTable(configuration).rows(
            for: configuration.collectors.enumerated().map {
                WeightedCollector(name: $0.element.name, weight: $0.element.weight, slot: Slot(UInt16($0.offset)))
            })
        return rows.map { table[$0].ranks.map { names[Int($0.index)] } }
    }

    // MARK: - A step

    mutating func step(using generator: inout SeededGenerator) throws {
        let step = PoolStep.random(model, using: &generator)
        history.append("\(step.operation)")
        let expected = model.carryOut(step.operation)
        let answer = try pool.carryOut(step.operation, model)
        switch expected {
        case .done: try check(answer.isDone, "it was refused")
        case .refused: try check(!answer.isDone, "it was not refused")
        case .sent(let outcome):
            try check(
                isRight(outcome, .tcp, [answer.acceptedBy].compactMap(\.self)),
                "the session is at \(name(answer.acceptedBy)), not \(outcome)")
        }
        try compareMaps()
        let owners = model.desiredRanks().map(\.first)
        if !step.senders.isEmpty { history.append("    \(step.order[0]) first, of \(step.senders)") }
        var outcomes = [[PoolModel.Outcome]](repeating: [], count: step.senders.count)
        for stream in step.order {
            for (index, source) in step.senders.enumerated() { outcomes[index].append(model.run(of: source, stream)) }
            for (index, receivers) in try pool.probe(step.senders, stream).enumerated() {
                let outcome = outcomes[index].last!
                try check(
                    isRight(outcome, stream, receivers),
                    "\(stream) of source \(step.senders[index]) went to \(receivers.map(name)), not \(outcome)")
            }
        }
        for (source, outcomes) in zip(step.senders, outcomes) {
            try checkPromises(source, outcomes, owner: owners[source])
        }
        if !step.senders.isEmpty { try compareStates() }
    }

    private func compareMaps() throws {
        try compareStates()
        let configuration = pool.configuration
        let maps = try PinnedMaps.read(
            pool: configuration.pool, groups: configuration.groups.map(\.pinName), slots: Self.slotCount)
        try check(maps.slotsWithoutTenant.isEmpty, "rows name slots without a collector: \(maps.slotsWithoutTenant)")
        let behind = maps.rowsWithAnotherOwner
        try check(behind.isEmpty, "\(behind.count) rows differ from the map owners; the first is \(behind.first ?? 0)")
        guard let kernel = pool.kernel else { return }
        var wanted: [UInt64: Slot] = [:]
        for (name, place) in model.places {
            for socket in PoolModel.Stream.allCases.flatMap({ model.sockets(name, $0) }) {
                wanted[pool.sockets[socket]!.cookie] = Slot(UInt16(place.slot))
            }
        }
        let present = try kernel.registeredSockets(act: "test")
        try check(present == wanted, "registered cookies \(present), not \(wanted)")
    }

    private func compareStates() throws {
        guard let kernel = pool.kernel else { return }
        let states = try kernel.status().collectors.map { "\($0.name) \($0.slot) \($0.state)" }
        // Collectors that left the configuration and still have exporters come last.
        let departed = model.places.filter { $0.value.drain == .departure }.sorted { $0.value.slot < $1.value.slot }
        let wanted = (model.collectors.keys.sorted() + departed.map(\.key)).map { name in
            let state = model.state(name)
            return "\(name) \(model.places[name]!.slot) \(state == .absent ? .empty : state)"
        }
        try check(states == wanted, "states are \(states), not \(wanted)")
        for (source, explanation) in try kernel.explain(pool.sources).enumerated() {
            let recipient = model.recipient(model.rows[source].ranks, source)
            try check(
                explanation.collector == recipient || recipient.map { model.collectors[$0] == nil } == true,
                "explain of source \(source) returns \(explanation), not \(recipient ?? "nobody")")
        }
    }

    // MARK: - Promises of the documentation, independent of the model

    private func checkPromises(_ source: Int, _ outcomes: [PoolModel.Outcome], owner: String?) throws {
        let text = "source \(source): \(outcomes)"
        if model.isAttached == [true, true] { try check(outcomes[0] == outcomes[1], "\(text): the streams are split") }
        let session = model.sessions[source]
        for outcome in outcomes where outcome != .unasked {
            if let session, session.isIntact {
                try check(outcome == .delivered(session.collector), "\(text): split from its session")
            }
            guard model.hasAgent else { continue }
            if session == nil, let owner, model.state(owner) == .active {
                try check(
                    outcome == .delivered(owner), "\(text): not at its active owner \(owner), and without a session")
            }
            if case .delivered(let name) = outcome, model.places[name]!.drain != nil {
                let next = model.recipient(model.rows[source].desired, source)
                try check(
                    session?.collector == name || next.map { !model.isUsable($0) } ?? true,
                    "\(text): sent to a draining collector, although \(next!) is usable")
            }
        }
    }

    // MARK: - Outcomes and messages

    private func isRight(
        _ outcome: PoolModel.Outcome, _ stream: PoolModel.Stream, _ receivers: [PoolModel.Socket]
    ) -> Bool {
        switch outcome {
        case .delivered(let name): receivers.count == 1 && model.sockets(name, stream).contains(receivers[0])
        case .held, .nobody: receivers.isEmpty
        case .unasked: receivers.count == (model.openSockets.values.contains(stream) ? 1 : 0)
        }
    }

    private func name(_ socket: PoolModel.Socket?) -> String {
        guard let socket else { return "nobody" }
        let owner = model.processes.first { $0.value.sockets.joined().contains(socket) }
        return owner.map { "\($0.value.collector) (process \($0.key))" } ?? "socket \(socket), which no process has"
    }

    private func check(_ condition: Bool, _ text: @autoclosure () -> String) throws {
        guard !condition else { return }
        throw Difference(description: "\(text())\nmodel: \(state)")
    }

    private var state: String {
        let places = model.places.sorted { $0.key < $1.key }.map { name, place in
            "\(name): \(model.state(name)), slot \(place.slot), clock \(place.clock.map { "\($0)" } ?? "-"), drain "
                + "\(place.drain.map { "\($0)" } ?? "-")"
        }
        let rows = model.rows.enumerated().map { source, row in
            "\(source): \(row.ranks) of \(row.desired), session \(model.sessions[source]?.collector ?? "-")"
        }
        return (["now \(model.now)"] + places + rows).joined(separator: "\n")
    }
}

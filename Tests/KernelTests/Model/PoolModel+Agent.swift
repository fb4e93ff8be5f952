/// The agent's part: it registers collectors, knows sessions, and moves rows.
extension PoolModel {
    // MARK: - Registrations

    enum Registration { case done, refused }

    /// Puts all sockets into the slot, or none.
    ///
    /// - Parameter sockets: by stream, including the sockets that the slot already has.
    mutating func register(_ name: String, _ sockets: [[Socket]], replacing: Bool) -> Registration {
        let place = places[name]!
        let isHeld = Stream.allCases.contains {
            !Set(self.sockets(name, $0)).isSubset(of: sockets[$0.rawValue])
        }
        if isHeld, !replacing { return .refused }
        if [.failed, .absent].contains(state(name)) { keepFromReturning(to: name) }
        places[name]!.sockets = sockets
        places[name]!.registrations = place.registrations + 1
        places[name]!.clock = nil
        places[name]!.hasUser = true
        isAttached = [true, true]
        hasPlaceholder = [true, true]
        letGo()
        return .done
    }

    mutating func unregister(_ name: String) {
        if places[name]!.registrations > 0 { places[name]!.clock = .longAgo }
        places[name]!.sockets = [[], []]
        letGo()
    }

    /// Keeps the rows of a collector that registers again where they are; `letGo` then releases
    /// the rows without a session.
    private mutating func keepFromReturning(to name: String) {
        for source in rows.indices {
            guard let present = recipient(rows[source].ranks, source), isUsable(present),
                recipient(rows[source].ranks, source, making: name) != present
            else { continue }
            rows[source].stay = present
        }
    }

    // MARK: - Rows

    /// The collector that a row with these ranks delivers to or is held for, as the agent sees it.
    ///
    /// - Parameter making: a collector to treat as usable.
    func recipient(_ ranks: [String], _ source: Int, making extra: String? = nil) -> String? {
        for name in ranks where name == extra || ![.failed, .absent].contains(state(name)) { return name }
        return hosts(from: rowNumbers[source], besides: extra).first { $0 == extra || isUsable($0) }
    }

    /// The target ranks of the sources: the configuration's, without draining collectors.
    func desiredRanks() -> [[String]] {
        let closed = Set(places.filter { $0.value.drain != nil }.keys)
        return ranksByRow.map { Array($0.prefix(Row.capacity).filter { !closed.contains($0) }) }
    }

    /// Applies other ranks where no session is split from its datagrams.
    ///
    /// - Parameter change: a change of the slots. The change itself moves no exporter either.
    mutating func applyRanks(_ change: (inout PoolModel) -> Void) {
        let present = rows.indices.map { recipient(rows[$0].ranks, $0) }
        change(&self)
        for (source, desired) in desiredRanks().enumerated() {
            rows[source] = Row(desired: desired)
            guard let present = present[source], isUsable(present), recipient(desired, source) != present
            else { continue }
            rows[source].stay = present
        }
        letGo()
    }

    /// Releases the rows that no longer wait for a session or for their owner.
    mutating func letGo() {
        for source in rows.indices {
            guard let stay = rows[source].stay else { continue }
            // A row that leaves a draining collector starts the hold of a next one that never registered.
            if isUsable(stay), places[stay]!.drain != nil, let next = recipient(rows[source].desired, source),
                state(next) == .empty
            {
                places[next]!.clock = .since(now)
            }
            if !mayStay(source, at: stay) { rows[source].stay = nil }
        }
    }

    private func mayStay(_ source: Int, at name: String) -> Bool {
        let next = recipient(rows[source].desired, source)
        guard isUsable(name), next != name else { return false }
        // No other collector can take the row now.
        guard let next, isUsable(next) else { return true }
        // The row's owner never registered: the row stays until it does.
        if places[name]!.drain == nil, let owner = rows[source].desired.first, state(owner) == .absent { return true }
        return sessions[source]?.collector == name
    }

    // MARK: - Configuration

    mutating func drain(_ name: String) {
        applyRanks { $0.places[name]!.drain = .asked }
    }

    mutating func undrain(_ name: String) {
        applyRanks { $0.places[name]!.drain = nil }
    }

    /// Applies other names and weights, at a reload or at the start of an agent.
    mutating func apply(_ wanted: [String: Int]) {
        applyRanks { $0.rename(wanted) }
        freeDepartures()
    }

    private mutating func rename(_ wanted: [String: Int]) {
        if wanted != collectors { collectors = wanted }
        for name in places.keys {
            if wanted[name] == nil {
                places[name]!.drain = .departure
            } else if places[name]!.drain == .departure {
                places[name]!.drain = nil
            }
        }
        for name in wanted.keys.sorted() where places[name] == nil {
            let taken = Set(places.values.map(\.slot))
            // In a running pool, no row waits for a new name.
            places[name] = Place(slot: (0...).first { !taken.contains($0) }!, clock: .longAgo)
        }
    }

    private mutating func freeDepartures() {
        let used = Set(rows.compactMap(\.stay))
        places = places.filter { $0.value.drain != .departure || used.contains($0.key) }
    }

    // MARK: - The agent itself

    mutating func killAgent() {
        hasAgent = false
        hasPlaceholder = [false, false]
        for stream in Stream.allCases where !openSockets.values.contains(stream) { isAttached[stream.rawValue] = false }
    }

    mutating func startAgent() {
        hasAgent = true
        apply(collectors)
        keepGroups()
        settle()
    }

    /// The agent's own sockets need a user: that of the group's sockets, or else of the registered collectors.
    mutating func keepGroups() {
        guard places.values.contains(where: \.hasUser) else { return }
        let isAnyPresent = places.keys.contains { name in Stream.allCases.contains { !sockets(name, $0).isEmpty } }
        for stream in Stream.allCases where isAnyPresent || openSockets.values.contains(stream) {
            hasPlaceholder[stream.rawValue] = true
            isAttached[stream.rawValue] = true
        }
    }

    /// The agent's reaction to closed sockets and ended sessions.
    mutating func settle() {
        guard hasAgent else { return }
        for (name, place) in places where place.registrations > 0 && place.clock == nil && !isWhole(place) {
            places[name]!.clock = .since(now)
        }
        letGo()
        freeDepartures()
    }
}

/// What the agent does beside the program: it knows of sessions, and moves rows.
extension PoolModel {
    // MARK: - Registrations

    enum Registration { case done, refused }

    /// Sockets come into the slot: all or none.
    ///
    /// - Parameter sockets: by stream; those that are in the slot already included.
    mutating func register(_ name: String, _ sockets: [Socket?], replacing: Bool) -> Registration {
        let place = places[name]!
        let isHeld = Stream.allCases.contains {
            socket(name, $0) != nil && socket(name, $0) != sockets[$0.rawValue]
        }
        if isHeld, !replacing { return .refused }
        if [.failed, .absent].contains(state(name)) { keepFromReturning(to: name) }
        places[name]!.sockets = sockets
        places[name]!.registrations = place.registrations + 1
        places[name]!.clock = nil
        places[name]!.hasUser = true
        isAttached = [true, true]
        hasPlaceholder = true
        letGo()
        return .done
    }

    mutating func unregister(_ name: String) {
        if places[name]!.registrations > 0 { places[name]!.clock = .longAgo }
        places[name]!.sockets = [nil, nil]
        letGo()
    }

    /// The collector comes back: whoever is elsewhere with a session stays there.
    private mutating func keepFromReturning(to name: String) {
        for source in rows.indices {
            guard let present = recipient(rows[source].ranks, source), isUsable(present),
                recipient(rows[source].ranks, source, making: name) != present
            else { continue }
            rows[source].stay = present
        }
    }

    // MARK: - Rows

    /// The collector that has a row with these ranks, or that the row waits for, as the agent sees it.
    ///
    /// - Parameter making: as if this collector were there.
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
    /// - Parameter change: of what the slots do; by that, too, nobody is moved.
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

    /// Rows go that wait for nothing any more.
    mutating func letGo() {
        for source in rows.indices {
            guard let stay = rows[source].stay else { continue }
            // Rows that leave a draining collector don't wait forever.
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
        // No other collector would get it now.
        guard let next, isUsable(next) else { return true }
        // Its owner has never come: the row stays where it was until then.
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

    /// Other names and weights: by a reload, or by an agent that starts.
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
        hasPlaceholder = false
        for stream in Stream.allCases where !openSockets.values.contains(stream) { isAttached[stream.rawValue] = false }
    }

    mutating func startAgent() {
        hasAgent = true
        apply(collectors)
        if places.values.contains(where: \.hasUser) {
            hasPlaceholder = true
            isAttached = [true, true]
        }
        settle()
    }

    /// What the agent does whenever something has closed or ended.
    mutating func settle() {
        guard hasAgent else { return }
        for (name, place) in places where place.registrations > 0 && place.clock == nil && !isWhole(place) {
            places[name]!.clock = .since(now)
        }
        letGo()
        freeDepartures()
    }
}

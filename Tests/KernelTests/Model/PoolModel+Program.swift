/// The BPF program's part, which needs no agent.
extension PoolModel {
    /// The fate of a datagram or a SYN.
    enum Outcome: Equatable {
        case delivered(String)
        case held(String)
        case nobody
        /// No program is attached: the kernel chooses among the group's sockets.
        case unasked
    }

    private enum Attempt { case delivered, hold, passOn }

    /// One run of the program, which starts the clock of each vacant slot that it meets.
    mutating func run(of source: Int, _ stream: Stream) -> Outcome {
        guard isAttached[stream.rawValue] else { return .unasked }
        for name in rows[source].ranks {
            switch attempt(name) {
            case .delivered: return .delivered(name)
            case .hold: return .held(name)
            case .passOn: continue
            }
        }
        for name in hosts(from: rowNumbers[source]) where attempt(name) == .delivered { return .delivered(name) }
        return .nobody
    }

    /// The collectors that may stand in for a row whose ranks are all absent, from the row's number
    /// on: those that registered once and don't drain.
    func hosts(from row: Int, besides extra: String? = nil) -> [String] {
        places.filter { ($0.value.registrations > 0 || $0.key == extra) && $0.value.drain == nil }
            .sorted { ($0.value.slot + 512 - row) % 256 < ($1.value.slot + 512 - row) % 256 }.map(\.key)
    }

    private mutating func attempt(_ name: String) -> Attempt {
        guard let place = places[name] else { return .passOn }
        if place.clock == nil {
            if place.registrations > 0, isWhole(place) { return .delivered }
            places[name]!.clock = .since(now)
        }
        return state(name) == .holding ? .hold : .passOn
    }
}

import PoolModel

/// Makes the events of a pool's collectors from the differences between two looks.
///
/// The first look at a collector makes no event: an agent that starts repeats nothing.
public struct PoolHistory: Sendable {
    public typealias Moment = CollectorMoment

    public struct Entry: Equatable, Sendable {
        public var kind: PoolEvent.Kind
        public var collector: String
        public var text: String
    }

    private struct Past {
        var registrations: UInt64
        var standing: Standing
        /// When it went away; nil: it is there, or the agent didn't see it go.
        var awaySince: Duration?
    }

    private enum Standing {
        /// It never registered, and no run has missed it.
        case unknown
        case there
        case held
        case away

        init(_ state: SlotState) {
            self =
                switch state {
                case .empty: .unknown
                case .active, .draining: .there
                case .holding: .held
                case .failed, .absent: .away
                }
        }
    }

    private var past: [String: Past] = [:]

    public init() {}

    /// - Parameters:
    ///   - moments: all collectors of the configuration.
    ///   - untold: lost collectors whose cause isn't known yet: a later look reports them.
    ///   - losses: causes of the losses since the last look: `has ended (process 7)`.
    ///   - hasAffinity: exporters belong to collectors, and are held for absent ones.
    ///   - now: of a monotonic clock.
    /// - Returns: collector by collector, each in the order of its events.
    public mutating func look(
        _ moments: [Moment], untold: Set<String> = [], losses: [String: String] = [:], hasAffinity: Bool,
        at now: Duration
    ) -> [Entry] {
        let words = HoldText(hasAffinity: hasAffinity)
        var entries: [Entry] = []
        var present: [String: Past] = [:]
        for moment in moments {
            guard !untold.contains(moment.name) else {
                present[moment.name] = past[moment.name]
                continue
            }
            let standing = Standing(moment.state)
            var next = Past(registrations: moment.registrations, standing: standing)
            if let before = past[moment.name] {
                entries += Self.entries(
                    from: before, to: moment, standing, loss: losses[moment.name], words, at: now)
                if standing != .there { next.awaySince = before.standing == .there ? now : before.awaySince }
            }
            present[moment.name] = next
        }
        past = present
        return entries
    }

    private static func entries(
        from before: Past, to moment: Moment, _ standing: Standing, loss: String?, _ words: HoldText,
        at now: Duration
    ) -> [Entry] {
        func entry(_ kind: PoolEvent.Kind, _ text: String) -> Entry {
            Entry(kind: kind, collector: moment.name, text: "collector \(moment.name) \(text)")
        }
        var entries: [Entry] = []
        var last = before.standing
        // Also a collector that returned between two looks.
        if last == .there, loss != nil || standing != .there {
            entries.append(entry(.lost, loss ?? "is gone"))
            last = .away
        }
        if moment.registrations > before.registrations {
            entries.append(entry(.registered, "is registered"))
            if last == .held || last == .away, before.registrations > 0 {
                let time = before.awaySince.map { " after \(seconds(now - $0))" } ?? ""
                entries.append(entry(.returned, "is back\(time): \(words.returned)"))
            }
            last = .there
        }
        if case .holding(let left) = moment.state, before.standing != .held || !entries.isEmpty {
            let never = moment.registrations == 0 ? "never registered" : "is away"
            entries.append(entry(.held, "\(never): \(words.held(for: seconds(left)))"))
        } else if standing == .away, before.standing != .away || !entries.isEmpty {
            let cause =
                moment.registrations == 0
                ? "did not register in time"
                : before.standing == .held ? "did not come back in time" : "is gone, without a hold"
            entries.append(entry(.failedOver, "\(cause): \(words.failedOver)"))
        }
        return entries
    }

    private static func seconds(_ time: Duration) -> String {
        let tenths = Int((time / .milliseconds(100)).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10) s" : "\(tenths / 10).\(tenths % 10) s"
    }
}

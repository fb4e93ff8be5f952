import PoolModel

/// What a collector's state means, and what to do: the clause after
/// `collector c1 is holding: `. Without times, the text is the same as long as the state is.
public enum CollectorAdvice {
    /// - Parameters:
    ///   - isDraining: also beside another state.
    ///   - hasRegistered: at least once.
    ///   - hasAffinity: exporters belong to collectors, and are held for them; otherwise
    ///     the other collectors take a vacant slot's turns at once.
    /// - Returns: nil for an active collector.
    public static func text(
        for collector: PoolConfiguration.Collector, _ state: SlotState, hasRegistered: Bool, hasAffinity: Bool,
        isDraining: Bool = false
    ) -> String? {
        let name = collector.name
        if collector.weight == 0 {
            return "it left the configuration, and "
                + (hasAffinity
                    ? "its exporters move to others as their BMP sessions end; to move all of them now"
                    : "gets no more turns; to remove it now, whatever sessions it has")
                + ": reuseport-agent unregister --collector \(name)"
        }
        let absence = HoldText(hasAffinity: hasAffinity)
        let never = hasRegistered ? "" : "it never registered, and "
        let end = nextStep(for: collector, isFirst: !hasRegistered) + (isDraining ? undrain(name) : "")
        switch state {
        case .active: return nil
        case .draining:
            return hasAffinity
                ? "its exporters move to others as their BMP sessions end; "
                    + "to bring them back: reuseport-agent undrain --collector \(name)"
                : "it gets no more turns, and keeps the sessions that it has; "
                    + "to give it turns again: reuseport-agent undrain --collector \(name)"
        case .empty: return "it never registered, and no traffic for it has come yet; \(end)"
        case .holding: return "\(never)\(absence.held()); \(end)"
        case .absent, .failed: return "\(never)\(absence.failedOver); \(end)"
        }
    }

    /// How to start and register a collector.
    ///
    /// - Parameter isFirst: it has never registered.
    public static func nextStep(for collector: PoolConfiguration.Collector, isFirst: Bool) -> String {
        let start = isFirst ? "start it" : "start it again"
        switch collector.recognition {
        case .unit(let unit)?:
            return "\(start) (systemctl start \(unit.name)), and the agent registers it by its unit"
        case let recognition?:
            return "\(start), and the agent recognizes it by its \(recognition) and registers it"
        case nil:
            return "\(start) by: reuseport-agent exec --collector \(collector.name) -- COMMAND, "
                + "or, if it runs: reuseport-agent register --collector \(collector.name) --pid PID"
        }
    }

    private static func undrain(_ name: String) -> String {
        "; it is also draining, until: reuseport-agent undrain --collector \(name)"
    }
}

/// What it means that a collector isn't active, and what to do: half a sentence
/// after `collector c1 is holding: `. It has no numbers that pass, so that it stays the
/// same for as long as the state does.
public enum CollectorAdvice {
    /// - Parameters:
    ///   - isDraining: also beside another state.
    ///   - hasRegistered: it came at least once.
    ///   - hasAffinity: exporters belong to collectors, and so wait for them; without it
    ///     the others take a vacant slot's turns at once.
    /// - Returns: nil for one that does its work.
    public static func text(
        for collector: PoolConfiguration.Collector, _ state: SlotState, hasRegistered: Bool, hasAffinity: Bool,
        isDraining: Bool = false
    ) -> String? {
        let name = collector.name
        if collector.weight == 0 {
            return "it left the configuration, and "
                + (hasAffinity
                    ? "its exporters leave it; at once, also from BMP sessions"
                    : "gets no more turns; to take it out at once, whatever sessions it has")
                + ": reuseport-agent unregister --collector \(name)"
        }
        let absence = HoldText(hasAffinity: hasAffinity)
        let never = hasRegistered ? "" : "it never registered, and "
        let end = nextStep(for: collector, isFirst: !hasRegistered) + (isDraining ? undrain(name) : "")
        switch state {
        case .active: return nil
        case .draining:
            return hasAffinity
                ? "its exporters leave it when they have no BMP session there; "
                    + "to bring them back: reuseport-agent undrain --collector \(name)"
                : "it gets no more turns, and keeps the sessions that it has; "
                    + "to give it turns again: reuseport-agent undrain --collector \(name)"
        case .empty: return "it never registered, and has missed nothing yet; \(end)"
        case .holding: return "\(never)\(absence.held()); \(end)"
        case .absent, .failed: return "\(never)\(absence.failedOver); \(end)"
        }
    }

    /// What brings a collector to its slot.
    ///
    /// - Parameter isFirst: it has never been there.
    public static func nextStep(for collector: PoolConfiguration.Collector, isFirst: Bool) -> String {
        let start = isFirst ? "start it" : "start it again"
        switch collector.recognition {
        case .unit(let unit)?:
            return "\(start) (systemctl start \(unit.name)), and the agent registers it by its unit"
        case let recognition?:
            return "\(start), and the agent recognises it by its \(recognition) and registers it"
        case nil:
            return "\(start) by: reuseport-agent exec --collector \(collector.name) -- COMMAND, "
                + "or, if it runs: reuseport-agent register --collector \(collector.name) --pid PID"
        }
    }

    private static func undrain(_ name: String) -> String {
        "; it is also draining, until: reuseport-agent undrain --collector \(name)"
    }
}

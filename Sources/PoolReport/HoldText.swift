/// What happens to the traffic of an absent collector, in clauses for the log, the
/// events, status and /healthz.
///
/// Only exporters that belong to a collector are held. Where the address doesn't
/// decide, the program skips a vacant slot (deliver_to_owner in bpf/sk_reuseport.c): as long
/// as one collector is usable, nothing is held and nothing is dropped.
public struct HoldText: Sendable {
    private let hasAffinity: Bool

    /// - Parameter hasAffinity: the assignment's.
    public init(hasAffinity: Bool) { self.hasAffinity = hasAffinity }

    /// During its hold.
    ///
    /// - Parameter time: what is left of the hold, with its unit; nil: omitted.
    public func held(for time: String? = nil) -> String {
        hasAffinity ? "its exporters are held" + (time.map { " for \($0)" } ?? "") : Self.turns
    }

    /// After its hold, or without one.
    public var failedOver: String { hasAffinity ? "its exporters are at other collectors" : Self.turns }

    /// When it has registered again.
    public var returned: String { hasAffinity ? "its exporters return" : "it has its turns again" }

    private static let turns = "its turns go to the others"
}

/// What becomes of the traffic of a collector that isn't there, in half sentences:
/// for the log, the events, status and /healthz alike.
///
/// Only exporters that belong to a collector wait for it. Where the address doesn't
/// decide, the program passes a vacant slot by (deliver_to_owner in bpf/sk_reuseport.c): as long
/// as anybody is there, nothing waits and nothing is dropped.
public struct HoldText: Sendable {
    private let hasAffinity: Bool

    /// - Parameter hasAffinity: the assignment's.
    public init(hasAffinity: Bool) { self.hasAffinity = hasAffinity }

    /// During its hold.
    ///
    /// - Parameter time: what is left of it, with its unit; nil: that isn't said.
    public func held(for time: String? = nil) -> String {
        hasAffinity ? "its exporters wait for it" + (time.map { " for \($0)" } ?? "") : Self.turns
    }

    /// After its hold, or without one.
    public var failedOver: String { hasAffinity ? "its exporters are at their next ranks" : Self.turns }

    /// When it is there again.
    public var returned: String { hasAffinity ? "its exporters return" : "it has its turns again" }

    private static let turns = "its turns go to the others"
}

/// What happens to the traffic of an absent collector, in clauses for the log, the
/// events, status and /healthz.
///
/// Only exporters that belong to a collector are held. Where the address doesn't
/// decide, the program skips a vacant slot (deliver_to_owner in bpf/sk_reuseport.c): as long
/// as one collector is usable, nothing is held and nothing is dropped.
public struct HoldText: Sendable {
    private let hasAffinity: Bool
    private let canFailOver: Bool

    /// - Parameters:
    ///   - hasAffinity: the assignment's.
    ///   - canFailOver: another collector can receive the traffic (`DeliveryFacts.canFailOver`).
    public init(hasAffinity: Bool, canFailOver: Bool) {
        (self.hasAffinity, self.canFailOver) = (hasAffinity, canFailOver)
    }

    /// During its hold.
    ///
    /// - Parameter time: of the hold, or what is left of it.
    public func held(for time: Duration) -> String {
        guard canFailOver else { return dropped }
        return hasAffinity ? "its exporters' traffic is dropped for up to \(Self.seconds(time))" : Self.turns
    }

    /// After its hold, or without one.
    public var failedOver: String {
        guard canFailOver else { return dropped }
        return hasAffinity ? "its exporters are at other collectors" : Self.turns
    }

    /// When it has registered again.
    public var returned: String { hasAffinity ? "its exporters return" : "it has its turns again" }

    private var dropped: String {
        hasAffinity
            ? "no other collector can take its exporters, and their traffic is dropped"
            : "no collector is usable, and all traffic is dropped"
    }

    private static let turns = "its turns go to the others"

    /// `10 s`, `9.5 s`.
    package static func seconds(_ time: Duration) -> String {
        let tenths = Int((time / .milliseconds(100)).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10) s" : "\(tenths / 10).\(tenths % 10) s"
    }
}

import PoolModel
import PoolReport

/// A client's request to the agent: one JSON value on a stream of its own, which ends when the
/// client shuts down the writing half. Descriptors are passed with SCM_RIGHTS.
package enum ControlRequest: Codable, Equatable, Sendable {
    /// Registers the passed descriptors, in the order of the labels (`fd 5`).
    ///
    /// - Parameters:
    ///   - hasOwner: whether the last descriptor is, in addition, a pidfd of the process that has the
    ///     sockets. Nil means false.
    ///   - manner: nil means an ordinary registration.
    case register(collector: String, labels: [String], hasOwner: Bool? = nil, manner: RegistrationManner? = nil)
    /// Registers the sockets of a process that belong to the pool's groups. If a pidfd is passed, the
    /// pidfd identifies the process, not the pid.
    case registerProcess(collector: String, pid: Int32, manner: RegistrationManner? = nil)
    case unregister(collector: String)
    case drain(collector: String)
    case undrain(collector: String)
    /// Asks for the data and sessions that a draining collector still has.
    case drainProgress(collector: String)
    /// Asks how much data is queued in the sockets with these SO_COOKIEs.
    case queues(cookies: [UInt64])
    /// Extends the collector's hold a little, if one is running: the collector's command runs and binds its
    /// sockets. The agent limits the extension. The answer says whether the hold is longer now.
    case extendHold(collector: String)
    case status
    /// Asks for the pool's latest events, at most `last`.
    case events(last: Int)
    /// Asks for an audit now: compares the pool with the kernel.
    case audit
    /// Asks for the name of the agent's pool and the places where the agent listens.
    case places
    case explain(addresses: [String])
    /// Asks what the change would move. With an empty change, asks what a reload would move.
    case plan(ConfigurationChange)
    /// Records how much each exporter has sent until now.
    case markLoads
    /// - Parameter sinceMark: the `markLoads` from which loads are measured; nil means since the pool
    ///   was made.
    case rebalance(bound: Double, sinceMark: Int?, startsOver: Bool, apply: Bool)
    /// - Parameter reshuffle: whether to apply another assignment, seed or table size.
    case reload(reshuffle: Bool)

    /// The request changes nothing in the agent or the kernel.
    var isReadOnly: Bool {
        switch self {
        case .drainProgress, .queues, .status, .events, .audit, .places, .explain, .plan: true
        case .register, .registerProcess, .unregister, .drain, .undrain, .extendHold, .markLoads, .rebalance, .reload:
            false
        }
    }

    /// The collector that the request concerns; nil if it concerns the pool or several collectors.
    var collector: String? {
        switch self {
        case .register(let collector, _, _, _), .registerProcess(let collector, _, _), .unregister(let collector),
            .drain(let collector), .undrain(let collector), .drainProgress(let collector), .extendHold(let collector):
            collector
        case .queues, .status, .events, .audit, .places, .explain, .plan, .markLoads, .rebalance, .reload: nil
        }
    }
}

package enum RegistrationManner: String, Codable, Sendable {
    /// A program keeps its registration in force, but doesn't undo an `unregister`.
    case renewal
    /// Replaces another live process's sockets.
    case takeover
}

/// The agent's answer: one JSON value, after which the agent closes the stream.
package enum ControlReply: Codable, Sendable {
    case changed(RegistrationChange)
    /// `changed` is false if the state was already as requested.
    case done(changed: Bool)
    case progress(DrainProgress)
    case status(PoolStatus)
    /// In chronological order.
    case events([PoolEvent])
    case audited(AuditReport)
    /// The names are paths, and addresses with ports.
    case places(pool: String, names: [String])
    case explanations([Explanation])
    case moves(MovePlan)
    case rebalanced(RebalancePlan)
    /// The number of the mark.
    case marked(Int)
    case failure(Failure)
    /// A temporary failure: the collector hasn't bound all of its sockets yet.
    case incomplete(Failure)
}

/// The content of each kind of reply that a command waits for; nil for another kind.
extension ControlReply {
    package var changed: RegistrationChange? { if case .changed(let change) = self { change } else { nil } }
    package var done: Bool? { if case .done(let changed) = self { changed } else { nil } }
    package var progress: DrainProgress? { if case .progress(let progress) = self { progress } else { nil } }
    package var status: PoolStatus? { if case .status(let status) = self { status } else { nil } }
    package var audited: AuditReport? { if case .audited(let report) = self { report } else { nil } }
    package var explanations: [Explanation]? { if case .explanations(let list) = self { list } else { nil } }
    package var moves: MovePlan? { if case .moves(let plan) = self { plan } else { nil } }
    package var rebalanced: RebalancePlan? { if case .rebalanced(let plan) = self { plan } else { nil } }
    package var marked: Int? { if case .marked(let number) = self { number } else { nil } }

    /// The failure for a reply whose kind doesn't match the request.
    package func unexpected(act: String) -> Failure {
        switch self {
        case .failure(let failure), .incomplete(let failure): failure
        default:
            Failure(
                .absent, act: act, cause: "the agent's answer is of another kind",
                remedy: "use the reuseport-agent command of the agent's own version")
        }
    }
}

import SockArrayCore

/// What a client asks of the agent: one JSON value on a stream of its own, ended
/// by shutting down the writing half. Descriptors travel beside it (SCM_RIGHTS).
package enum ControlRequest: Codable, Equatable, Sendable {
    /// The passed descriptors, in the order of the labels (`fd 5`).
    ///
    /// - Parameters:
    ///   - hasOwner: one more comes last, a pidfd of the process that has the sockets. Nil is false.
    ///   - manner: nil: an ordinary one.
    case register(collector: String, labels: [String], hasOwner: Bool? = nil, manner: RegistrationManner? = nil)
    /// The sockets of a process that belong to the pool's groups. If a pidfd comes
    /// with it, that says which process, and not the pid.
    case registerProcess(collector: String, pid: Int32, manner: RegistrationManner? = nil)
    case unregister(collector: String)
    case drain(collector: String)
    case undrain(collector: String)
    /// What a draining collector still has.
    case drainProgress(collector: String)
    /// What waits in these sockets of the pool's groups, by SO_COOKIE.
    case queues(cookies: [UInt64])
    case status
    /// The last things that happened in the pool, as many at most.
    case events(last: Int)
    /// Compares what should be with what is, now.
    case audit
    /// Which pool it runs, and where it listens.
    case places
    case explain(addresses: [String])
    /// What the change would move; an empty one: what a reload would.
    case plan(ConfigurationChange)
    /// Remembers what each exporter has sent until now.
    case markLoads
    /// - Parameter sinceMark: by what was sent since that `markLoads`; nil: since the pool was made.
    case rebalance(bound: Double, sinceMark: Int?, startsOver: Bool, apply: Bool)
    /// - Parameter reshuffle: another assignment, seed or table size may be applied.
    case reload(reshuffle: Bool)

    /// The one that it is about; nil: the pool is, or several are.
    var collector: String? {
        switch self {
        case .register(let collector, _, _, _), .registerProcess(let collector, _, _), .unregister(let collector),
            .drain(let collector), .undrain(let collector), .drainProgress(let collector):
            collector
        case .queues, .status, .events, .audit, .places, .explain, .plan, .markLoads, .rebalance, .reload: nil
        }
    }
}

package enum RegistrationManner: String, Codable, Sendable {
    /// By a program, to keep what is registered: not against an `unregister`.
    case renewal
    /// In place of another live process's sockets.
    case takeover
}

/// The agent's answer, one JSON value; then it closes the stream.
package enum ControlReply: Codable, Sendable {
    case changed(DataPlane.Change)
    /// False: it was so already.
    case done(changed: Bool)
    case progress(DrainProgress)
    case status(PoolStatus)
    /// The latest last.
    case events([PoolEvent])
    case audited(AuditReport)
    /// Paths, and addresses with their ports.
    case places(pool: String, names: [String])
    case explanations([Explanation])
    case moves(MovePlan)
    case rebalanced(RebalancePlan)
    /// The mark's number.
    case marked(Int)
    case failure(Failure)
    /// A failure that may pass: the collector hasn't bound all its sockets yet.
    case incomplete(Failure)
}

extension ControlReply {
    /// A reply that isn't of the kind that the request asks for.
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

import PoolModel

/// How one attempt to register ended.
enum RegistrationOutcome {
    /// - Parameter pid: the collector's process.
    case registered(RegistrationChange, pid: Int32)
    /// The collector hasn't bound all of its sockets.
    case incomplete(Failure)
    /// Nobody answers on the control socket.
    case absent(Failure)
    /// The agent refused; a reload of its configuration may change that.
    case refused(Failure)

    init(_ failure: Failure) { self = failure.kind == .absent ? .absent(failure) : .refused(failure) }

    var failure: Failure? {
        switch self {
        case .registered: nil
        case .incomplete(let failure), .absent(let failure), .refused(let failure): failure
        }
    }
}

/// Decides what `exec` logs about its attempts, without repetitions, and when the next attempt is due.
struct RegistrationRetryPolicy {
    private enum State: Equatable {
        case registered
        case incomplete(saysWhy: Bool)
        case absent
        case refused(String)
    }

    let collector: String
    let agentPath: String
    private(set) var wasRegistered = false
    private var state: State?
    /// When the collector became incomplete; the search is frequent at first.
    private var searchStart: ContinuousClock.Instant
    /// When a collector that is still incomplete is reported.
    private var reportTime: ContinuousClock.Instant
    /// The command was asked to end, and has registered nothing since.
    private(set) var isEnding = false
    private var backoff: Duration = .milliseconds(50)

    static let eagerTime: Duration = .seconds(30)
    /// A collector that binds its sockets anew, or ends by itself, lacks sockets for a moment.
    static let lossDelay: Duration = .seconds(2)
    static let eagerPause: Duration = .milliseconds(20)
    static let slowPause: Duration = .milliseconds(200)
    static let refusedPause: Duration = .seconds(1)
    static let refreshPause: Duration = .seconds(5)

    init(collector: String, agentPath: String, start: ContinuousClock.Instant) {
        self.collector = collector
        self.agentPath = agentPath
        searchStart = start
        reportTime = start + Self.eagerTime
    }

    /// The command was asked to end: it is in order that it closes its sockets. What a command that doesn't end
    /// lacks is reported later.
    mutating func noteEndRequest(at now: ContinuousClock.Instant) {
        isEnding = true
        reportTime = max(reportTime, now + Self.eagerTime)
    }

    /// - Returns: a line to log, or nil, and the time until the next attempt.
    mutating func note(
        _ outcome: RegistrationOutcome, at now: ContinuousClock.Instant
    ) -> (line: String?, pause: Duration) {
        switch outcome {
        case .registered(let change, let pid): return (registered(change, pid), Self.refreshPause)
        case .incomplete(let failure): return incomplete(failure, at: now)
        case .absent(let failure): return absent(failure)
        case .refused(let failure):
            // A socket that was closed while it was on its way to the agent.
            if isEnding, now < reportTime {
                if state == .registered { searchStart = now }
                state = .incomplete(saysWhy: false)
                return (nil, Self.refusedPause)
            }
            let text = "\(failure)"
            defer { state = .refused(text) }
            return (state == .refused(text) ? nil : text, Self.refusedPause)
        }
    }

    private mutating func registered(_ change: RegistrationChange, _ pid: Int32) -> String? {
        defer {
            state = .registered
            wasRegistered = true
            backoff = .milliseconds(50)
        }
        if change.changed { isEnding = false }
        // A loss that wasn't logged needs no message about its end.
        if wasRegistered, !change.changed, state == .registered || state == .incomplete(saysWhy: false) { return nil }
        let how = !wasRegistered ? "" : change.changed ? " again" : " as before"
        return "\(collector) is registered\(how): groups \(change.groups.joined(separator: ", ")), "
            + "process \(pid)" + Self.inPlace(of: change.predecessor)
    }

    private static func inPlace(of predecessor: RegistrationChange.Predecessor?) -> String {
        guard let predecessor else { return "" }
        return ", in place of " + (predecessor.process.map { "process \($0.pid)" } ?? "another process")
    }

    private mutating func incomplete(_ failure: Failure, at now: ContinuousClock.Instant) -> (String?, Duration) {
        var saidWhy = false
        switch state {
        case .incomplete(let saysWhy): saidWhy = saysWhy
        // A collector that starts may take time. One that was complete loses traffic.
        case .registered: (searchStart, reportTime) = (now, now + (isEnding ? Self.eagerTime : Self.lossDelay))
        case .absent, .refused, nil: break
        }
        let isLate = now - searchStart >= Self.eagerTime
        let says = !saidWhy && now >= reportTime
        state = .incomplete(saysWhy: saidWhy || says)
        return (says ? "\(failure)" : nil, isLate ? Self.slowPause : Self.eagerPause)
    }

    private mutating func absent(_ failure: Failure) -> (String?, Duration) {
        let line = state == .absent ? nil : "waiting for the agent at \(agentPath): \(failure.problem)"
        state = .absent
        if wasRegistered { return (line, Self.slowPause) }
        defer { backoff = min(backoff * 2, .seconds(1)) }
        return (line, backoff)
    }
}

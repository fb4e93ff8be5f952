/// A problem that the agent reports: an element of `findings` in GET /status.
public struct AuditFinding: Equatable, Sendable, Codable {
    /// A fixed name for dashboards: see `AuditProblem.name`.
    public var name: String
    public var level: AuditProblem.Level
    public var group: String?
    public var collector: String?
    /// One sentence for people, with the next step.
    public var text: String
    /// When it was first seen, in seconds since 1970-01-01 UTC.
    public var since: Int64

    public init(_ problem: AuditProblem, since: Int64) {
        name = problem.name
        level = problem.level
        group = problem.group?.name
        collector = problem.collector
        text = problem.text
        self.since = since
    }

    /// The log's text when the finding ends. It omits the cause, which would read like a new problem.
    public var endText: String {
        let subject = text.firstRange(of: ": ").map { text[..<$0.lowerBound] } ?? ""
        return "\(name) is over: \(subject)\(collector.map { ", collector \($0)" } ?? "")"
    }

    /// As long as it lasts, registered collectors don't receive what they should.
    public var isOutage: Bool {
        AuditProblem.outages.contains(name) && !(name == AuditProblem.twoUsers && collector == nil)
    }

    /// The program doesn't reach a collector's socket.
    var isStarvation: Bool { name == AuditProblem.twoUsers || name == AuditProblem.unselectable }

    /// The agent has logged it as the failure of the command.
    public var isLogged: Bool { name == AuditProblem.failedReload }
}

/// What has changed since the findings were judged before.
public struct AuditChanges: Equatable, Sendable {
    public var findings: [AuditFinding]
    public var new: [AuditFinding] = []
    public var over: [AuditFinding] = []
}

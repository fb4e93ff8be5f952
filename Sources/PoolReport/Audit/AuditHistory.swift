import PoolModel

/// Turns the facts of successive audits into findings, and says which are new and
/// which are over.
public struct AuditHistory: Sendable {
    private var firstSeen: [AuditProblem: Moment] = [:]
    /// When each group's program was last found replaced.
    private var replacements: [ReuseportGroup: ContinuousClock.Instant] = [:]
    /// Collectors by the SO_COOKIE of their sockets, as long as the sockets exist.
    private var owners: [UInt64: String] = [:]
    private var listed: [AuditProblem] = []

    /// How long a replaced program stays listed, although the agent attached its own at once.
    public static let replacementStay = Duration.seconds(60)

    public struct Moment: Equatable, Sendable {
        public var instant: ContinuousClock.Instant
        /// Seconds since 1970-01-01 UTC.
        public var time: Int64

        public init(instant: ContinuousClock.Instant, time: Int64) {
            self.instant = instant
            self.time = time
        }
    }

    public init() {}

    /// Adds the facts of an audit.
    public mutating func judge(_ facts: AuditFacts, at now: Moment) -> AuditReport {
        let seen = facts.problems(former: owners) + lasting(in: facts, now)
        remember(facts)
        // A program that is replaced again is new, although the finding is still listed.
        let again = Set(facts.groups.filter { $0.probe == .replaced }.map { AuditProblem.programReplaced($0.group) })
        let changes = list(seen, again: again, at: now)
        return AuditReport(facts, listed, changes)
    }

    /// Adds the agent's own state between two audits: the other findings stay as they are.
    public mutating func judge(_ state: AuditFacts.State, at now: Moment) -> AuditChanges {
        list(firstSeen.keys.filter { !$0.isOfState } + state.problems, at: now)
    }

    private mutating func list(
        _ seen: [AuditProblem], again: Set<AuditProblem> = [], at now: Moment
    ) -> AuditChanges {
        firstSeen = Dictionary(seen.map { ($0, firstSeen[$0] ?? now) }) { first, _ in first }
        let before = Set(listed)
        listed = firstSeen.filter { now.instant - $0.value.instant >= $0.key.reportDelay }.keys.sorted {
            ($0.text, $0.name) < ($1.text, $1.name)
        }
        // A reload that fails for another reason ends nothing.
        let hasFailedReload = listed.contains { $0.name == AuditProblem.failedReload }
        return AuditChanges(
            findings: listed.map(finding),
            new: listed.filter { !before.contains($0) || again.contains($0) }.map(finding),
            over: before.subtracting(listed).filter { !(hasFailedReload && $0.name == AuditProblem.failedReload) }
                .map { AuditFinding($0, since: now.time) })
    }

    private func finding(_ problem: AuditProblem) -> AuditFinding {
        AuditFinding(problem, since: firstSeen[problem]?.time ?? 0)
    }

    /// Problems that last without being observed now: a replaced program for
    /// `replacementStay`, and those of a group that wasn't probed.
    private mutating func lasting(in facts: AuditFacts, _ now: Moment) -> [AuditProblem] {
        var lasting: [AuditProblem] = []
        for facts in facts.groups {
            if facts.probe == .replaced { replacements[facts.group] = now.instant }
            if let last = replacements[facts.group], now.instant - last < Self.replacementStay {
                lasting.append(.programReplaced(facts.group))
            }
            guard facts.probe == .skipped else { continue }
            lasting += firstSeen.keys.filter { problem in
                guard problem.group == facts.group else { return false }
                return switch problem {
                case .programUnseen, .programUnreachable, .probeUnsendable: true
                default: false
                }
            }
        }
        return lasting
    }

    private mutating func remember(_ facts: AuditFacts) {
        let alive = Set(facts.groups.flatMap { $0.sockets.map(\.cookie) })
        owners = owners.filter { alive.contains($0.key) }
        for entry in facts.groups.flatMap(\.entries) {
            if let cookie = entry.registered { owners[cookie] = entry.collector }
        }
    }
}

/// What an audit came to.
public struct AuditReport: Equatable, Sendable, Codable {
    public var findings: [AuditFinding]
    /// Of the findings, those that the audit before didn't have.
    public var new: [AuditFinding]
    /// What that had, and is put right.
    public var over: [AuditFinding]
    /// Each thing that was looked at, for `check --live`.
    public var checks: [CheckList.Item]

    init(
        _ facts: AuditFacts, _ problems: [AuditProblem], findings: [AuditFinding], new: [AuditFinding],
        over: [AuditFinding]
    ) {
        self.findings = findings
        self.new = new
        self.over = over
        checks = AuditSubject.all(of: facts).flatMap { $0.items(problems) }
    }

    /// 5 if traffic goes wrong, or may at any moment.
    public var exitCode: Int32 { findings.contains { $0.level == .problem } ? Failure.Kind.conflict.rawValue : 0 }
}

/// One thing that an audit looks at.
private struct AuditSubject {
    let title: String
    /// What is told where there is no problem.
    let wellText: String
    let group: ReuseportGroup?
    let names: Set<String>

    static func all(of facts: AuditFacts) -> [AuditSubject] {
        var subjects: [AuditSubject] = []
        for group in facts.groups { subjects += all(of: group) }
        subjects.append(
            AuditSubject(
                title: "sources", wellText: "no address sends nearly everything", group: nil,
                names: ["one_source_address"]))
        if facts.resetRefusal != nil {
            subjects.append(
                AuditSubject(title: "on_move: reset", wellText: "", group: nil, names: ["session_not_ended"]))
        }
        return subjects
    }

    private static func all(of facts: AuditFacts.Group) -> [AuditSubject] {
        let members = facts.sockets.count { facts.group.hasMember($0) && $0.cookie != facts.placeholder }
        func subject(_ what: String, _ wellText: String, _ names: Set<String>) -> AuditSubject {
            AuditSubject(
                title: "group \(facts.group.name): \(what)", wellText: wellText, group: facts.group, names: names)
        }
        let program =
            switch facts.probe {
            case .attached: "ours is attached"
            case .empty: "the group has no member, and so no program"
            default: "it could not be looked at this time"
            }
        return [
            subject("program", program, ["program_replaced", "program_unverified"]),
            subject("map", "it holds the sockets that were registered", ["socket_replaced"]),
            subject(
                "members", "\(members), all of them registered or not yet for 10 s",
                ["stranger_in_group", "old_socket_in_group"]),
            subject("other sockets", "none takes its traffic", ["traffic_stolen"]),
            subject(
                "placeholder",
                facts.placeholder == nil ? "there was no collector yet to keep the group for" : "it is there",
                ["no_placeholder"]),
        ]
    }

    /// One for each problem, or one that all is well.
    func items(_ problems: [AuditProblem]) -> [CheckList.Item] {
        let mine = problems.filter { $0.group == group && names.contains($0.name) }
        if mine.isEmpty { return [CheckList.Item(check: title, ok: true, detail: wellText)] }
        return mine.map {
            CheckList.Item(check: title, ok: $0.level == .note, detail: $0.cause, remedy: $0.remedy)
        }
    }
}

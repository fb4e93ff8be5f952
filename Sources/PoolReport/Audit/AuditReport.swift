import PoolModel

/// The result of an audit.
public struct AuditReport: Equatable, Sendable, Codable {
    public var findings: [AuditFinding]
    /// Findings that the previous audit didn't have.
    public var new: [AuditFinding]
    /// Findings of the previous audit that are over.
    public var over: [AuditFinding]
    /// One item or more for each subject of the audit, for `check --live`.
    public var checks: [CheckList.Item]

    package init(_ facts: AuditFacts, _ problems: [AuditProblem], _ changes: AuditChanges) {
        (findings, new, over) = (changes.findings, changes.new, changes.over)
        checks = AuditSubject.all(of: facts).flatMap { $0.items(problems) }
    }

    public var changes: AuditChanges { AuditChanges(findings: findings, new: new, over: over) }

    /// 5 if there is a finding of level `problem`, otherwise 0.
    public var exitCode: Int32 { findings.contains { $0.level == .problem } ? Failure.Kind.conflict.rawValue : 0 }
}

/// A subject of the audit: a line of `check --live`.
private struct AuditSubject {
    let title: String
    /// The text when there is no problem.
    let wellText: String
    let group: ReuseportGroup?
    let names: Set<String>
    /// A next step although there is no problem.
    var hint: String?

    static func all(of facts: AuditFacts) -> [AuditSubject] {
        var subjects: [AuditSubject] = []
        let delivery = facts.state.delivery
        for group in facts.groups { subjects += all(of: group, delivery) }
        subjects.append(collectors(delivery))
        subjects.append(
            AuditSubject(
                title: "sources", wellText: "no address sends nearly everything", group: nil,
                names: ["one_source_address"]))
        if facts.resetRefusal != nil {
            subjects.append(
                AuditSubject(title: "on_move: reset", wellText: "", group: nil, names: ["session_not_ended"]))
        }
        subjects.append(
            AuditSubject(
                title: "reload", wellText: "the configuration file is in force as it was when it was last read",
                group: nil, names: [AuditProblem.failedReload]))
        return subjects
    }

    private static func collectors(_ delivery: DeliveryFacts) -> AuditSubject {
        let absent = delivery.collectors.filter { !$0.isUsable }
        let usable = "\(delivery.usableCollectors.count) of \(delivery.collectors.count) are usable"
        let names = absent.map { "\($0.name) (\($0.state.name))" }.joined(separator: ", ")
        return AuditSubject(
            title: "collectors", wellText: absent.isEmpty ? usable : "\(usable), not: \(names)", group: nil,
            names: ["no_collector", "exporters_without_collector"],
            hint: absent.isEmpty ? nil : "reuseport-agent status has the next step for each collector")
    }

    private static func all(of facts: AuditFacts.Group, _ delivery: DeliveryFacts) -> [AuditSubject] {
        let members = facts.sockets.count { facts.group.hasMember($0) && $0.cookie != facts.placeholder }
        let others = facts.isClaimed ? "all of them registered, or new within 10 s" : "none of them registered yet"
        func subject(_ what: String, _ wellText: String, _ names: Set<String>) -> AuditSubject {
            AuditSubject(
                title: "group \(facts.group.name): \(what)", wellText: wellText, group: facts.group, names: names)
        }
        let program =
            switch facts.probe {
            case .attached: "the agent's program is attached"
            case .empty: "the pool has no socket in the group, and therefore nothing to check"
            case .overtaken: "not checked, because sockets that are bound to no interface would receive the probe"
            case .overshadowed: "not checked, because sockets of another user would receive the probe"
            default: "not checked this time"
            }
        let usable = delivery.usableCollectors(in: facts.group).count
        let multicast = subject(
            "multicast", "no collector had joined a multicast group when it registered", [AuditProblem.multicastJoined])
        return [
            AuditSubject(
                title: "group \(facts.group.name): collectors",
                wellText: usable == 0 ? "none is usable" : "\(usable) usable", group: facts.group,
                names: ["group_without_collector", "group_not_joined", "collector_stalled", "worker_overloaded"],
                hint: usable == 0 ? "reuseport-agent status has the next step for each collector" : nil),
            subject("program", program, ["program_replaced", "program_unverified"]),
            subject("map", "it has the registered sockets", ["socket_replaced"]),
            subject(
                "selection", "no registered socket is known to be out of the program's reach", ["socket_unselectable"]),
            subject("users", "all sockets belong to one user", ["two_users"]),
            subject(
                "members", "\(members), \(others)",
                ["stranger_in_group", "old_socket_in_group"]),
            subject("other sockets", "none receives the group's traffic", ["traffic_stolen"]),
            subject(
                "agent's socket",
                facts.placeholder == nil ? "not needed before the first collector" : "it is in the group",
                ["no_placeholder", "interface_missing", "interface_overtaken"]),
        ] + (facts.group.transport == .udp ? [multicast] : [])
    }

    /// An item for each problem, or one item with `wellText`.
    func items(_ problems: [AuditProblem]) -> [CheckList.Item] {
        let mine = problems.filter { $0.group == group && names.contains($0.name) }
        if mine.isEmpty { return [CheckList.Item(check: title, ok: true, detail: wellText, remedy: hint)] }
        return mine.map {
            CheckList.Item(check: title, ok: $0.level == .note, detail: $0.cause, remedy: $0.remedy)
        }
    }
}

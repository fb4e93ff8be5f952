/// Whether every collector of the pool works: the content of GET /healthz.
public struct Health: Equatable, Sendable, Codable {
    public var ok: Bool
    /// A sentence for each problem, with the next step.
    public var reasons: [String]

    public init(of status: PoolStatus) {
        reasons =
            status.collectors.compactMap(\.trouble)
            + status.collectors.filter { $0.state == "active" }.flatMap { collector in
                collector.groups.filter { $0.value.cookie == nil }.keys.sorted()
                    .map {
                        "collector \(collector.name) has no socket in group \($0): "
                            + (status.hasUsableCollector(in: $0)
                                ? "that traffic goes to other collectors" : "no usable collector has one")
                            + "; let it bind that address, too, "
                            + "and register it again: reuseport-agent register --collector \(collector.name) --pid PID"
                    }
            }
            + (status.usage?.isOverdue == true ? [status.usage?.lastError ?? "usage events are overdue"] : [])
            + status.groups.filter { group in
                !group.attached && !status.isUnverified(group.name)
                    && !status.findings.contains { $0.name == AuditProblem.notJoined && $0.group == group.name }
            }.map {
                "group \($0.name) has no registered socket, and therefore no program; "
                    + "register a collector with a socket for \($0.protocol) port \($0.port)"
            }
            + status.findings.filter { $0.level == .problem }.map { "\($0.name): \($0.text)" }
        ok = reasons.isEmpty
    }
}

extension PoolStatus.Collector {
    /// `collector c1 is holding: its exporters are held; start it again …`; nil: it is active.
    public var trouble: String? {
        state == "active" ? nil : "collector \(name) is \(state)" + (advice.map { ": \($0)" } ?? "")
    }
}

/// Whether every collector of the pool does its work: the content of GET /healthz.
public struct Health: Equatable, Sendable, Codable {
    public var ok: Bool
    /// One for each thing that isn't as it should be.
    public var reasons: [String]

    public init(of status: PoolStatus) {
        reasons =
            status.collectors.filter { $0.state != "active" }.map { "collector \($0.name) is \($0.state)" }
            + status.collectors.filter { $0.state == "active" }.flatMap { collector in
                collector.groups.filter { $0.value.cookie == nil }.keys.sorted()
                    .map { "collector \(collector.name) has no socket in group \($0)" }
            }
            + status.groups.filter { !$0.attached }.map { "group \($0.name) has no registered socket" }
            + status.findings.filter { $0.level == .problem }.map { "\($0.name): \($0.text)" }
        ok = reasons.isEmpty
    }
}

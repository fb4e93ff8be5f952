import SockArrayCore

/// `status` for people: tables that fit 80 columns.
struct StatusTable {
    let text: String

    init(_ status: PoolStatus) {
        let groupNames = status.groups.map(\.name)
        var members = [["COLLECTOR", "SLOT", "STATE", "SHARE", "PID", "GROUP", "RUNS", "QUEUED", "DROPS"]]
        for collector in status.collectors {
            for (index, name) in groupNames.enumerated() {
                guard let group = collector.groups[name] else { continue }
                let head =
                    index > 0
                    ? ["", "", "", "", ""]
                    : [
                        collector.name, "\(collector.slot)", Self.state(of: collector),
                        Self.percent(collector.share), collector.pid.map { "\($0)" } ?? "-",
                    ]
                let queued = group.queuedConnections.map { "\($0) conn" } ?? "\(group.queuedBytes) B"
                members.append(
                    head + [
                        name, "\(group.runs)", queued, "\(group.drops)",
                    ])
            }
        }
        var groups = [["GROUP", "ENDPOINT", "ATTACHED", "SELECTED", "FAILED OVER", "HELD", "LOST"]]
        for group in status.groups {
            let outcomes = group.outcomes
            let address = group.address.contains(":") ? "[\(group.address)]" : group.address
            groups.append([
                group.name, "\(group.protocol) \(address):\(group.port)", group.attached ? "yes" : "no",
                "\(outcomes.selected)", "\(outcomes.failedOver)", "\(outcomes.held)",
                "\(outcomes.noCollector + outcomes.badPacket)",
            ])
        }
        text =
            "pool \(status.pool), \(status.assignment), \(status.tableSize) rows\n\n"
            + Table.text(members) + "\n" + Table.text(groups)
            + status.findings.enumerated().map { ($0.offset == 0 ? "\n" : "") + Self.line(of: $0.element) }.joined()
    }

    /// One that is away drains on, too.
    private static func state(of collector: PoolStatus.Collector) -> String {
        collector.drain == nil || collector.state == "draining" ? collector.state : "\(collector.state), draining"
    }

    private static func line(of finding: AuditFinding) -> String {
        "\(finding.level == .problem ? "✗" : "–") \(finding.name): \(finding.text)\n"
    }

    private static func percent(_ share: Double) -> String {
        let tenths = Int((share * 1_000).rounded())
        return "\(tenths / 10).\(tenths % 10)%"
    }
}

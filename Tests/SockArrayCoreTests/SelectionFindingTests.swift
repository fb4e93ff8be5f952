import Testing

@testable import PoolModel
@testable import PoolReport

/// Findings about sockets that the program can't select, sockets of two users, and collectors that read nothing.
@Suite struct SelectionFindingTests {
    private static func socket(_ cookie: UInt64, user: UInt32) -> BoundSocket {
        var socket = AuditTests.socket(cookie)
        socket.user = user
        return socket
    }

    @Test func `sockets of two users are a problem that names the receiver, the loser and its collector`() {
        var history = AuditHistory()
        var facts = AuditTests.facts()
        // The first one listed receives.
        facts.groups[0].sockets = [
            Self.socket(5, user: 1_002), AuditTests.socket(1), AuditTests.socket(2), AuditTests.socket(9),
        ]
        #expect(facts.groups[0].isOvershadowed)
        let report = history.judge(facts, at: AuditTests.moment(0))
        let finding = report.findings.first { $0.name == "two_users" }
        #expect(finding?.level == .problem && finding?.collector == "c1")
        #expect(
            finding?.text.contains(
                "a socket of user 1002 (inode 7005) receives all of the group's traffic, and a socket of user 1000 "
                    + "(inode 7001), collector c1's, receives nothing") == true, "\(finding?.text ?? "none")")
        #expect(finding?.text.contains("doesn't run in the one that receives: 100 % of the group's traffic") == true)
        #expect(report.exitCode == 5)
        // A receiver of the pool's: some of the pool's collectors receive nothing.
        facts.groups[0].entries = ["c2", "c1", "c3"].enumerated().map { index, name in
            .init(collector: name, registered: [2, 1, 5][index], present: [2, 1, 5][index], share: 0.25)
        }
        let partly = history.judge(facts, at: AuditTests.moment(1)).findings.first { $0.name == "two_users" }
        #expect(partly?.collector == "c1" && partly?.isOutage == true)
        #expect(
            partly?.text.contains(
                "the traffic of the exporters of collectors c1, c2, 50 % of the table, is dropped until") == true,
            "\(partly?.text ?? "none")")
        facts.groups[0].entries = AuditTests.facts().groups[0].entries
        // The other way round, the pool's own collectors lose nothing.
        facts.groups[0].sockets = [
            AuditTests.socket(1), AuditTests.socket(2), AuditTests.socket(9), Self.socket(5, user: 1_002),
        ]
        #expect(!facts.groups[0].isOvershadowed)
        let harmless = history.judge(facts, at: AuditTests.moment(5)).findings.first { $0.name == "two_users" }
        #expect(harmless?.collector == nil)
        #expect(harmless?.text.contains("the agent's program doesn't run") == false)
    }

    @Test func `a socket that the program can't select, and a collector that reads nothing, are problems at once`() {
        var history = AuditHistory()
        var facts = AuditTests.facts()
        facts.groups[0].unselectable = [.init(collector: "c2", cookie: 2, errno: 77)]
        facts.stalled = ["c1": "ipfix"]
        let report = history.judge(facts, at: AuditTests.moment(0))
        #expect(report.findings.map(\.name).sorted() == ["collector_stalled", "socket_unselectable"])
        #expect(report.findings.allSatisfy { $0.level == .problem && $0.group == "ipfix" })
        #expect(Set(report.findings.map(\.collector)) == ["c1", "c2"])
        #expect(report.findings.contains { $0.text.contains("(EBADFD)") && $0.text.contains("inode 7002") })
        #expect(report.exitCode == 5)
    }
}

import Testing

@testable import AgentCore
@testable import PoolModel
@testable import PoolReport

@Suite struct ListenDescriptorTests {
    private func parse(_ pid: String?, _ count: String?, _ names: String?) throws(Failure) -> [Int32] {
        try ListenDescriptors.parse(
            pid: pid, count: count, names: names, ourPid: 7, groups: ["ipfix", "bmp"], act: "register c1")
    }

    @Test func `sockets with a group's name are taken, or all sockets if none has such a name`() throws {
        #expect(try parse("7", "2", nil) == [3, 4])
        #expect(try parse("7", "3", "ipfix:http:bmp") == [3, 5])
        #expect(try parse("7", "2", "a:b") == [3, 4])
    }

    @Test func `another process's sockets, none, or a wrong count is a usage error`() {
        for (pid, count, names) in [
            ("8", "2", nil), (nil, "2", nil), ("7", nil, nil), ("7", "0", nil), ("7", "-1", nil),
            ("7", "x", nil), ("7", "99999999", nil), ("7", "2", "a"),
        ] as [(String?, String?, String?)] {
            let failure = #expect(throws: Failure.self) { try parse(pid, count, names) }
            #expect(failure?.kind == .usage)
        }
    }

    @Test func `a wrong count is reported before a missing pid, and a missing pid is not another process`() {
        for (pid, count, cause) in [
            (nil, "abc", "LISTEN_FDS is \"abc\", not a count"), (nil, "0", "LISTEN_FDS is \"0\""),
            (nil, "2", "LISTEN_PID is not set: it names the process"), ("8", "2", "LISTEN_PID is 8: "),
        ] as [(String?, String, String)] {
            let failure = #expect(throws: Failure.self) { try parse(pid, count, nil) }
            #expect(failure?.cause.hasPrefix(cause) == true)
        }
    }
}

@Suite struct StatusTableTests {
    private static let status = PoolStatus(
        pool: "edge", assignment: "rendezvous", tableSize: 65_536,
        collectors: [
            .init(
                name: "c1", slot: 0, state: "active", holdLeft: nil, weight: 1, share: 0.25, pid: 812,
                groups: [
                    "ipfix": .init(
                        cookie: 5_004, runs: 1_000_000_000, failedOver: 0, bytes: 5_120, queuedBytes: 200_000,
                        queuedConnections: nil,
                        drops: 12),
                    "bmp": .init(
                        cookie: nil, runs: 3, failedOver: 1, bytes: 120, queuedBytes: 0, queuedConnections: 0, drops: 0),
                ])
        ],
        groups: [
            .init(
                name: "ipfix", protocol: "udp", address: "0.0.0.0", port: 4_739, attached: true,
                outcomes: .init(selected: 10, failedOver: 0, held: 0, noCollector: 0, badPacket: 0), droppedBytes: 0)
        ])

    @Test func `the table fits 80 columns with 1,000 million runs`() {
        for line in StatusReport(Self.status, width: 80, wrapWidth: nil).lines { #expect(line.width <= 80, "\(line)") }
    }

    @Test func `JSON has the keys of the contract, in snake case`() throws {
        let text = try JSON.text(Self.status)
        for key in [
            "pool", "assignment", "table_size", "collectors", "slot", "state", "weight", "share", "pid", "groups",
            "cookie", "runs", "bytes", "queued_bytes", "drops", "protocol", "address", "port", "attached", "outcomes",
            "selected", "failed_over", "held", "no_collector", "bad_packet",
        ] {
            #expect(text.contains("\"\(key)\":"), "\(key)")
        }
        #expect(try JSON.decode(PoolStatus.self, from: Array(text.utf8)) == Self.status)
    }
}

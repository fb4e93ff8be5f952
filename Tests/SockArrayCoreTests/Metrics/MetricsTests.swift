import Testing

@testable import PoolModel
@testable import PoolReport

@Suite struct MetricsTests {
    /// Two collectors of two groups, one of them away, with names that no configuration takes.
    static let metrics = AgentMetrics(
        status: PoolStatus(
            pool: "edge", assignment: "rendezvous", tableSize: 65_536,
            collectors: [
                .init(
                    name: "c1", slot: 0, state: "active", holdLeft: nil, weight: 3, share: 0.75, pid: 812,
                    groups: [
                        "ipfix": .init(
                            cookie: 5_004, runs: 18_446_744_073_709_551_615, failedOver: 15, bytes: 5_120,
                            queuedBytes: 212_992, queuedConnections: nil, drops: 4_294_967_300),
                        "bmp": .init(
                            cookie: 5_005, runs: 3, failedOver: 0, bytes: 120, queuedBytes: 0, queuedConnections: 2,
                            drops: 0),
                    ]),
                .init(
                    name: "a \"b\" \\ c\nd é", slot: 1, state: "holding", holdLeft: 2.5, weight: 0, share: 0.25,
                    pid: nil, drain: DrainProgress(),
                    groups: [
                        "ipfix": .init(
                            cookie: nil, runs: 0, failedOver: 0, bytes: 0, queuedBytes: 0, queuedConnections: nil,
                            drops: 7),
                        "bmp": .init(
                            cookie: 5_006, runs: 0, failedOver: 0, bytes: 0, queuedBytes: 0, queuedConnections: 0,
                            drops: 1),
                    ]),
            ],
            groups: [
                .init(
                    name: "ipfix", protocol: "udp", address: "::", port: 4_739, attached: true,
                    outcomes: .init(selected: 10, failedOver: 15, held: 2, noCollector: 1, badPacket: 0),
                    droppedBytes: 300),
                .init(
                    name: "bmp", protocol: "tcp", address: "0.0.0.0", port: 1_790, attached: false,
                    outcomes: .init(selected: 3, failedOver: 0, held: 0, noCollector: 0, badPacket: 0),
                    droppedBytes: 0),
            ],
            findings: [AuditFinding(.oneSource(.v4(1)), since: 1), AuditFinding(.sessionNotEnded(errno: 1), since: 2)],
            tracking: TrackingStatus(
                size: 65_536, tracked: 8_192, active: 700, fill: 0.125, interval: 2, configuredInterval: 1,
                untracked: ExporterTraffic(runs: 11, bytes: 1_200), evicted: 4, eventsLost: 5),
            usage: UsageStatus(
                pendingEvents: 12, pendingBytesOnDisk: 4_100, lastDelivery: 1_700_000_100.5, lastError: "no route",
                isOverdue: true)),
        configuration: ConfigurationFacts(isLastReloadSuccessful: false, lastSuccess: 1_700_000_000.25),
        process: ProcessUsage(
            cpuSeconds: 1.23, residentBytes: 20_000_000, virtualBytes: 300_000_000, openFiles: 31, maxFiles: 1_024,
            startTime: 1_700_000_000),
        version: "0.1.0", layout: 4)

    @Test func `the metrics of a pool with 2 collectors, 2 groups and 2 findings are the golden text`() {
        let lines = Self.metrics.text.split(separator: "\n", omittingEmptySubsequences: false)
        let golden = MetricsGolden.text.split(separator: "\n", omittingEmptySubsequences: false)
        for (line, wanted) in zip(lines, golden) { #expect(line == wanted) }
        #expect(lines.count == golden.count)
    }

    @Test func `each name once, each sample once; counters end in _total and nothing else does`() {
        let families = Self.metrics.families
        #expect(Set(families.map(\.name)).count == families.count && families.count == 42)
        for family in families {
            #expect(family.name.hasSuffix("_total") == (family.kind == .counter), "\(family.name)")
            #expect(family.name.hasPrefix("reuseport_agent_") || family.name.hasPrefix("process_"))
            #expect(family.help.hasSuffix("."), "\(family.name)")
            let labels = family.samples.map { $0.labels.map { "\($0.name)=\($0.value)" } }
            #expect(Set(labels).count == labels.count && !labels.isEmpty, "\(family.name)")
            #expect(Set(family.samples.map { $0.labels.map(\.name) }).count == 1, "\(family.name): one set of labels")
        }
    }

    @Test func `without usage 4 families are missing, and before the first delivery 1`() {
        var metrics = Self.metrics
        metrics.status.usage = UsageStatus()
        #expect(metrics.families.count == 41 && metrics.text.contains("usage_overdue{pool=\"edge\"} 0\n"))
        metrics.status.usage = nil
        #expect(metrics.families.count == 38 && !metrics.text.contains("usage_"))
    }

    @Test func `no label has an address of an exporter, and a count of runs says what a run is`() {
        for family in Self.metrics.families {
            let names = Set(family.samples.flatMap { $0.labels.map(\.name) })
            #expect(
                names.isSubset(of: [
                    "pool", "collector", "group", "state", "outcome", "name", "level", "protocol", "address", "port",
                    "version", "layout", "assignment",
                ]), "\(family.name): \(names)")
            // Where the group listens.
            #expect(!names.contains("address") || family.name == "reuseport_agent_group_info")
            if family.name.contains("_runs_") { #expect(family.help.contains("GRO"), "\(family.name)") }
        }
    }

    @Test func `every problem of the audit is a known kind, and every state is in the list`() {
        let group = ReuseportGroup(name: "g", transport: .udp, address: .v4(0), port: 1)
        let culprit = AuditProblem.Culprit(BoundSocket(transport: .udp, address: .v4(0), port: 1, cookie: 1))
        let problems: [AuditProblem] = [
            .programReplaced(group), .programUnseen(group), .programUnreachable(group),
            .probeUnsendable(group, errno: 1), .stranger(group, culprit), .leftOver(group, culprit, collector: "c1"),
            .socketReplaced(group, collector: "c1"), .trafficStolen(group, culprit, .peer),
            .noPlaceholder(group, .init(user: 1, errno: 1)), .oneSource(.v4(1)), .sessionNotEnded(errno: 1),
            .unselectable(group, collector: "c1", culprit, errno: 9),
            .twoUsers(
                group, receiver: culprit, loser: .init(socket: culprit, collectors: [], percent: 0),
                receiverIsOurs: true),
            .stalled(group, collector: "c1"), .multicastJoined(group, collector: "c1", [.v4(0xefff_0001)]),
            .interfaceMissing(group), .interfaceOvertaken(group), .unevenWorkers(group, collector: "c1", .exporter),
            .noCollector(isNewPool: false), .exportersWithoutCollector, .groupWithoutCollector(group),
            .groupNotJoined(group, otherSockets: true, isNewPool: false), .reloadFailed(problem: "p", remedy: "r"),
        ]
        let kinds = AuditProblem.kinds.map { "\($0.name) \($0.level)" }
        #expect(Set(problems.map { "\($0.name) \($0.level)" }) == Set(kinds))
        #expect(Set(kinds).count == kinds.count)
        let states: [SlotState] = [
            .empty, .absent, .active, .unverified, .queueing, .stalled, .draining, .holding(left: .seconds(1)),
            .failed,
        ]
        #expect(Set(states.map(\.name)) == Set(SlotState.names) && SlotState.names.count == 8)
    }

    @Test func `without a table of exporters its metrics are missing, without TCP those of connection queues`() {
        var metrics = Self.metrics
        metrics.status.tracking = nil
        metrics.status.groups.removeLast()
        #expect(!metrics.text.contains("tracking") && !metrics.text.contains("queue_connections"))
        #expect(metrics.text.contains("reuseport_agent_collector_queue_bytes{"))
    }

    @Test(arguments: [
        (0.1, "0.1"), (0, "0"), (1, "1"), (-3, "-3"), (1e-7, "1e-07"), (1_700_000_000.25, "1700000000.25"),
        (1e300, "1e+300"),
    ])
    func `numbers have as many digits as they need`(_ value: Double, _ text: String) {
        #expect(value.metricText == text)
    }
}

import TestSupport
import Testing

@testable import AgentCore
@testable import PoolModel
@testable import PoolReport

/// schema/status.schema.json against all that the agent's types can say.
@Suite struct StatusSchemaTests {
    private static let traffic = ExporterTraffic(runs: 7, bytes: 9)
    private static let tracking = TrackingStatus(
        size: 65_536, tracked: 32_768, active: 9, fill: 0.5, interval: 20, configuredInterval: 10, untracked: traffic,
        evicted: 1, eventsLost: 2)
    private static let off = TrackingStatus(
        size: 0, tracked: 0, fill: 0, interval: 10, configuredInterval: 10, untracked: traffic, evicted: 0,
        eventsLost: 0)
    private static let exporter = ExporterStatus(
        address: "2001:db8::1", collector: "c1", firstSeen: 1_700_000_000.5, lastSeen: 1_700_000_001, udp: traffic,
        tcp: traffic)
    private static let explanation = AssignmentPlan(
        .init(
            pool: "edge", collectors: [.init(name: "c1")],
            groups: [.init(name: "ipfix", transport: .udp, address: .v4(0), port: 4_739)])
    ).explain(.v4(1))

    private static var drain: DrainProgress {
        var drain = DrainProgress()
        drain.setSessions(
            (1...20).map { .init(peer: "192.0.2.\($0)", peerPort: 41_000, group: "bmp", silentFor: Double($0) / 2) })
        drain.takers = 3
        return drain
    }

    /// Every optional value is present.
    private static func status() -> PoolStatus {
        var status = PoolStatus(
            pool: "edge", time: 1_700_000_000.5, assignment: "rendezvous", tableSize: 65_536,
            collectors: [
                .init(
                    name: "c1", slot: 0, state: "draining", advice: "a sentence", holdLeft: 1.5, weight: 1, share: 0.25,
                    pid: 812,
                    drain: drain,
                    groups: [
                        "bmp": .init(
                            [1, 2].map {
                                .init(number: $0, cookie: .max, queuedBytes: 0, queuedConnections: 3, drops: 2)
                            }, of: .tcp, runs: 1, failedOver: 0, bytes: 2, drops: 4)
                    ])
            ],
            groups: [
                .init(
                    name: "bmp", protocol: "tcp", address: "::", port: 1_790, interface: "eth0", attached: true,
                    outcomes: .init(selected: 1, failedOver: 2, held: 3, noCollector: 4, badPacket: 5), droppedBytes: 6)
            ])
        let group = ReuseportGroup(name: "bmp", transport: .tcp, address: .v6(0, 0), port: 1_790)
        var finding = AuditFinding(.programReplaced(group), since: 1_700_000_000)
        finding.collector = "c1"
        status.findings = [finding]
        status.lossesNow = ["a sentence"]
        status.tracking = tracking
        status.usage = UsageStatus(
            pendingEvents: 3, pendingBytesOnDisk: 500, lastDelivery: 1_700_000_000, lastError: "no", isOverdue: true)
        return status
    }

    private static let table = TableStatus(
        pool: "edge", assignment: "rendezvous", tableSize: 256, restartHold: 2.5,
        collectors: [.init(name: "c1", slot: 0, standing: .held)], hasAffinity: true, SlotAvailability()
    ) { _ in (BucketRow(ranks: [Slot(0)]), nil) }

    private static func samples() throws -> [(definition: String, text: String)] {
        var sessions = BMPSessions()
        for port in UInt16(40_000)..<40_100 {
            sessions.add {
                BMPSession(
                    group: "bmp", collector: "c1", peerPort: port, upSince: 1_700_000_000, bytesReceived: 5,
                    rtt: 0.01, minRtt: 0.005, silentFor: 2.5)
            }
        }
        let events = PoolEvent.Kind.allCases.map {
            PoolEvent(
                id: 1, time: 1_700_000_000.25, kind: $0, collector: "c1", exporter: "192.0.2.1", text: "a sentence")
        }
        return [
            ("status", try JSON.text(status())),
            ("table", try JSON.text(table)),
            ("health", try JSON.text(Health(of: status()))),
            ("health", try JSON.text(Liveness())), ("health", try JSON.text(Readiness(of: status()))),
            (
                "exporter_list",
                try JSON.text(
                    ExporterList(
                        pool: "edge", total: 1, matching: 1, query: ExporterQuery(), exporters: [exporter],
                        tracking: tracking))
            ),
            (
                "exporter_detail",
                try JSON.text(ExporterDetail(exporter: exporter, explanation: explanation, sessions: sessions))
            ),
            (
                "exporter_detail",
                try JSON.text(ExporterDetail(exporter: nil, explanation: explanation, sessions: BMPSessions()))
            ),
            (
                "exporter_list",
                try JSON.text(
                    ExporterList(
                        pool: "edge", total: 0, matching: 0, query: ExporterQuery(), exporters: [], tracking: off))
            ),
            (
                "exporter_detail",
                try JSON.text(
                    ExporterDetail(
                        exporter: nil, explanation: explanation, sessions: BMPSessions(), isTracking: false))
            ),
            ("missed_events", try JSON.text(MissedEvents(missed: 3, text: "a sentence"))),
            ("missed_events", try JSON.text(MissedEvents(missed: nil, text: "a sentence"))),
        ] + (try events.map { ("event", try JSON.text($0)) })
    }

    @Test func `every value of the types is valid, and together they use each key of the schema`() throws {
        let schema = try JSONSchema(path: Checkout.statusSchema)
        for (definition, text) in try Self.samples() { try schema.validate(text, as: definition) }
        #expect(schema.properties.subtracting(schema.seen).sorted() == [])
        #expect(schema.properties.count > 60)
    }

    @Test func `with tracking off the list of exporters is empty and says how to switch tracking on`()
        throws
    {
        let texts = try Self.samples().filter { $0.definition.hasPrefix("exporter_") }.map(\.text)
        #expect(texts.count { $0.contains("tracking is off in the configuration; write tracking: {size: 65536}") } == 2)
        #expect(texts.count == 5)
    }

    @Test func `64 of an address's 100 sessions are listed, and 100 counted`() throws {
        let detail = try Self.samples().first { $0.definition == "exporter_detail" }.map(\.text) ?? ""
        #expect(detail.contains("\"session_count\":100,"))
        #expect(detail.ranges(of: "\"peer_port\":").count == 64)
    }

    @Test func `an extra key, a missing key, another type and a value out of range are invalid`() throws {
        let schema = try JSONSchema(path: Checkout.statusSchema)
        func refuse(_ definition: String, _ text: String, _ problem: String) {
            let error = #expect(throws: JSONSchema.Problem.self, "\(text)") {
                try schema.validate(text, as: definition)
            }
            #expect(error?.description.contains(problem) == true, "\(error?.description ?? "")")
        }
        refuse("health", "{\"ok\":true,\"reasons\":[],\"more\":1}", "more is not in the schema")
        refuse("health", "{\"ok\":true}", "reasons is missing")
        refuse("health", "{\"ok\":1,\"reasons\":[]}", "it is integer")
        refuse("traffic", "{\"runs\":-1,\"bytes\":0}", "less than")
        refuse("traffic", "{\"runs\":0.5,\"bytes\":0}", "it is number")
        refuse("event", "{\"id\":1,\"time\":1,\"kind\":\"gone\",\"text\":\"x\"}", "is none of")
        let status = try JSON.text(Self.status())
        refuse("status", status.replacing("\"drops\":4", with: "\"drips\":4"), "status.collectors[0].groups.bmp")
        refuse("status", status.replacing("\"address\":\"::\"", with: "\"address\":\"any\""), "doesn't match")
    }
}

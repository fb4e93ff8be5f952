import Glibc
import PoolModel
import PoolReport
import TelemetryLab
import Testing
import TestSupport

@testable import AgentCore

/// The counts of each place, compared with what the collectors' sockets received.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct SumsTests {
    @Test func `all sums agree over 1,000,000 datagrams, 800 connections and restarts of collector and agent`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let names = ["c1", "c2", "c3", "c4"]
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(collectors: names, address: "::", hold: "20s"))
            var load = try Load()
            for name in names { try load.start(name, agent) }
            try load.run(datagrams: 250_000, connections: 200)

            // A collector that is away: held, then at the others, then back.
            load.stop("c2")
            try load.run(datagrams: 400, connections: 100)
            try PinnedMaps.letPass(.seconds(21), pool: "edge")
            try load.run(datagrams: 249_600, connections: 100)
            try load.start("c2", agent)

            // No agent for a while.
            try agent.kill()
            try load.run(datagrams: 250_000, connections: 200)
            try agent.restart()
            try load.run(datagrams: 250_000, connections: 200)

            let status = try JSON.decode(PoolStatus.self, from: Array(agent.get("/status").body.utf8))
            let exporters = try Self.allExporters(of: agent)

            // Groups: each run in one outcome.
            let (udp, tcp) = (status.groups[0], status.groups[1])
            #expect(udp.outcomes.total == load.sent.udp.runs && tcp.outcomes.total == load.sent.tcp.runs)
            for group in [udp, tcp] {
                #expect(group.outcomes.held > 0 && group.outcomes.failedOver > 0, "the test stopped a collector")
            }
            // Collectors: what was delivered, as their sockets have it.
            for group in [udp, tcp] {
                let members = status.collectors.compactMap { $0.groups[group.name] }
                let runs = members.reduce(0) { $0 + $1.runs }
                #expect(runs == group.outcomes.selected + group.outcomes.failedOver)
                #expect(runs == (group.name == "ipfix" ? load.received.udp.runs : load.received.tcp.runs))
            }
            let delivered = status.collectors.compactMap { $0.groups["ipfix"]?.bytes }.reduce(0, +)
            #expect(delivered == load.received.udp.bytes)
            #expect(delivered + udp.droppedBytes == load.sent.udp.bytes)
            for collector in status.collectors {
                #expect(collector.groups["ipfix"]?.runs == load.receivedBy[collector.name]?.runs, "\(collector.name)")
                #expect(collector.groups["ipfix"]?.bytes == load.receivedBy[collector.name]?.bytes, "\(collector.name)")
            }
            // Exporters: each what it sent, of either family, and all of it.
            #expect(exporters.count == load.sources.count)
            let sentBy = load.sentBy
            for exporter in exporters {
                let sent = sentBy[exporter.address]
                #expect(exporter.udp == sent?.udp && exporter.tcp.runs == sent?.tcp.runs, "\(exporter.address)")
            }
            let untracked = try #require(status.tracking?.untracked)
            #expect(untracked.runs == 0)
            let tcpBytes = exporters.reduce(0) { $0 + $1.tcp.bytes }
            let deliveredTCP = status.collectors.compactMap { $0.groups["bmp"]?.bytes }.reduce(0, +)
            #expect(tcpBytes == deliveredTCP + tcp.droppedBytes)
            print(
                "EVIDENCE sums", load.sent.udp.runs, "datagrams,", load.received.udp.runs, "received,",
                udp.outcomes.held, "held;", load.sent.tcp.runs, "SYNs;", exporters.count, "exporters")
        }
    }

    private static func allExporters(of agent: AgentFixture) throws -> [ExporterStatus] {
        var all: [ExporterStatus] = []
        while true {
            let answer = try agent.get("/exporters?sort=address&limit=150&offset=\(all.count)")
            let page = try JSON.decode(ExporterList.self, from: Array(answer.body.utf8))
            all += page.exporters
            if all.count >= page.total || page.exporters.isEmpty { return all }
        }
    }
}

/// Exporters of both families, and collectors of this process, which read all that comes.
private struct Load {
    struct Counts {
        var udp = ExporterTraffic()
        var tcp = ExporterTraffic()
    }

    let sources: [IPAddress]
    private let exporters: [InternetSocket]
    private var collectors: [String: (udp: InternetSocket, tcp: InternetSocket)] = [:]
    private(set) var sent = Counts()
    private(set) var received = Counts()
    /// By exporter.
    private var sentOf: [Counts]
    private(set) var receivedBy: [String: ExporterTraffic] = [:]

    init() throws {
        sources = (0..<200).flatMap { [.v4(0x0a00_0000 + UInt32($0)), .v6(0xfd00_0000_0000_0000, UInt64($0 + 1))] }
        exporters = try sources.map { try InternetSocket(.udp, bind: $0) }
        sentOf = sources.map { _ in Counts() }
    }

    mutating func start(_ name: String, _ agent: AgentFixture) throws {
        let udp = try InternetSocket.collector(.udp, .v6(0, 0), port: 4_739)
        try udp.set(SOL_SOCKET, 33, 32 << 20)  // SO_RCVBUFFORCE
        let tcp = try InternetSocket.collector(.tcp, .v6(0, 0), port: 1_790)
        collectors[name] = (udp, tcp)
        let result = try agent.register(name, [udp.number, tcp.number])
        guard result.exitCode == 0 else { throw LabError(result.errorOutput) }
    }

    /// What it has is read first.
    mutating func stop(_ name: String) {
        receive()
        collectors[name] = nil
    }

    /// In turn from all exporters.
    mutating func run(datagrams: Int, connections: Int) throws {
        for index in 0..<datagrams {
            let exporter = index % sources.count
            let bytes = [UInt8](repeating: 1, count: 40 + index % 160)
            try? exporters[exporter].send(bytes, to: Self.target(of: sources[exporter]), 4_739)
            let traffic = ExporterTraffic(runs: 1, bytes: UInt64(8 + bytes.count))
            sent.udp += traffic
            sentOf[exporter].udp += traffic
            if index % 500 == 499 { receive() }
        }
        for index in 0..<connections {
            let source = sources[index % sources.count]
            let router = try InternetSocket(.tcp, bind: source)
            try? router.connect(Self.target(of: source), 1_790)
            sent.tcp += ExporterTraffic(runs: 1)
            sentOf[index % sources.count].tcp += ExporterTraffic(runs: 1)
            receive()
        }
        receive()
    }

    /// By address.
    var sentBy: [String: Counts] { Dictionary(uniqueKeysWithValues: zip(sources.map { "\($0)" }, sentOf)) }

    private static func target(of source: IPAddress) -> IPAddress {
        if case .v4 = source { .v4(0x7f00_0001) } else { .v6(0, 1) }
    }

    private mutating func receive() {
        for (name, sockets) in collectors {
            var traffic = ExporterTraffic()
            for datagram in sockets.udp.receiveWaiting() {
                traffic += ExporterTraffic(runs: 1, bytes: UInt64(8 + datagram.bytes.count))
            }
            received.udp += traffic
            receivedBy[name, default: ExporterTraffic()] += traffic
            received.tcp += ExporterTraffic(runs: UInt64(sockets.tcp.acceptWaiting().count))
        }
    }
}

extension PoolStatus.Outcomes {
    fileprivate var total: UInt64 { selected + failedOver + held + noCollector + badPacket }
}

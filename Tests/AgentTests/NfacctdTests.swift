import Glibc
import PoolModel
import PoolReport
import TelemetryLab
import TestSupport
import Testing

@testable import AgentCore

/// The main job, with real collectors.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasNfacctd, "needs root and nfacctd (Debian package pmacct)"))
struct NfacctdTests {
    private static let names = ["c1", "c2", "c3", "c4"]

    private static func startCollectors(in sandbox: Sandbox) throws -> [NfacctdCollector] {
        let collectors = try names.map { try NfacctdCollector($0, in: sandbox) }
        for collector in collectors where !collector.waitUntilReady() {
            throw LabError("\(collector.name) is not ready: \(collector.log)")
        }
        return collectors
    }

    private static func register(_ collectors: [NfacctdCollector], _ agent: AgentFixture) throws {
        for collector in collectors {
            let result = try agent.command(
                ["register", "--collector", collector.name, "--pid", "\(collector.process.pid)", "--wait", "20"])
            #expect(result.exitCode == 0, "\(result.errorOutput)")
        }
    }

    /// 60 exporters, each with 4 IPFIX streams from different source ports and a
    /// BMP session: how many have everything on one process.
    private static func meetings(of exporters: [Exporter], at collectors: [NfacctdCollector]) throws -> Int {
        for (index, exporter) in exporters.enumerated() {
            for stream in 0..<UInt32(4) { try exporter.sendStream(UInt32(index) * 4 + stream + 1) }
        }
        func haveAllFlows(_ arrivals: Arrivals) -> Bool {
            exporters.allSatisfy { arrivals.packetCount(of: $0.address) >= 12 }
        }
        // nfacctd 1.7.7 can crash if a flow comes while its router's BMP session is
        // just being set up.
        Self.waitForArrivals(at: collectors, settling: .zero, timeout: .seconds(6), until: haveAllFlows)
        for (index, exporter) in exporters.enumerated() {
            try? exporter.openSession(BMPSession(systemName: "r\(index)").opening(routes: [0x0a01_0000, 0x0a02_0000]))
        }
        Self.waitForArrivals(at: collectors) { arrivals in
            haveAllFlows(arrivals) && exporters.allSatisfy { arrivals.messageCount(of: $0.address) > 0 }
        }
        func places(_ read: (NfacctdCollector) -> [String: Int]) -> [String: Set<String>] {
            var places: [String: Set<String>] = [:]
            for collector in collectors {
                for name in read(collector).keys { places[name, default: []].insert(collector.name) }
            }
            return places
        }
        let (flows, messages) = (places { $0.packetsByExporter() }, places { $0.messagesByRouter() })
        return exporters.count { exporter in
            let name = "\(exporter.address)"
            return flows[name]?.count == 1 && flows[name] == messages[name]
        }
    }

    /// The collectors' output for each exporter.
    private struct Arrivals: Equatable {
        /// In the collectors' order.
        let packets, messages: [[String: Int]]

        init(at collectors: [NfacctdCollector]) {
            packets = collectors.map { $0.packetsByExporter() }
            messages = collectors.map { $0.messagesByRouter() }
        }

        /// At all collectors.
        func packetCount(of exporter: IPAddress) -> Int { packets.reduce(0) { $0 + ($1["\(exporter)"] ?? 0) } }
        func messageCount(of router: IPAddress) -> Int { messages.reduce(0) { $0 + ($1["\(router)"] ?? 0) } }

        /// At all collectors, of each exporter.
        var totals: [String: Int] {
            var totals: [String: Int] = [:]
            for (name, count) in packets.joined() { totals["\(name) packets", default: 0] += count }
            for (name, count) in messages.joined() { totals["\(name) BMP", default: 0] += count }
            return totals
        }
    }

    /// Waits until all that is expected is printed, and nothing more for two of nfacctd's prints, one second apart.
    ///
    /// - Parameters:
    ///   - settling: for how long nothing more is to come, once all has.
    ///   - timeout: for how long nothing more is to come, where not all does.
    private static func waitForArrivals(
        at collectors: [NfacctdCollector], settling: Duration = .seconds(2), timeout: Duration = .seconds(15),
        until areComplete: (Arrivals) -> Bool
    ) {
        var (last, since) = (Arrivals(at: collectors), ContinuousClock.now)
        waitUntil(.seconds(180), every: .milliseconds(250)) {
            let now = Arrivals(at: collectors)
            if now != last { (last, since) = (now, ContinuousClock.now) }
            return ContinuousClock.now - since >= (areComplete(now) ? settling : timeout)
        }
    }

    @Test func `with 4 nfacctd, the 4 streams and the BMP session of each of 60 exporters meet`() async throws {
        try await Sandbox.run(.unhurried) { sandbox in
            let collectors = try Self.startCollectors(in: sandbox)
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            try Self.register(collectors, agent)
            let exporters = (1...60).map { Exporter(.v4(0xc000_0200 + UInt32($0))) }
            #expect(try Self.meetings(of: exporters, at: collectors) == 60)
            for collector in collectors { #expect(collector.process.exitCode == nil, "\(collector.name) crashed") }
            // All that was sent arrived: 4 streams of 3 flows, each with a line. Lines and
            // not packets: of some 4,000 flows nfacctd 1.7.7 counts one twice, without an
            // agent too.
            for exporter in exporters {
                let flows = collectors.map { $0.flowLines(of: exporter.address).split(separator: "\n").count }
                #expect(flows.reduce(0, +) == 12, "\(exporter.address): \(flows)")
            }
            // And with the templates each datagram was selected for once.
            #expect(try agent.command(["status", "--json"]).output.contains("\"selected\":960"))
        }
    }

    @Test func `without the agent hardly any of 60 exporters' streams meet`() async throws {
        var rounds: [String] = []
        for _ in 1...3 {
            let (met, flows, sessions) = try await Sandbox.run(.unhurried) { sandbox in
                let collectors = try Self.startCollectors(in: sandbox)
                let exporters = (1...60).map { Exporter(.v4(0xc000_0200 + UInt32($0))) }
                let met = try Self.meetings(of: exporters, at: collectors)
                let flows = exporters.map { exporter in
                    collectors.map { $0.flowLines(of: exporter.address).split(separator: "\n").count }.reduce(0, +)
                }
                return (met, flows, Set(collectors.flatMap { $0.messagesByRouter().keys }).count)
            }
            rounds.append("\(met) of 60 met, \(sessions) sessions, flows of each \(flows)")
            // Exporters of which only a part was kept meet by chance, and nfacctd 1.7.7 can
            // crash with that part (see `meetings`): only a round that has all of it counts.
            guard sessions == 60, flows.allSatisfy({ $0 >= 12 }) else { continue }
            #expect(met < 10)
            return
        }
        Issue.record("nfacctd lost something in each round: \(rounds)")
    }

    /// The 860 datagrams and two BMP streams of capture 400, of two routers.
    private static let captures = try! Capture.all(in: Checkout.captures).filter { $0.name.hasPrefix("400") }

    /// - Parameter expected: nil if it is unknown.
    private static func replay(
        to collectors: [NfacctdCollector], expecting expected: [String: Int]? = nil
    ) throws -> [String: Int] {
        let exporters = captures.map { Exporter($0.exporter) }
        for (exporter, capture) in zip(exporters, captures) { try exporter.replay(capture) }
        waitForArrivals(at: collectors, timeout: .seconds(expected == nil ? 8 : 15)) { $0.totals == expected }
        let result = Arrivals(at: collectors).totals
        exporters.forEach { $0.closeSession() }
        return result
    }

    @Test func `each router's captured flows and BMP reach one of 4 nfacctd, which decode as much as a single one`()
        async throws
    {
        let alone = try await Sandbox.run { sandbox in
            let single = try NfacctdCollector("alone", in: sandbox)
            #expect(single.waitUntilReady())
            return try Self.replay(to: [single])
        }
        #expect(
            alone.keys.sorted() == [
                "203.0.113.90 BMP", "203.0.113.90 packets", "203.0.113.91 BMP", "203.0.113.91 packets",
            ])
        try await Sandbox.run { sandbox in
            let collectors = try Self.startCollectors(in: sandbox)
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            try Self.register(collectors, agent)
            #expect(try Self.replay(to: collectors, expecting: alone) == alone)
            for capture in Self.captures {
                let name = "\(capture.exporter)"
                let flows = collectors.filter { $0.packetsByExporter()[name] != nil }.map(\.name)
                let messages = collectors.filter { $0.messagesByRouter()[name] != nil }.map(\.name)
                let explained = try agent.command(["explain", name, "--json"]).output
                #expect(flows.count == 1 && flows == messages)
                #expect(explained.contains("\"collector\":\"\(flows.first ?? "")\""))
            }
            let status = try agent.command(["status", "--json"]).output
            #expect(status.contains("\"selected\":860"), "\(status)")
        }
    }

    @Test func `real BMP routes of gobgpd and real IPFIX of pmacctd meet for 4 of 4 routers`() async throws {
        try #require(RealRouter.isInstalled || !AgentUnderTest.mustRun, "needs the Debian packages gobgpd and pmacct")
        guard RealRouter.isInstalled else { return }
        try await Sandbox.run(.unhurried) { sandbox in
            let collectors = try Self.startCollectors(in: sandbox)
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            try Self.register(collectors, agent)
            let routers = try (1...4).map { number in
                try RealRouter(
                    .v4(0x0a32_0000 + UInt32(number)), number: number,
                    routes: ["10.1.\(number).0/24", "10.2.\(number).0/24"],
                    in: sandbox)
            }
            for router in routers {
                #expect(router.waitUntilEstablished(), "\(router.address)")
                try router.export(traffic: Checkout.captures + "/" + Self.captures[0].name)
            }
            Self.waitForArrivals(at: collectors) { arrivals in
                routers.allSatisfy {
                    arrivals.packetCount(of: $0.address) > 0 && arrivals.messageCount(of: $0.address) >= 4
                }
            }
            for router in routers {
                let name = "\(router.address)"
                let flows = collectors.filter { $0.packetsByExporter()[name] != nil }.map(\.name)
                let messages = collectors.filter { $0.messagesByRouter()[name] ?? 0 >= 4 }.map(\.name)
                #expect(flows.count == 1 && flows == messages, "\(name): \(flows) \(messages)")
            }
        }
    }

    @Test func `register --pid-file waits for a starting nfacctd's pid file and its ports`() async throws {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try AgentFixture(in: sandbox, program: AgentUnderTest.program)
            let pidFile = "\(sandbox.folder)/c1.pid"
            try FileText.write("99999\n", to: pidFile)  // of one that was killed
            let collector = try NfacctdCollector("c1", in: sandbox)
            let result = try agent.command(
                ["register", "--collector", "c1", "--pid-file", pidFile, "--wait", "30"])
            #expect(result.exitCode == 0, "\(result.errorOutput)")
            #expect(try agent.command(["status", "--json"]).output.contains("\"pid\":\(collector.process.pid)"))
        }
    }

    @Test func `ten restarts of an nfacctd by SIGINT and SIGKILL move no other exporters, and its own return`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let collectors = try ["c1", "c2"].map {
                try NfacctdCollector($0, in: sandbox, changing: ["bmp_daemon_max_peers": "20"])
            }
            for collector in collectors { #expect(collector.waitUntilReady()) }
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(collectors: ["c1", "c2"], hold: "60s"))
            try Self.register(collectors, agent)
            let exporters = (1...20).map { Exporter(.v4(0xc000_0200 + UInt32($0))) }
            func owners() throws -> [String] {
                try exporters.map { try agent.command(["explain", "\($0.address)", "--json"]).output }
            }
            let before = try owners()
            for round in 0..<10 {
                try collectors[1].restart(by: round % 2 == 0 ? SIGINT : SIGKILL)
                for (index, exporter) in exporters.enumerated() { try exporter.sendStream(UInt32(round * 100 + index)) }
                try Self.register([collectors[1]], agent)
                #expect(try owners() == before, "round \(round)")
            }
            for (index, exporter) in exporters.enumerated() {
                try exporter.sendStream(UInt32(5_000 + index))
                try exporter.openSession(BMPSession(systemName: "r").opening(routes: [0x0a01_0000]))
            }
            let places = before.map { $0.contains("\"collector\":\"c1\"") ? 0 : 1 }
            Self.waitForArrivals(at: collectors) { arrivals in
                zip(exporters, places).allSatisfy { exporter, owner in
                    [arrivals.packets, arrivals.messages].allSatisfy { $0[owner]["\(exporter.address)"] != nil }
                }
            }
            let status = try JSON.decode(PoolStatus.self, from: Array(agent.command(["status", "--json"]).output.utf8))
            #expect(status.groups.map(\.outcomes.failedOver) == [0, 0], "\(status)")
            for (exporter, index) in zip(exporters, places) {
                let (owner, other) = (collectors[index], collectors[1 - index])
                #expect(owner.packetsByExporter()["\(exporter.address)"] != nil)
                #expect(owner.messagesByRouter()["\(exporter.address)"] != nil)
                #expect(other.packetsByExporter()["\(exporter.address)"] == nil)
                #expect(other.messagesByRouter()["\(exporter.address)"] == nil)
            }
        }
    }
}

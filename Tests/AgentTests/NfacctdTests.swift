import Glibc
import SockArrayCore
import TelemetryLab
import Testing

/// The main job, with real collectors.
@Suite(.serialized, .enabled(if: Subject.hasNfacctd, "needs root and nfacctd (Debian package pmacct)"))
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
            try? exporter.openSession(BMPSession(systemName: "r\(index)").opening(routes: [0x0a01_0000, 0x0a02_0000]))
        }
        Self.waitWhileItChanges {
            collectors.map { "\($0.packetsByExporter().sorted { $0.key < $1.key }) \($0.messagesByRouter().count)" }
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

    /// nfacctd prints once a second: what was the same for 4 s stays so.
    static func waitWhileItChanges(_ read: () -> [String]) {
        var (last, since) = ([String](), ContinuousClock.now)
        waitUntil(.seconds(40), every: .milliseconds(250)) {
            let now = read()
            if now != last { (last, since) = (now, ContinuousClock.now) }
            return ContinuousClock.now - since > .seconds(4)
        }
    }

    @Test func `4 nfacctd, 60 exporters with 4 streams and a BMP session each: 60 of 60 meet`() async throws {
        try await Sandbox.run { sandbox in
            let collectors = try Self.startCollectors(in: sandbox)
            let agent = try AgentFixture(in: sandbox, program: Subject.program)
            try Self.register(collectors, agent)
            let exporters = (1...60).map { Exporter(.v4(0xc000_0200 + UInt32($0))) }
            #expect(try Self.meetings(of: exporters, at: collectors) == 60)
            // All that was sent arrived: 4 streams of 3 flows, 1 packet each.
            for exporter in exporters {
                let packets = collectors.reduce(0) { $0 + ($1.packetsByExporter()["\(exporter.address)"] ?? 0) }
                #expect(packets == 12, "\(exporter.address)")
            }
        }
    }

    @Test func `without the agent nearly none of 60 meets`() async throws {
        try await Sandbox.run { sandbox in
            let collectors = try Self.startCollectors(in: sandbox)
            let exporters = (1...60).map { Exporter(.v4(0xc000_0200 + UInt32($0))) }
            #expect(try Self.meetings(of: exporters, at: collectors) < 10)
        }
    }
}

import PoolModel
import TelemetryLab
import TestSupport

extension IPAddress {
    /// The collector that gets its datagram and its connection, if it is the same one.
    func meeting(at collectors: [CollectorSockets]) throws -> String {
        try? InternetSocket(.udp, bind: self).send([1], to: .v4(0x7f00_0001), 4_739)
        let stream = try InternetSocket(.tcp, bind: self)
        try? stream.connect(.v4(0x7f00_0001), 1_790)
        let got = collectors.map { ($0.name, $0.udp.receiveWaiting().count, $0.tcp.acceptWaiting().count) }
        return got.first { $0.1 == 1 && $0.2 == 1 }?.0 ?? "nobody"
    }
}

extension AgentFixture {
    /// The collectors that receive the exporters' traffic now.
    func owners(of sources: [IPAddress]) throws -> [String] {
        let result = try command(["explain", "--json"] + sources.map(\.description))
        let owners = result.output.split(separator: "\n").compactMap { line -> String? in
            let parts = line.split(separator: "\"")
            return parts.firstIndex(of: "collector").map { String(parts[$0 + 2]) }
        }
        guard owners.count == sources.count else { throw LabError("\(result.errorOutput)") }
        return owners
    }
}

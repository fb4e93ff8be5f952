import Glibc
import PoolModel
import TelemetryLab

/// Datagrams of many exporters, each with its exporter and a number of its own:
/// lost, duplicated and misdirected datagrams show.
final class NumberedTraffic {
    let sources: [IPAddress]
    private(set) var sent = 0
    private(set) var received = 0
    private(set) var duplicates = 0
    private let exporters: [InternetSocket]
    private var seen: [Set<UInt32>]
    private var paths: [[String]]
    private var round: UInt32 = 0
    /// Fewer than fit in one collector's queue.
    private static let burst = 100

    init(exporters count: Int) throws {
        var limit = rlimit(rlim_cur: 0, rlim_max: 0)
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, 65_536))
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        sources = (0..<UInt32(count)).map { .v4(0x0a00_0001 + $0) }
        exporters = try sources.map { try InternetSocket(.udp, bind: $0) }
        seen = Array(repeating: [], count: count)
        paths = Array(repeating: [], count: count)
    }

    /// One datagram of each exporter; ten of them also open a connection, others in each round.
    func sendRound(to collectors: [CollectorSockets]) throws {
        for (index, exporter) in exporters.enumerated() {
            let words = [UInt32(index), round]
            try exporter.send(words.withUnsafeBytes { Array($0) }, to: .v4(0x7f00_0001), 4_739)
            sent += 1
            if index % 200 == Int(round % 200) {
                try InternetSocket(.tcp, bind: sources[index]).connect(.v4(0x7f00_0001), 1_790)
                take(from: collectors)
            }
            if index % Self.burst == 0 { take(from: collectors) }
        }
        take(from: collectors)
        round += 1
    }

    /// The collectors that the exporter's datagrams reached, one after the other.
    func path(of index: Int) -> [String] { paths[index] }

    private func take(from collectors: [CollectorSockets]) {
        for collector in collectors {
            _ = collector.tcp.acceptWaiting()
            for datagram in collector.udp.receiveWaiting() {
                let (index, round) = datagram.bytes.withUnsafeBytes {
                    (Int($0.loadUnaligned(as: UInt32.self)), $0.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
                }
                received += 1
                if !seen[index].insert(round).inserted { duplicates += 1 }
                if paths[index].last != collector.name { paths[index].append(collector.name) }
            }
        }
    }
}

@testable import TestProcesses

/// The fate of everything that was sent, from the ledgers of all processes. Make the receipts
/// when the processes have ended.
struct Receipts {
    /// The datagrams and sessions of one exporter.
    struct Exporter {
        /// By the datagram's number: the index of the collector process, or `nobody`.
        var places: [UInt8]
        var duplicates = 0
        /// By the session's number, of those that were accepted.
        var holders: [UInt32: Int] = [:]
        /// By process: when the first datagram that it got was sent, in ns.
        var firstSent: [Int: UInt64] = [:]

        static let nobody = UInt8.max

        /// Processes that its datagrams reached, one after the other.
        var path: [Int] {
            places.reduce(into: []) { path, place in
                if place != Self.nobody, path.last != Int(place) { path.append(Int(place)) }
            }
        }

        /// The same of its sessions.
        var sessionPath: [Int] {
            holders.sorted { $0.key < $1.key }.reduce(into: []) { path, holder in
                if path.last != holder.value { path.append(holder.value) }
            }
        }

        var lost: Int { places.count { $0 == Self.nobody } }

        /// Lost datagrams after the first one that reached the process.
        func lost(sinceReaching process: Int) -> Int {
            guard let start = places.firstIndex(of: UInt8(process)) else { return 0 }
            return places[start...].count { $0 == Self.nobody }
        }
    }

    private(set) var exporters: [Exporter]
    /// Datagrams, sent while the exporter's session was up, that reached another
    /// process than the one that has accepted it.
    private(set) var torn = 0
    /// Datagrams that were sent while a session was up.
    private(set) var sentInSession = 0
    /// The part of them whose session no process accepted.
    private(set) var unaccepted = 0

    init(_ traffic: CountedTraffic, _ collectors: [CountedCollector]) {
        exporters = traffic.addresses.indices.map { index in
            Exporter(places: Array(repeating: Exporter.nobody, count: Int(traffic.ledger[countOf: index])))
        }
        let ledgers = collectors.map { $0.ledger.entries() }
        for (process, entries) in ledgers.enumerated() {
            for entry in entries { take(entry, of: process) }
        }
        for (process, entries) in ledgers.enumerated() {
            for entry in entries
            where entry.kind == LedgerEntry.Kind.datagram.rawValue && entry.session != 0 {
                sentInSession += 1
                guard let holder = exporters[Int(entry.exporter)].holders[entry.session] else {
                    unaccepted += 1
                    continue
                }
                if holder != process { torn += 1 }
            }
        }
    }

    private mutating func take(_ entry: LedgerEntry, of process: Int) {
        let index = Int(entry.exporter)
        switch LedgerEntry.Kind(rawValue: entry.kind) {
        case .datagram:
            if exporters[index].places[Int(entry.number)] != Exporter.nobody { exporters[index].duplicates += 1 }
            exporters[index].places[Int(entry.number)] = UInt8(process)
            if exporters[index].firstSent[process] == nil { exporters[index].firstSent[process] = entry.sent }
        case .began: exporters[index].holders[entry.session] = process
        case .ended, .lost, .refused, nil: break
        }
    }
}

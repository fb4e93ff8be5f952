import CBPFShim
import SockArrayCore

/// What keeping track of exporters adds to a run: the same datagrams through the same
/// dispatcher, with tracking off and on, from few sources and from many.
struct TrackingCost {
    private static let sourceCounts = [16, 256, 1_000, 10_000]

    func measure() throws -> String {
        let statistics = Descriptor(owning: try bench("BPF_ENABLE_STATS", rpa_enable_run_stats()))
        defer { _ = statistics.number }
        let group = ReuseportGroup(name: "ipfix", transport: .udp, address: .v4(0), port: 4_739)
        var configuration = PoolConfiguration(
            pool: "bench", collectors: (1...4).map { .init(name: "c\($0)") }, groups: [group])
        var plane = try DataPlane(adopting: configuration)
        var members: [OfferedSocket] = []
        for index in 1...4 {
            members.append(try OfferedSocket(try LoopbackUDP.collector(port: group.port), label: "c\(index)"))
            _ = try plane.register("c\(index)", [members[index - 1]], owner: nil)
        }
        var lines: [String] = []
        for count in Self.sourceCounts {
            let cost = ProgramCost(sourceCount: count)
            var routers = LoopbackRouters(count: count)
            var costs: [[Double]] = [[], [], []]
            for round in 0...cost.rounds {
                for (index, tracking) in [Tracking.off, Tracking(), Tracking(interval: .zero)].enumerated() {
                    configuration.tracking = tracking
                    plane = try DataPlane(adopting: configuration, replacing: plane)
                    try routers.sendAll(200, to: group.port)
                    let nanoseconds = try cost.nanosecondsPerRun(
                        of: plane.groups[0].dispatcher.number, from: &routers, to: group.port)
                    if round > 0 { costs[index].append(nanoseconds) }  // the first one warms up
                }
            }
            let spreads = costs.map(Spread.init)
            let more = spreads[1].median - spreads[0].median
            lines.append(
                "  \(count) sources: \(Spread.tenths(more)) ns more than with tracking off (target: at most 60)")
            lines.append("    off    \(spreads[0].text) ns per run; median (least - most) of \(cost.rounds) rounds")
            lines.append("    on     \(spreads[1].text)")
            lines.append("    exact  \(spreads[2].text), with nobody who takes the events")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

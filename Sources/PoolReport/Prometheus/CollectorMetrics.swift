import PoolModel

extension PoolStatus {
    /// By collector.
    var collectorFamilies: [MetricFamily] {
        var up = MetricFamily(
            "reuseport_agent_collector_up", .gauge,
            "Whether the collector is active or draining, which means that every socket that it registered is there: 1 or 0."
        )
        var state = MetricFamily(
            "reuseport_agent_collector_state", .gauge,
            "1 for the collector's state, 0 for the others. holding: absent, its exporters' traffic is dropped. failed: its exporters are at other collectors, or dropped if none is usable."
        )
        var draining = MetricFamily(
            "reuseport_agent_collector_draining", .gauge,
            "Whether the collector receives no new exporters, by drain or because it left the configuration: 1 or 0.")
        var share = MetricFamily(
            "reuseport_agent_collector_share_ratio", .gauge,
            "Part of the assignment table that the collector owns, 0 to 1.")
        var weight = MetricFamily(
            "reuseport_agent_collector_weight", .gauge,
            "The collector's weight in the configuration; 0: it left the configuration.")
        var hold = MetricFamily(
            "reuseport_agent_collector_hold_left_seconds", .gauge,
            "Seconds until the exporters of an absent collector go to others; 0: no hold.")
        var stalled = MetricFamily(
            "reuseport_agent_collector_stalled", .gauge,
            "Whether the collector reads nothing although data waits in its sockets: 1 or 0.")
        for collector in collectors {
            let name = MetricFamily.Label("collector", collector.name)
            stalled.add([name], findings.contains { $0.isStall(of: collector.name) })
            up.add([name], collector.isUp)
            for word in SlotState.names { state.add([name, .init("state", word)], word == collector.state) }
            draining.add([name], collector.drain != nil)
            share.add([name], collector.share)
            weight.add([name], collector.weight)
            hold.add([name], collector.holdLeft ?? 0)
        }
        return [up, state, stalled, draining, share, weight, hold]
    }

    /// By collector and group.
    var membershipFamilies: [MetricFamily] {
        let since = "since its name came to the pool"
        var registered = MetricFamily(
            "reuseport_agent_collector_registered", .gauge,
            "Whether the collector has a socket in the group: 1 or 0.")
        var runs = MetricFamily(
            "reuseport_agent_collector_runs_total", .counter,
            "How often the program selected the collector, \(since): as the owner (selected) or in place of an absent collector (failed_over). \(MetricHelp.run)"
        )
        var bytes = MetricFamily(
            "reuseport_agent_collector_bytes_total", .counter,
            "Bytes of the runs for which the program selected the collector, \(since). \(MetricHelp.bytes)")
        var queueBytes = MetricFamily(
            "reuseport_agent_collector_queue_bytes", .gauge,
            "UDP: bytes that wait in the collector's socket, as the kernel accounts them.")
        var queueConnections = MetricFamily(
            "reuseport_agent_collector_queue_connections", .gauge,
            "TCP: connections that wait for the collector to accept them.")
        var drops = MetricFamily(
            "reuseport_agent_collector_socket_drops_total", .counter,
            "Datagrams, or SYNs and connections (TCP), that the collector's sockets had no room for, \(since). Drops in the last seconds of a socket may be missing."
        )
        for collector in collectors {
            for group in groups {
                guard let member = collector.groups[group.name] else { continue }
                let labels = [MetricFamily.Label("collector", collector.name), .init("group", group.name)]
                registered.add(labels, member.isRegistered)
                runs.add(labels + [.init("outcome", "selected")], member.runs - member.failedOver)
                runs.add(labels + [.init("outcome", "failed_over")], member.failedOver)
                bytes.add(labels, member.bytes)
                if let connections = member.queuedConnections {
                    queueConnections.add(labels, connections)
                } else {
                    queueBytes.add(labels, member.queuedBytes)
                }
                drops.add(labels, member.drops)
            }
        }
        return [registered, runs, bytes, queueBytes, queueConnections, drops]
    }
}

extension PoolStatus.Collector {
    fileprivate var isUp: Bool { [SlotState.active.name, SlotState.draining.name].contains(state) }
}

/// Sentences of more than one help text.
enum MetricHelp {
    package static let run =
        "A run is a TCP SYN, a UDP datagram, or a train of datagrams that the kernel had put together (GRO): runs are not always datagrams."
    package static let bytes = "UDP header and payload, or the TCP header of a SYN."
}

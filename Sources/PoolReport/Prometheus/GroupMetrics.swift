import PoolModel

extension PoolStatus {
    /// By group.
    var groupFamilies: [MetricFamily] {
        var info = MetricFamily(
            "reuseport_agent_group_info", .gauge,
            "Always 1: the group's protocol, address and port in the configuration.")
        var attached = MetricFamily(
            "reuseport_agent_group_attached", .gauge,
            "Whether the agent's own socket or a registered one is in the group, and the last audit has no finding program_unverified of level problem for the group: 1 or 0."
        )
        var runs = MetricFamily(
            "reuseport_agent_group_runs_total", .counter,
            "Runs of the program by outcome, exactly one for each run. selected: at the owner; failed_over: at another collector; held (the owner is absent), no_collector and bad_packet: dropped. \(MetricHelp.run)"
        )
        var dropped = MetricFamily(
            "reuseport_agent_group_dropped_bytes_total", .counter,
            "Bytes of the runs that were held or found no collector. \(MetricHelp.bytes)")
        for group in groups {
            let name = MetricFamily.Label("group", group.name)
            info.add(
                [
                    name, .init("protocol", group.protocol), .init("address", group.address),
                    .init("port", "\(group.port)"),
                ], 1)
            attached.add([name], group.attached)
            for (outcome, count) in group.outcomes.byName { runs.add([name, .init("outcome", outcome)], count) }
            dropped.add([name], group.droppedBytes)
        }
        return [info, attached, runs, dropped]
    }

    /// How many findings of each name and level the last audit has: 0, where there is none.
    var findingFamilies: [MetricFamily] {
        var audit = MetricFamily(
            "reuseport_agent_audit_findings", .gauge,
            "Findings of the last audit, and of the state since. problem: traffic goes wrong or may go wrong at any moment, or the configuration file isn't in force; note: nothing is lost."
        )
        for (name, level) in AuditProblem.kinds {
            let count = findings.count { $0.name == name && $0.level == level }
            audit.add([.init("name", name), .init("level", level.rawValue)], count)
        }
        return [audit]
    }
}

extension PoolStatus.Outcomes {
    fileprivate var byName: [(String, UInt64)] {
        [
            ("selected", selected), ("failed_over", failedOver), ("held", held), ("no_collector", noCollector),
            ("bad_packet", badPacket),
        ]
    }
}

extension TrackingStatus {
    var families: [MetricFamily] {
        [
            MetricFamily(
                "reuseport_agent_tracking_capacity", .gauge,
                "Source addresses that the table of exporters has room for; 0: tracking is off.", size),
            MetricFamily(
                "reuseport_agent_exporters", .gauge, "Source addresses that have counts of their own now.", tracked),
        ] + activeFamily + [
            MetricFamily(
                "reuseport_agent_tracking_fill_ratio", .gauge,
                "Part of the table of exporters that is taken, 0 to 1.", fill),
            MetricFamily(
                "reuseport_agent_tracking_interval_seconds", .gauge,
                "Minimum time between two notifications about one exporter; longer than configured while the table is full or notifications are lost. 0: one for each run.",
                interval),
            MetricFamily(
                "reuseport_agent_tracking_configured_interval_seconds", .gauge,
                "Minimum time between two notifications about one exporter, as configured.", configuredInterval),
            MetricFamily(
                "reuseport_agent_tracking_untracked_runs_total", .counter,
                "Runs of addresses that the table had no room for, counts of addresses that were displaced, and all counts from before a reload that changed tracking.size: in no address's counts, but in all others. \(MetricHelp.run)",
                untracked.runs),
            MetricFamily(
                "reuseport_agent_tracking_untracked_bytes_total", .counter,
                "Bytes of untracked runs. \(MetricHelp.bytes)", untracked.bytes),
            MetricFamily(
                "reuseport_agent_tracking_evicted_total", .counter,
                "Source addresses that were displaced from the full table, after they were silent for an interval or longer.",
                evicted),
            MetricFamily(
                "reuseport_agent_tracking_events_lost_total", .counter,
                "Notifications about exporters that were lost on their way to the agent.", eventsLost),
        ]
    }

    private var activeFamily: [MetricFamily] {
        guard let active else { return [] }
        return [
            MetricFamily(
                "reuseport_agent_exporters_active", .gauge,
                "Source addresses that sent something within the last tracking interval.", active)
        ]
    }
}

/// The whole of /metrics for `MetricsTests.metrics`: what dashboards and alerts rely on.
enum MetricsGolden {
    static let text = #"""
        # HELP reuseport_agent_build_info Always 1: versions of the agent and of the layout of its pinned maps.
        # TYPE reuseport_agent_build_info gauge
        reuseport_agent_build_info{version="0.1.0",layout="4"} 1
        # HELP reuseport_agent_pool_info Always 1: how the pool assigns exporters to collectors.
        # TYPE reuseport_agent_pool_info gauge
        reuseport_agent_pool_info{pool="edge",assignment="rendezvous"} 1
        # HELP reuseport_agent_config_last_reload_successful Whether the agent could use the configuration when it last read it: 1 or 0.
        # TYPE reuseport_agent_config_last_reload_successful gauge
        reuseport_agent_config_last_reload_successful{pool="edge"} 0
        # HELP reuseport_agent_config_last_reload_success_timestamp_seconds When the agent read the configuration in force, in Unix time.
        # TYPE reuseport_agent_config_last_reload_success_timestamp_seconds gauge
        reuseport_agent_config_last_reload_success_timestamp_seconds{pool="edge"} 1700000000.25
        # HELP reuseport_agent_collector_up Whether the collector is active or draining, which means that every socket that it registered is there: 1 or 0.
        # TYPE reuseport_agent_collector_up gauge
        reuseport_agent_collector_up{pool="edge",collector="c1"} 1
        reuseport_agent_collector_up{pool="edge",collector="a \"b\" \\ c\nd é"} 0
        # HELP reuseport_agent_collector_state 1 for the collector's state, 0 for the others. holding: absent, its exporters' traffic is dropped. failed: its exporters are at other collectors, or dropped if none is usable.
        # TYPE reuseport_agent_collector_state gauge
        reuseport_agent_collector_state{pool="edge",collector="c1",state="active"} 1
        reuseport_agent_collector_state{pool="edge",collector="c1",state="draining"} 0
        reuseport_agent_collector_state{pool="edge",collector="c1",state="empty"} 0
        reuseport_agent_collector_state{pool="edge",collector="c1",state="failed"} 0
        reuseport_agent_collector_state{pool="edge",collector="c1",state="holding"} 0
        reuseport_agent_collector_state{pool="edge",collector="c1",state="queueing"} 0
        reuseport_agent_collector_state{pool="edge",collector="c1",state="stalled"} 0
        reuseport_agent_collector_state{pool="edge",collector="c1",state="unverified"} 0
        reuseport_agent_collector_state{pool="edge",collector="a \"b\" \\ c\nd é",state="active"} 0
        reuseport_agent_collector_state{pool="edge",collector="a \"b\" \\ c\nd é",state="draining"} 0
        reuseport_agent_collector_state{pool="edge",collector="a \"b\" \\ c\nd é",state="empty"} 0
        reuseport_agent_collector_state{pool="edge",collector="a \"b\" \\ c\nd é",state="failed"} 0
        reuseport_agent_collector_state{pool="edge",collector="a \"b\" \\ c\nd é",state="holding"} 1
        reuseport_agent_collector_state{pool="edge",collector="a \"b\" \\ c\nd é",state="queueing"} 0
        reuseport_agent_collector_state{pool="edge",collector="a \"b\" \\ c\nd é",state="stalled"} 0
        reuseport_agent_collector_state{pool="edge",collector="a \"b\" \\ c\nd é",state="unverified"} 0
        # HELP reuseport_agent_collector_stalled Whether the collector reads nothing although data waits in its sockets: 1 or 0.
        # TYPE reuseport_agent_collector_stalled gauge
        reuseport_agent_collector_stalled{pool="edge",collector="c1"} 0
        reuseport_agent_collector_stalled{pool="edge",collector="a \"b\" \\ c\nd é"} 0
        # HELP reuseport_agent_collector_draining Whether the collector receives no new exporters, by drain or because it left the configuration: 1 or 0.
        # TYPE reuseport_agent_collector_draining gauge
        reuseport_agent_collector_draining{pool="edge",collector="c1"} 0
        reuseport_agent_collector_draining{pool="edge",collector="a \"b\" \\ c\nd é"} 1
        # HELP reuseport_agent_collector_share_ratio Part of the assignment table that the collector owns, 0 to 1.
        # TYPE reuseport_agent_collector_share_ratio gauge
        reuseport_agent_collector_share_ratio{pool="edge",collector="c1"} 0.75
        reuseport_agent_collector_share_ratio{pool="edge",collector="a \"b\" \\ c\nd é"} 0.25
        # HELP reuseport_agent_collector_weight The collector's weight in the configuration; 0: it left the configuration.
        # TYPE reuseport_agent_collector_weight gauge
        reuseport_agent_collector_weight{pool="edge",collector="c1"} 3
        reuseport_agent_collector_weight{pool="edge",collector="a \"b\" \\ c\nd é"} 0
        # HELP reuseport_agent_collector_hold_left_seconds Seconds until the exporters of an absent collector go to others; 0: no hold.
        # TYPE reuseport_agent_collector_hold_left_seconds gauge
        reuseport_agent_collector_hold_left_seconds{pool="edge",collector="c1"} 0
        reuseport_agent_collector_hold_left_seconds{pool="edge",collector="a \"b\" \\ c\nd é"} 2.5
        # HELP reuseport_agent_collector_registered Whether the collector has a socket in the group: 1 or 0.
        # TYPE reuseport_agent_collector_registered gauge
        reuseport_agent_collector_registered{pool="edge",collector="c1",group="ipfix"} 1
        reuseport_agent_collector_registered{pool="edge",collector="c1",group="bmp"} 1
        reuseport_agent_collector_registered{pool="edge",collector="a \"b\" \\ c\nd é",group="ipfix"} 0
        reuseport_agent_collector_registered{pool="edge",collector="a \"b\" \\ c\nd é",group="bmp"} 1
        # HELP reuseport_agent_collector_runs_total How often the program selected the collector, since its name came to the pool: as the owner (selected) or in place of an absent collector (failed_over). A run is a TCP SYN, a UDP datagram, or a train of datagrams that the kernel had put together (GRO): runs are not always datagrams.
        # TYPE reuseport_agent_collector_runs_total counter
        reuseport_agent_collector_runs_total{pool="edge",collector="c1",group="ipfix",outcome="selected"} 18446744073709551600
        reuseport_agent_collector_runs_total{pool="edge",collector="c1",group="ipfix",outcome="failed_over"} 15
        reuseport_agent_collector_runs_total{pool="edge",collector="c1",group="bmp",outcome="selected"} 3
        reuseport_agent_collector_runs_total{pool="edge",collector="c1",group="bmp",outcome="failed_over"} 0
        reuseport_agent_collector_runs_total{pool="edge",collector="a \"b\" \\ c\nd é",group="ipfix",outcome="selected"} 0
        reuseport_agent_collector_runs_total{pool="edge",collector="a \"b\" \\ c\nd é",group="ipfix",outcome="failed_over"} 0
        reuseport_agent_collector_runs_total{pool="edge",collector="a \"b\" \\ c\nd é",group="bmp",outcome="selected"} 0
        reuseport_agent_collector_runs_total{pool="edge",collector="a \"b\" \\ c\nd é",group="bmp",outcome="failed_over"} 0
        # HELP reuseport_agent_collector_bytes_total Bytes of the runs for which the program selected the collector, since its name came to the pool. UDP header and payload, or the TCP header of a SYN.
        # TYPE reuseport_agent_collector_bytes_total counter
        reuseport_agent_collector_bytes_total{pool="edge",collector="c1",group="ipfix"} 5120
        reuseport_agent_collector_bytes_total{pool="edge",collector="c1",group="bmp"} 120
        reuseport_agent_collector_bytes_total{pool="edge",collector="a \"b\" \\ c\nd é",group="ipfix"} 0
        reuseport_agent_collector_bytes_total{pool="edge",collector="a \"b\" \\ c\nd é",group="bmp"} 0
        # HELP reuseport_agent_collector_queue_bytes UDP: bytes that wait in the collector's socket, as the kernel accounts them.
        # TYPE reuseport_agent_collector_queue_bytes gauge
        reuseport_agent_collector_queue_bytes{pool="edge",collector="c1",group="ipfix"} 212992
        reuseport_agent_collector_queue_bytes{pool="edge",collector="a \"b\" \\ c\nd é",group="ipfix"} 0
        # HELP reuseport_agent_collector_queue_connections TCP: connections that wait for the collector to accept them.
        # TYPE reuseport_agent_collector_queue_connections gauge
        reuseport_agent_collector_queue_connections{pool="edge",collector="c1",group="bmp"} 2
        reuseport_agent_collector_queue_connections{pool="edge",collector="a \"b\" \\ c\nd é",group="bmp"} 0
        # HELP reuseport_agent_collector_socket_drops_total Datagrams, or SYNs and connections (TCP), that the collector's sockets had no room for, since its name came to the pool. Drops in the last seconds of a socket may be missing.
        # TYPE reuseport_agent_collector_socket_drops_total counter
        reuseport_agent_collector_socket_drops_total{pool="edge",collector="c1",group="ipfix"} 4294967300
        reuseport_agent_collector_socket_drops_total{pool="edge",collector="c1",group="bmp"} 0
        reuseport_agent_collector_socket_drops_total{pool="edge",collector="a \"b\" \\ c\nd é",group="ipfix"} 7
        reuseport_agent_collector_socket_drops_total{pool="edge",collector="a \"b\" \\ c\nd é",group="bmp"} 1
        # HELP reuseport_agent_group_info Always 1: the group's protocol, address and port in the configuration.
        # TYPE reuseport_agent_group_info gauge
        reuseport_agent_group_info{pool="edge",group="ipfix",protocol="udp",address="::",port="4739"} 1
        reuseport_agent_group_info{pool="edge",group="bmp",protocol="tcp",address="0.0.0.0",port="1790"} 1
        # HELP reuseport_agent_group_attached Whether the agent's own socket or a registered one is in the group, and the last audit has no finding program_unverified of level problem for the group: 1 or 0.
        # TYPE reuseport_agent_group_attached gauge
        reuseport_agent_group_attached{pool="edge",group="ipfix"} 1
        reuseport_agent_group_attached{pool="edge",group="bmp"} 0
        # HELP reuseport_agent_group_runs_total Runs of the program by outcome, exactly one for each run. selected: at the owner; failed_over: at another collector; held (the owner is absent), no_collector and bad_packet: dropped. A run is a TCP SYN, a UDP datagram, or a train of datagrams that the kernel had put together (GRO): runs are not always datagrams.
        # TYPE reuseport_agent_group_runs_total counter
        reuseport_agent_group_runs_total{pool="edge",group="ipfix",outcome="selected"} 10
        reuseport_agent_group_runs_total{pool="edge",group="ipfix",outcome="failed_over"} 15
        reuseport_agent_group_runs_total{pool="edge",group="ipfix",outcome="held"} 2
        reuseport_agent_group_runs_total{pool="edge",group="ipfix",outcome="no_collector"} 1
        reuseport_agent_group_runs_total{pool="edge",group="ipfix",outcome="bad_packet"} 0
        reuseport_agent_group_runs_total{pool="edge",group="bmp",outcome="selected"} 3
        reuseport_agent_group_runs_total{pool="edge",group="bmp",outcome="failed_over"} 0
        reuseport_agent_group_runs_total{pool="edge",group="bmp",outcome="held"} 0
        reuseport_agent_group_runs_total{pool="edge",group="bmp",outcome="no_collector"} 0
        reuseport_agent_group_runs_total{pool="edge",group="bmp",outcome="bad_packet"} 0
        # HELP reuseport_agent_group_dropped_bytes_total Bytes of the runs that were held or found no collector. UDP header and payload, or the TCP header of a SYN.
        # TYPE reuseport_agent_group_dropped_bytes_total counter
        reuseport_agent_group_dropped_bytes_total{pool="edge",group="ipfix"} 300
        reuseport_agent_group_dropped_bytes_total{pool="edge",group="bmp"} 0
        # HELP reuseport_agent_audit_findings Findings of the last audit, and of the state since. problem: traffic goes wrong or may go wrong at any moment, or the configuration file isn't in force; note: nothing is lost.
        # TYPE reuseport_agent_audit_findings gauge
        reuseport_agent_audit_findings{pool="edge",name="program_replaced",level="problem"} 0
        reuseport_agent_audit_findings{pool="edge",name="program_unverified",level="problem"} 0
        reuseport_agent_audit_findings{pool="edge",name="program_unverified",level="note"} 0
        reuseport_agent_audit_findings{pool="edge",name="stranger_in_group",level="problem"} 0
        reuseport_agent_audit_findings{pool="edge",name="old_socket_in_group",level="note"} 0
        reuseport_agent_audit_findings{pool="edge",name="socket_replaced",level="problem"} 0
        reuseport_agent_audit_findings{pool="edge",name="traffic_stolen",level="problem"} 0
        reuseport_agent_audit_findings{pool="edge",name="no_placeholder",level="note"} 0
        reuseport_agent_audit_findings{pool="edge",name="interface_missing",level="note"} 0
        reuseport_agent_audit_findings{pool="edge",name="interface_overtaken",level="note"} 0
        reuseport_agent_audit_findings{pool="edge",name="one_source_address",level="note"} 1
        reuseport_agent_audit_findings{pool="edge",name="session_not_ended",level="note"} 1
        reuseport_agent_audit_findings{pool="edge",name="socket_unselectable",level="problem"} 0
        reuseport_agent_audit_findings{pool="edge",name="two_users",level="problem"} 0
        reuseport_agent_audit_findings{pool="edge",name="collector_stalled",level="problem"} 0
        reuseport_agent_audit_findings{pool="edge",name="worker_overloaded",level="problem"} 0
        reuseport_agent_audit_findings{pool="edge",name="multicast_joined",level="problem"} 0
        reuseport_agent_audit_findings{pool="edge",name="no_collector",level="problem"} 0
        reuseport_agent_audit_findings{pool="edge",name="exporters_without_collector",level="problem"} 0
        reuseport_agent_audit_findings{pool="edge",name="group_without_collector",level="problem"} 0
        reuseport_agent_audit_findings{pool="edge",name="group_not_joined",level="problem"} 0
        reuseport_agent_audit_findings{pool="edge",name="reload_failed",level="problem"} 0
        # HELP reuseport_agent_tracking_capacity Source addresses that the table of exporters has room for; 0: tracking is off.
        # TYPE reuseport_agent_tracking_capacity gauge
        reuseport_agent_tracking_capacity{pool="edge"} 65536
        # HELP reuseport_agent_exporters Source addresses that have counts of their own now.
        # TYPE reuseport_agent_exporters gauge
        reuseport_agent_exporters{pool="edge"} 8192
        # HELP reuseport_agent_exporters_active Source addresses that sent something within the last tracking interval.
        # TYPE reuseport_agent_exporters_active gauge
        reuseport_agent_exporters_active{pool="edge"} 700
        # HELP reuseport_agent_tracking_fill_ratio Part of the table of exporters that is taken, 0 to 1.
        # TYPE reuseport_agent_tracking_fill_ratio gauge
        reuseport_agent_tracking_fill_ratio{pool="edge"} 0.125
        # HELP reuseport_agent_tracking_interval_seconds Minimum time between two notifications about one exporter; longer than configured while the table is full or notifications are lost. 0: one for each run.
        # TYPE reuseport_agent_tracking_interval_seconds gauge
        reuseport_agent_tracking_interval_seconds{pool="edge"} 2
        # HELP reuseport_agent_tracking_configured_interval_seconds Minimum time between two notifications about one exporter, as configured.
        # TYPE reuseport_agent_tracking_configured_interval_seconds gauge
        reuseport_agent_tracking_configured_interval_seconds{pool="edge"} 1
        # HELP reuseport_agent_tracking_untracked_runs_total Runs of addresses that the table had no room for, counts of addresses that were displaced, and all counts from before a reload that changed tracking.size: in no address's counts, but in all others. A run is a TCP SYN, a UDP datagram, or a train of datagrams that the kernel had put together (GRO): runs are not always datagrams.
        # TYPE reuseport_agent_tracking_untracked_runs_total counter
        reuseport_agent_tracking_untracked_runs_total{pool="edge"} 11
        # HELP reuseport_agent_tracking_untracked_bytes_total Bytes of untracked runs. UDP header and payload, or the TCP header of a SYN.
        # TYPE reuseport_agent_tracking_untracked_bytes_total counter
        reuseport_agent_tracking_untracked_bytes_total{pool="edge"} 1200
        # HELP reuseport_agent_tracking_evicted_total Source addresses that were displaced from the full table, after they were silent for an interval or longer.
        # TYPE reuseport_agent_tracking_evicted_total counter
        reuseport_agent_tracking_evicted_total{pool="edge"} 4
        # HELP reuseport_agent_tracking_events_lost_total Notifications about exporters that were lost on their way to the agent.
        # TYPE reuseport_agent_tracking_events_lost_total counter
        reuseport_agent_tracking_events_lost_total{pool="edge"} 5
        # HELP reuseport_agent_usage_pending_events Usage events that are not delivered yet.
        # TYPE reuseport_agent_usage_pending_events gauge
        reuseport_agent_usage_pending_events{pool="edge"} 12
        # HELP reuseport_agent_usage_pending_bytes Bytes of the pending usage events on the disk; at the queue's limit, intervals are merged, and no event is dropped.
        # TYPE reuseport_agent_usage_pending_bytes gauge
        reuseport_agent_usage_pending_bytes{pool="edge"} 4100
        # HELP reuseport_agent_usage_overdue Whether usage events could not be made, stored or delivered for too long, or the queue can't be used: 1 or 0.
        # TYPE reuseport_agent_usage_overdue gauge
        reuseport_agent_usage_overdue{pool="edge"} 1
        # HELP reuseport_agent_usage_last_delivery_timestamp_seconds When usage events were last delivered, in Unix time; absent before the agent's first delivery.
        # TYPE reuseport_agent_usage_last_delivery_timestamp_seconds gauge
        reuseport_agent_usage_last_delivery_timestamp_seconds{pool="edge"} 1700000100.5
        # HELP process_cpu_seconds_total User and system time of the agent's process.
        # TYPE process_cpu_seconds_total counter
        process_cpu_seconds_total 1.23
        # HELP process_resident_memory_bytes Resident memory of the agent's process.
        # TYPE process_resident_memory_bytes gauge
        process_resident_memory_bytes 20000000
        # HELP process_virtual_memory_bytes Address space of the agent's process.
        # TYPE process_virtual_memory_bytes gauge
        process_virtual_memory_bytes 300000000
        # HELP process_open_fds Descriptors that the agent's process has open.
        # TYPE process_open_fds gauge
        process_open_fds 31
        # HELP process_max_fds Limit of open descriptors of the agent's process.
        # TYPE process_max_fds gauge
        process_max_fds 1024
        # HELP process_start_time_seconds When the agent's process was started, in Unix time.
        # TYPE process_start_time_seconds gauge
        process_start_time_seconds 1700000000

        """#
}

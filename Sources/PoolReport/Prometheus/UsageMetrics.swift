import PoolModel

/// Whether usage events reach who bills by them; not where none are configured.
extension UsageStatus {
    var families: [MetricFamily] {
        [
            MetricFamily(
                "reuseport_agent_usage_pending_events", .gauge, "Usage events that are not delivered yet.",
                pendingEvents),
            MetricFamily(
                "reuseport_agent_usage_pending_bytes", .gauge,
                "Bytes of the pending usage events on the disk; at the queue's limit, intervals are merged, and no event is dropped.",
                pendingBytesOnDisk),
            MetricFamily(
                "reuseport_agent_usage_overdue", .gauge,
                "Whether usage events could not be made, stored or delivered for too long, or the queue can't be used: 1 or 0.",
                isOverdue),
        ] + lastDeliveryFamily
    }

    /// None: there was none since the agent began.
    private var lastDeliveryFamily: [MetricFamily] {
        guard let lastDelivery else { return [] }
        return [
            MetricFamily(
                "reuseport_agent_usage_last_delivery_timestamp_seconds", .gauge,
                "When usage events were last delivered, in Unix time; absent before the agent's first delivery.",
                lastDelivery)
        ]
    }
}

/// Whether usage events reach who bills by them; not where none are configured.
extension UsageStatus {
    var families: [MetricFamily] {
        [
            MetricFamily(
                "reuseport_agent_usage_pending_events", .gauge, "Usage events that are not delivered yet.",
                pendingEvents),
            MetricFamily(
                "reuseport_agent_usage_pending_bytes", .gauge,
                "Bytes that they take on the disk; at the queue's limit intervals are merged, and none is dropped.",
                pendingBytesOnDisk),
            MetricFamily(
                "reuseport_agent_usage_overdue", .gauge,
                "Whether usage events could not be made, kept or delivered for so long that somebody should look: 1 or 0.",
                isOverdue),
        ] + lastDeliveryFamily
    }

    /// None: there was none since the agent began.
    private var lastDeliveryFamily: [MetricFamily] {
        guard let lastDelivery else { return [] }
        return [
            MetricFamily(
                "reuseport_agent_usage_last_delivery_timestamp_seconds", .gauge,
                "When usage events were delivered last, in Unix time; not there before the agent's first delivery.",
                lastDelivery)
        ]
    }
}

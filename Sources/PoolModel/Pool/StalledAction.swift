/// What happens to a collector that reads nothing while data waits in its sockets.
public enum StalledAction: String, Sendable, CaseIterable {
    /// It is reported: log, finding, event, metric.
    case report
    /// In addition, its exporters go to other collectors after the restart hold, until it reads again.
    case failover
}

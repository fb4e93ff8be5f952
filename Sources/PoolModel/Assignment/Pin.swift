/// A pin that the agent stores, in addition to those of the configuration.
public struct Pin: Equatable, Sendable, Codable {
    /// A configured exporter's name, or an address.
    public var exporter: String
    public var collector: String

    public init(exporter: String, collector: String) {
        self.exporter = exporter
        self.collector = collector
    }
}

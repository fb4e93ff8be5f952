/// What GET /metrics tells: the pool at one moment, and the agent that runs it.
///
/// No metric is labelled by an exporter's address: there may be any number of them, and
/// GET /exporters lists them. Label values are names of the configuration and words of
/// this program.
public struct AgentMetrics: Sendable {
    public var status: PoolStatus
    public var configuration: ConfigurationFacts
    public var process: ProcessUsage
    /// Of the agent.
    public var version: String
    /// Of the pinned maps.
    public var layout: Int

    public init(
        status: PoolStatus, configuration: ConfigurationFacts, process: ProcessUsage, version: String, layout: Int
    ) {
        self.status = status
        self.configuration = configuration
        self.process = process
        self.version = version
        self.layout = layout
    }

    public var text: String { MetricText.of(families) }

    /// Each name once.
    public var families: [MetricFamily] {
        let pool = MetricFamily.Label("pool", status.pool)
        let ofPool =
            configurationFamilies + status.collectorFamilies + status.membershipFamilies + status.groupFamilies
            + status.findingFamilies + (status.tracking?.families ?? [])
            + (status.usage?.families ?? [])
        return [buildFamily] + ofPool.map { $0.labelled(pool) } + process.families
    }

    private var buildFamily: MetricFamily {
        var build = MetricFamily(
            "reuseport_agent_build_info", .gauge,
            "Always 1: the agent's version, and that of the layout of its pinned maps.")
        build.add([.init("version", version), .init("layout", "\(layout)")], 1)
        return build
    }

    private var configurationFamilies: [MetricFamily] {
        var info = MetricFamily(
            "reuseport_agent_pool_info", .gauge, "Always 1: how the pool assigns exporters to collectors.")
        info.add([.init("assignment", status.assignment)], 1)
        return [
            info,
            MetricFamily(
                "reuseport_agent_config_last_reload_successful", .gauge,
                "Whether the configuration could be used when it was last read: 1 or 0.",
                configuration.isLastReloadSuccessful),
            MetricFamily(
                "reuseport_agent_config_last_reload_success_timestamp_seconds", .gauge,
                "When the configuration that is in force was read, in Unix time.", configuration.lastSuccess),
        ]
    }
}

/// What became of the agent's configuration file when it was last read.
public struct ConfigurationFacts: Equatable, Sendable {
    public var isLastReloadSuccessful: Bool
    /// Unix time in seconds of the last one that came into force.
    public var lastSuccess: Double

    public init(isLastReloadSuccessful: Bool, lastSuccess: Double) {
        self.isLastReloadSuccessful = isLastReloadSuccessful
        self.lastSuccess = lastSuccess
    }
}

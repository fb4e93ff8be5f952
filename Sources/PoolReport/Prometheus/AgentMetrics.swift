import PoolModel

/// The metrics of GET /metrics: the pool at one moment, and the agent that runs it.
///
/// No metric has an exporter's address as a label: there may be any number of them, and
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
            "Always 1: versions of the agent and of the layout of its pinned maps.")
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
                "Whether the agent could use the configuration when it last read it: 1 or 0.",
                configuration.isLastReloadSuccessful),
            MetricFamily(
                "reuseport_agent_config_last_reload_success_timestamp_seconds", .gauge,
                "When the agent read the configuration in force, in Unix time.", configuration.lastSuccess),
        ]
    }
}

/// The result of the last read of the agent's configuration file.
public struct ConfigurationFacts: Equatable, Sendable {
    public var isLastReloadSuccessful: Bool
    /// When the configuration in force was read, in Unix time.
    public var lastSuccess: Double

    public init(isLastReloadSuccessful: Bool, lastSuccess: Double) {
        self.isLastReloadSuccessful = isLastReloadSuccessful
        self.lastSuccess = lastSuccess
    }
}

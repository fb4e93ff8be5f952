import CBPFShim
import SockArrayCore

extension RunningPool {
    /// What GET /metrics tells, as it is now.
    func metrics() throws(Failure) -> AgentMetrics {
        AgentMetrics(
            status: try status(), configuration: configurationFacts, process: OwnProcess.usage(),
            version: AgentVersion.text, layout: Int(RPA_LAYOUT_VERSION))
    }
}

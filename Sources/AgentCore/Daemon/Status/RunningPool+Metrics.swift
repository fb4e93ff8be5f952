import CBPFShim
import PoolModel
import PoolReport
import SockArrayCore

extension RunningPool {
    /// The current values for GET /metrics.
    func metrics() throws(Failure) -> AgentMetrics {
        AgentMetrics(
            status: try status(), configuration: configurationFacts, process: OwnProcess.usage(),
            version: AgentVersion.text, layout: Int(RPA_LAYOUT_VERSION))
    }
}

import Logging
import PoolModel
import SockArrayCore

/// What `run` logs of its surroundings when it starts. None of it keeps the agent from working.
struct StartWarnings {
    private let configuration: PoolConfiguration
    private let survey: StartSurvey

    /// To be made before the pool is, which leaves pins.
    init(of configuration: PoolConfiguration) {
        self.configuration = configuration
        survey = StartSurvey(configuration)
    }

    /// To be called when the pool has its pins.
    func log(to log: Logger) {
        if let danger = PinLifetime.probe(bpffs: configuration.bpffs).danger {
            log.warning("pins in \(configuration.bpffs): \(danger); \(PinLifetime.remedy)")
        }
        for rival in survey.rivals {
            guard let problem = rival.problem else { continue }
            let message: Logger.Message = "group \(rival.group.name): \(problem); \(rival.remedy)"
            if rival.isHere { log.error(message) } else { log.warning(message) }
        }
        for unclaimed in survey.unclaimed {
            log.warning(
                "group \(unclaimed.group.name): \(unclaimed.problem); \(configuration.remedyForUnclaimedSockets)")
        }
        if case .ahead(let offsets) = KernelClock.relation {
            log.notice(
                "the agent is in a time namespace, and converts its times to the kernel's clock",
                metadata: ["ahead": "\(offsets.monotonic / 1_000_000_000) s"])
        }
    }
}

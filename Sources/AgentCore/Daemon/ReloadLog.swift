import PoolModel
import PoolReport
import SockArrayCore

/// What became of the configuration file each time that the agent read it.
struct ReloadLog {
    /// Since the agent's start.
    private(set) var attempts = 0
    private(set) var successes = 0
    /// Why the last reload failed; nil: it succeeded, or there was none.
    private(set) var failure: Failure?
    /// When the configuration in force was read, in Unix time.
    private var lastSuccess = WallClock.now

    var facts: ConfigurationFacts {
        ConfigurationFacts(isLastReloadSuccessful: failure == nil, lastSuccess: lastSuccess)
    }

    mutating func noteSuccess() {
        attempts += 1
        successes += 1
        (failure, lastSuccess) = (nil, WallClock.now)
    }

    mutating func note(_ failure: Failure) {
        attempts += 1
        self.failure = failure
    }
}

import PoolModel

/// The deployment in force, and what remains to be done for it. All parts of the engine share it.
final class ActivePool {
    private(set) var deployment: Deployment
    /// Changes with each registration, its undoing and each reload.
    private(set) var revision = 0
    /// Why the last change that is in force could not be completed; it is tried again.
    private(set) var interruption: Failure?

    init(_ deployment: Deployment) { self.deployment = deployment }

    var maps: PoolMaps { deployment.maps }

    func replaceDeployment(by other: Deployment) {
        deployment = other
        interruption = nil
        noteChange()
    }

    func noteChange() { revision += 1 }

    /// Makes a kernel's refusal the failure of the act.
    func attempt<Result>(_ act: String, _ body: () throws(KernelError) -> Result) throws(Failure) -> Result {
        do { return try body() } catch {
            throw PoolError.call(error).failure(act: act, pool: deployment.configuration.pool)
        }
    }

    /// Completes a change that is in force. When the kernel refuses a part, `resume` tries it again
    /// later, because the change is not undone.
    func attemptLater(_ act: String, _ body: () throws(KernelError) -> Void) {
        do { try attempt(act, body) } catch { interruption = error }
    }

    /// Tries again what was refused.
    func resume(_ body: () throws(KernelError) -> Void) throws(KernelError) {
        try body()
        interruption = nil
    }
}

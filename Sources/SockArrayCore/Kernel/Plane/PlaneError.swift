/// Why a pool's kernel objects could not be made, adopted or used.
package enum PlaneError: Error {
    /// A call that has no meaning of its own here.
    case call(KernelError)
    /// The kernel refused the program.
    case program(KernelError, verifierLog: String)
    /// A pin is there that this version can't use.
    case foreignPin(path: String)

    static func wrap<Result>(_ body: () throws(KernelError) -> Result) throws(PlaneError) -> Result {
        do { return try body() } catch { throw .call(error) }
    }

    private var errno: Int32? {
        switch self {
        case .call(let error), .program(let error, _): error.errno
        case .foreignPin: nil
        }
    }

    /// - Parameter act: what was tried, `run pool edge`.
    func failure(act: String, pool: String) -> Failure {
        if let number = errno, let failure = Failure.openFiles(act: act, errno: number) { return failure }
        let unload = "stop the agent and run: reuseport-agent unload --pool \(pool)"
        switch self {
        case .call(let error) where error.errno == KernelError.accessDenied && error.operation.contains("/"):
            return Failure(
                .privilege, act: act, cause: "\(error.operation) was not permitted", errno: error.errno,
                remedy: "run it as root, or by the systemd unit of the examples, which gives the folder of pins to the "
                    + "agent's user (and CAP_BPF with it); see: reuseport-agent check --config FILE")
        case .call(let error) where [KernelError.notPermitted, KernelError.accessDenied].contains(error.errno):
            return Failure(
                .privilege, act: act, cause: "\(error.operation) was not permitted", errno: error.errno,
                remedy: "run it as root or with CAP_BPF (AmbientCapabilities= of its unit); see: reuseport-agent check")
        case .call(let error):
            return Failure(
                .privilege, act: act, cause: "\(error.operation) failed", errno: error.errno,
                remedy: "see: reuseport-agent check")
        case .program(let error, _) where error.errno == 1:
            return Failure(
                .privilege, act: act, cause: "loading the SK_REUSEPORT program was not permitted",
                errno: error.errno, remedy: "run it as root or with CAP_BPF; see: reuseport-agent check")
        case .program(let error, let log):
            let lastLine =
                log.split(separator: "\n").last { !$0.hasPrefix("processed ") }.map { ": \($0)" } ?? ""
            return Failure(
                .privilege, act: act,
                cause: "the kernel did not load the SK_REUSEPORT program\(lastLine)", errno: error.errno,
                remedy: "it needs Linux 5.8 or later; see: reuseport-agent check")
        case .foreignPin(let path):
            return Failure(
                .conflict, act: act, cause: "\(path) was pinned by another version or another program",
                remedy: unload)
        }
    }
}

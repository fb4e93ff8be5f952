import CBPFShim
import PoolModel

/// Why a pool's kernel objects could not be made, adopted or used.
package enum PoolError: Error {
    /// A call that has no meaning of its own here.
    case call(KernelError)
    /// The kernel refused the program; what its verifier said.
    case program(KernelError, verifierLog: String)
    /// A pin is there that this version can't use.
    case foreignPin(path: String)
    /// The pool's pins have the layout of another version.
    case otherLayout(found: UInt64)
    /// Another table would move most exporters, and nobody has allowed that.
    case reshuffle(from: GenerationShape, to: GenerationShape, isRunning: Bool)
    /// A socket like a group's could not be made.
    case groupSocket(KernelError)
    /// No descriptor could be borrowed.
    case borrowing(KernelError)

    static func wrap<Result>(_ body: () throws(KernelError) -> Result) throws(PoolError) -> Result {
        do { return try body() } catch { throw .call(error) }
    }

    private var errno: Int32? {
        switch self {
        case .call(let error), .program(let error, _), .groupSocket(let error), .borrowing(let error): error.errno
        case .foreignPin, .otherLayout, .reshuffle: nil
        }
    }

    /// - Parameters:
    ///   - act: what was tried, `run pool edge`.
    ///   - memoryNeed: bytes that the agent needs with its configuration, about; nil: not known.
    func failure(act: String, pool: String, memoryNeed: UInt64? = nil) -> Failure {
        if let number = errno, let failure = Failure.openFiles(act: act, errno: number) { return failure }
        let refusal: Refusal
        switch self {
        case .call(let error) where error.errno == KernelError.accessDenied && error.operation.contains("/"):
            return Failure(
                .privilege, act: act, cause: "\(error.operation) was not permitted", errno: error.errno,
                remedy: "run it as root, or by the systemd unit of the examples, which gives the folder of pins to the "
                    + "agent's user (and CAP_BPF with it); see: reuseport-agent check --config FILE")
        case .call(let error) where error.operation.contains("sock_diag"):
            refusal = Refusal.ofSocketDiag(error, .current(callsBPF: false))
        case .call(let error):
            refusal = Refusal.ofBPF(error, .current(), memoryNeed: memoryNeed)
        case .program(let error, let log):
            refusal = Refusal.ofProgram(error, log: log, .current(), memoryNeed: memoryNeed)
        case .groupSocket(let error):
            refusal = Refusal.ofGroupSocket(error, .current(callsBPF: false))
        case .borrowing(let error):
            refusal = Refusal.ofBorrowing(error, .current(callsBPF: false))
        case .otherLayout(let found):
            return Failure(
                .conflict, act: act,
                cause: "its pins have layout \(found), this version knows layout \(RPA_LAYOUT_VERSION)",
                remedy:
                    "run the version that made them, or run: reuseport-agent unload --pool \(pool), and start the agent "
                    + "again; its collectors register again then")
        case .reshuffle(let present, let shape, let isRunning):
            return shape.reshuffleFailure(from: present, isRunning: isRunning, act: act)
        case .foreignPin(let path):
            return Failure(
                .conflict, act: act, cause: "\(path) was pinned by another version or another program",
                remedy: "stop the agent and run: reuseport-agent unload --pool \(pool)")
        }
        return Failure(.privilege, act: act, cause: refusal.cause, errno: errno, remedy: refusal.remedy)
    }
}

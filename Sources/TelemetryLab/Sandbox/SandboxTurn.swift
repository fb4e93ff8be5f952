/// Lets one sandbox run at a time, because the tests of a process run concurrently.
///
/// Tests share the machine and measure time. They also share the table of
/// descriptors: an agent that looks for the owner of passed sockets borrows all
/// sockets of the test process for a moment, and a socket that another test closes
/// meanwhile lives on in the copy.
///
/// A few sandboxes of a kind that measures no time can run at once.
actor SandboxTurn {
    static let shared = SandboxTurn()

    private var running = 0
    private var present = SandboxKind.alone
    private var waiting: [(kind: SandboxKind, continuation: CheckedContinuation<Void, Never>)] = []

    func take(_ kind: SandboxKind) async {
        guard running > 0, kind != present || running >= kind.room else {
            start(kind)
            return
        }
        await withCheckedContinuation { waiting.append((kind, $0)) }
    }

    /// Gives the turn to the next sandboxes in order, and to those that can run beside them.
    func give() {
        running -= 1
        while let next = waiting.firstIndex(where: { running == 0 || $0.kind == present && running < $0.kind.room }) {
            let (kind, continuation) = waiting.remove(at: next)
            start(kind)
            continuation.resume()
        }
    }

    private func start(_ kind: SandboxKind) {
        running += 1
        present = kind
    }
}

/// The kind of a sandbox: sandboxes of the same kind can run concurrently.
public enum SandboxKind: Sendable {
    /// Runs alone: it measures time, or has much traffic.
    case alone
    /// Starts no process.
    case inProcess
    /// Its processes are not timed: a test kills them at each step, for example.
    case unhurried

    /// The maximum number of concurrent sandboxes of the kind.
    fileprivate var room: Int {
        switch self {
        case .alone: 1
        case .inProcess: 2
        case .unhurried: 3
        }
    }
}

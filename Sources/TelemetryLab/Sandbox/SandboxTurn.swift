/// One sandbox at a time: tests of a process run beside each other otherwise.
///
/// They share the machine, and what they measure is time. And they share the table
/// of descriptors: an agent that looks for the owner of passed sockets borrows all
/// that the test process has for a moment, and a socket that another test closes
/// then lives on in the copy.
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

/// The kind of a sandbox: it can run beside another one of its kind.
public enum SandboxKind: Sendable {
    /// Nothing: it measures time, or has much traffic.
    case alone
    /// It starts no process.
    case inProcess
    /// Its processes may take their time: they are killed at each step, say.
    case unhurried

    /// Sandboxes that run at the same time.
    fileprivate var room: Int {
        switch self {
        case .alone: 1
        case .inProcess: 2
        case .unhurried: 3
        }
    }
}

/// One sandbox at a time: tests of a process run beside each other otherwise.
///
/// They share the machine, and what they measure is time. And they share the table
/// of descriptors: an agent that looks for the owner of passed sockets borrows all
/// that the test process has for a moment, and a socket that another test closes
/// then lives on in the copy.
///
/// Sandboxes that start no process and measure no time may be two at a time.
actor SandboxTurn {
    static let shared = SandboxTurn()

    enum Kind {
        case alone, besideItsLike

        /// Sandboxes that run at the same time.
        fileprivate var room: Int { self == .alone ? 1 : 2 }
    }

    private var running = 0
    private var present = Kind.alone
    private var waiting: [(kind: Kind, continuation: CheckedContinuation<Void, Never>)] = []

    func take(_ kind: Kind) async {
        guard running > 0, kind != present || running >= kind.room else {
            start(kind)
            return
        }
        await withCheckedContinuation { waiting.append((kind, $0)) }
    }

    /// The next one's, in the order in which they came, and of those that run beside
    /// each other.
    func give() {
        running -= 1
        while let next = waiting.firstIndex(where: { running == 0 || $0.kind == present && running < $0.kind.room }) {
            let (kind, continuation) = waiting.remove(at: next)
            start(kind)
            continuation.resume()
        }
    }

    private func start(_ kind: Kind) {
        running += 1
        present = kind
    }
}

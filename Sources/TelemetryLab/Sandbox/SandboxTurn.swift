/// One sandbox at a time: tests of a process run beside each other otherwise.
///
/// They share the machine, and what they measure is time. And they share the table
/// of descriptors: an agent that looks for the owner of passed sockets borrows all
/// that the test process has for a moment, and a socket that another test closes
/// then lives on in the copy.
actor SandboxTurn {
    static let shared = SandboxTurn()

    private var isTaken = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func take() async {
        guard isTaken else {
            isTaken = true
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    /// The next one's, in the order in which they came.
    func give() {
        if waiting.isEmpty { isTaken = false } else { waiting.removeFirst().resume() }
    }
}

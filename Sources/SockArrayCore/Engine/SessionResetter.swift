import PoolModel

/// Ends TCP sessions for `on_move: reset`, so that a router that reconnects at once finds its new
/// collector.
final class SessionResetter {
    /// Why the last session that had to end did not (errno); nil: it did.
    private(set) var refusal: Int32?
    private var ended = 0

    /// Rows move at once, and their sessions are ended after it. False: rows wait for their sessions.
    func isInForce(in deployment: Deployment) -> Bool {
        guard deployment.configuration.onMove == .reset, deployment.table.assignment.hasAffinity else { return false }
        if refusal == nil, !TCPSession.mayDestroy { refusal = KernelError.notPermitted }
        return ![KernelError.notPermitted, KernelError.notSupported].contains(refusal)
    }

    /// A session that has ended by itself counts neither as ended nor as a refusal.
    func end(_ connection: TCPSession) throws(KernelError) {
        do throws(KernelError) {
            guard try connection.destroy() else { return }
            refusal = nil
            ended += 1
        } catch {
            refusal = error.errno
            throw error
        }
    }

    /// A reload may bring another `on_move`.
    func forgetRefusal() { refusal = nil }

    /// Sessions that were ended since the last call.
    func takeEnded() -> Int {
        defer { ended = 0 }
        return ended
    }
}

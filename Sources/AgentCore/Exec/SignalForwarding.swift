import Glibc

/// Which of the signals that `exec` gets go on to its command.
///
/// The command stays in exec's process group and session. tini gives it a group
/// of its own and the terminal with it, dumb-init a session: then Ctrl-Z stops
/// the command alone, and the shell that waits for tini waits on. In one group a
/// key's signal reaches the command without us, and is not to reach it twice.
struct SignalForwarding {
    /// exec leads its session (ssh -t, docker run -t).
    var leadsSession: Bool
    /// The command hasn't moved to another process group.
    var sharesGroup: Bool
    var command: Int32

    func forwards(_ signal: Int32, fromKernel: Bool, sender: Int32) -> Bool {
        if signal == SIGCHLD { return false }
        // A shell's `trap 'kill 0' TERM` tells its whole group, and must not be told again.
        if sender == command, !fromKernel { return false }
        guard fromKernel, sharesGroup else { return true }
        // Of a terminal that goes away the session's leader alone is told.
        return leadsSession && (signal == SIGHUP || signal == SIGCONT)
    }

    /// Ctrl-Z: the shell waits for exec to stop, too. A stop signal that somebody
    /// sent stops the command alone: exec goes on forwarding, SIGCONT as well.
    func stopsItself(_ signal: Int32, fromKernel: Bool) -> Bool { signal == SIGTSTP && fromKernel }
}

import Glibc

/// Decides which signals `exec` forwards to its command.
///
/// The command stays in exec's process group and session. tini gives its command a process group with the
/// terminal, and dumb-init a session: then Ctrl-Z stops only the command, and the shell keeps waiting for
/// tini. In one group, the terminal sends a key's signal to the command, too, so `exec` must not forward
/// it.
struct SignalForwarding {
    /// exec leads its session (ssh -t, docker run -t).
    var leadsSession: Bool
    /// The command hasn't moved to another process group.
    var sharesGroup: Bool
    var command: Int32

    func forwards(_ signal: Int32, fromKernel: Bool, sender: Int32) -> Bool {
        if signal == SIGCHLD { return false }
        // A shell's `trap 'kill 0' TERM` signals its whole group; forwarding that would repeat it.
        if sender == command, !fromKernel { return false }
        guard fromKernel, sharesGroup else { return true }
        // When a terminal goes away, the kernel signals only the session's leader.
        return leadsSession && (signal == SIGHUP || signal == SIGCONT)
    }

    /// Whether exec stops itself, too: after Ctrl-Z, the shell waits for exec to stop. A stop signal from
    /// another process stops only the command, and exec continues to forward signals, SIGCONT included.
    func stopsItself(_ signal: Int32, fromKernel: Bool) -> Bool { signal == SIGTSTP && fromKernel }
}

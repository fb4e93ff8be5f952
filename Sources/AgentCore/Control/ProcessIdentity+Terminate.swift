import Glibc
import PoolModel
import SockArrayCore

extension ProcessIdentity {
    /// Sends SIGTERM to the process, and to no other process that has its pid by now, or has it in this PID
    /// namespace.
    ///
    /// - Parameter collector: the name that the process had before another one replaced it.
    /// - Returns: `false` if there is no such process here: it has ended, or is in another PID namespace.
    package func terminate(asOld collector: String) throws(Failure) -> Bool {
        do throws(KernelError) {
            let process = try OtherProcess(pid: pid)
            guard isAlive else { return false }
            try process.send(SIGTERM)
            return true
        } catch {
            if error.errno == ESRCH { return false }
            throw Failure(
                .privilege, act: "end process \(pid), the old \(collector)", cause: "SIGTERM was refused",
                errno: error.errno, remedy: "\(collector) is replaced; run kill \(pid) as root or as its user")
        }
    }
}

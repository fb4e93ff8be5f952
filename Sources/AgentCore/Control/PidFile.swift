import Glibc
import PoolModel
import SockArrayCore

extension PidFile {
    /// - Throws: `.incomplete` while the file is missing, empty or stale; `.refused` if it can't be read.
    package func livePid(act: String) throws(RegistrationPlan.Refusal) -> Int32 {
        func later(_ cause: String, _ number: Int32? = nil) -> RegistrationPlan.Refusal {
            .incomplete(
                Failure(
                    .unfitSocket, act: act, cause: "\(path) \(cause)", errno: number,
                    remedy: "wait until the collector has written its pid there: --wait 30"))
        }
        do {
            return try livePid()
        } catch {
            switch error {
            case .absent: throw later("is not there", ENOENT)
            case .holdsNoPid: throw later("holds no pid")
            case .stale(let pid): throw later("is stale: process \(pid) is gone", KernelError.noProcess)
            case .unreadable(let number):
                throw .refused(
                    Failure(
                        number == EISDIR ? .usage : .privilege, act: act, cause: "\(path) can't be read", errno: number,
                        remedy: "give the collector's pid file, as a user who may read it, or its pid with --pid"))
            }
        }
    }
}

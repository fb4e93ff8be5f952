import Glibc
import SockArrayCore

/// The file in which a collector tells its pid.
struct PidFile {
    let path: String

    /// - Throws: `.incomplete` while it is missing, empty or stale, `.refused` if it can't be read.
    func livePid(act: String) throws(RegistrationPlan.Refusal) -> Int32 {
        func later(_ cause: String, _ number: Int32? = nil) -> RegistrationPlan.Refusal {
            .incomplete(
                Failure(
                    .unfitSocket, act: act, cause: "\(path) \(cause)", errno: number,
                    remedy: "wait until the collector has written its pid there: --wait 30"))
        }
        func unreadable(_ number: Int32) -> RegistrationPlan.Refusal {
            .refused(
                Failure(
                    number == EISDIR ? .usage : .privilege, act: act, cause: "\(path) can't be read", errno: number,
                    remedy: "give the collector's pid file, as a user who may read it, or its pid with --pid"))
        }
        let number = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard number >= 0 else { throw errno == ENOENT ? later("is not there", ENOENT) : unreadable(errno) }
        let file = Descriptor(owning: number)
        var bytes = [UInt8](repeating: 0, count: 64)
        let length = read(file.number, &bytes, bytes.count)
        guard length >= 0 else { throw unreadable(errno) }
        let words = bytes[..<length].split { " \t\r\n".utf8.contains($0) }
        guard let word = words.first, let pid = Int32(String(decoding: word, as: UTF8.self)), pid > 0 else {
            throw later("holds no pid")
        }
        guard ProcessFacts.startTime(of: pid) != nil else {
            throw later("is stale: process \(pid) is gone", KernelError.noProcess)
        }
        return pid
    }
}

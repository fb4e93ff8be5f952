import Glibc
import PoolModel

/// Descriptors passed by a service manager (sd_listen_fds(3)).
package enum ListenDescriptors {
    package static let first: Int32 = 3

    /// - Parameter groups: names of the pool's groups.
    package static func fromEnvironment(groups: [String], act: String) throws(Failure) -> [Int32] {
        func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
        return try parse(
            pid: variable("LISTEN_PID"), count: variable("LISTEN_FDS"), names: variable("LISTEN_FDNAMES"),
            ourPid: getpid(), groups: groups, act: act)
    }

    /// The descriptors that are named like a group (FileDescriptorName=), which lets a service
    /// have other sockets, too. If no descriptor has such a name, all descriptors.
    static func parse(
        pid: String?, count: String?, names: String?, ourPid: Int32, groups: [String], act: String
    ) throws(Failure) -> [Int32] {
        func wrong(_ cause: String) -> Failure {
            Failure(
                .usage, act: act, cause: cause,
                remedy: "run it from a unit with Sockets=, or give the descriptors with --fd")
        }
        guard let count else { throw wrong("LISTEN_FDS is not set: no service manager passed descriptors") }
        guard let number = Int32(count), number > 0, number <= 4_096 else {
            throw wrong("LISTEN_FDS is \"\(count)\", not a count of descriptors")
        }
        guard let pid else { throw wrong("LISTEN_PID is not set: it names the process that the descriptors are for") }
        guard Int32(pid) == ourPid else {
            throw wrong("LISTEN_PID is \(pid): the descriptors are not for this process, \(ourPid)")
        }
        let all = (0..<number).map { first + $0 }
        guard let names else { return all }
        let list = names.split(separator: ":", omittingEmptySubsequences: false)
        guard list.count == all.count else {
            throw wrong("LISTEN_FDNAMES has \(list.count) names for \(number) descriptors")
        }
        let marked = zip(all, list).filter { groups.contains(String($0.1)) }.map(\.0)
        return marked.isEmpty ? all : marked
    }
}

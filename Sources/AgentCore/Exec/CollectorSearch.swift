import PoolModel
import SockArrayCore

/// The result of the search for a collector among this process's descendants.
enum CollectorSearch: ~Copyable {
    /// A process that has a socket for every group of the pool, and those of its sockets that belong to the
    /// groups, borrowed.
    case found(OtherProcess, [OfferedSocket])
    /// No process has a socket for every group.
    case incomplete(Failure)
    /// A process listens in a way that no group takes: waiting doesn't help.
    case unfit(Failure)
    /// No readable process has a socket for every group. These processes aren't readable for `exec`; the
    /// agent may be allowed to read them.
    case hidden([Int32])

    /// Searches the descendants, the nearest first, because a collector's children may have inherited sockets
    /// that they don't read.
    static func among(descendantsOf root: Int32, groups: [ReuseportGroup], act: String) -> CollectorSearch {
        var hidden: [Int32] = []
        var nearest: (pid: Int32, sockets: [SocketFacts], missing: [ReuseportGroup])?
        for pid in ProcessFacts.descendants(of: root) {
            do {
                let process = try OtherProcess(pid: pid)
                let sockets = try process.sockets { socket in groups.contains { $0.hasCandidate(socket) } }
                let missing = groups.filter { group in
                    !sockets.borrowed.contains { group.hasCandidate($0.offer.socket) }
                }
                if missing.isEmpty { return .found(process, sockets.borrowed) }
                if missing.count < nearest?.missing.count ?? .max { nearest = (pid, sockets.all, missing) }
            } catch  where error.errno == KernelError.noProcess {
                continue
            } catch {
                // EPERM; ENOSYS before Linux 5.6.
                hidden.append(pid)
            }
        }
        if !hidden.isEmpty { return .hidden(hidden) }
        guard let nearest else {
            return .incomplete(
                Failure(
                    .unfitSocket, act: act, cause: "the command has no process any more",
                    errno: KernelError.noProcess, remedy: "run the command in the foreground"))
        }
        if let failure = CollectorProcess.listensByMPTCP(nearest.pid, nearest.sockets, nearest.missing, act: act) {
            return .unfit(failure)
        }
        return .incomplete(
            Failure(
                .unfitSocket, act: act,
                cause: "no process of the command has a socket for every group; process \(nearest.pid) has none of "
                    + nearest.missing.map(\.endpoint).joined(separator: ", ")
                    + CollectorProcess.whatItHas(nearest.sockets),
                remedy: "make its bind addresses the same as the groups' addresses in the agent's configuration"))
    }
}

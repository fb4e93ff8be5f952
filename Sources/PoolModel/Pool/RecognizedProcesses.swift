/// Which processes are which collectors', as far as they are recognized.
public struct RecognizedProcesses: Equatable, Sendable {
    /// By collector, in the order in which they are to be asked for sockets: the
    /// ancestor of the others first. A collector of which there is none is missing.
    public let pids: [String: [Int32]]
    /// Those that are recognized as several collectors, and so as none.
    public let ambiguous: [Int32: Set<String>]

    /// - Parameters:
    ///   - found: collectors by process.
    ///   - parent: a process's parent; nil where there is none any more.
    public init(_ found: [Int32: Set<String>], parent: (Int32) -> Int32?) {
        ambiguous = found.filter { $0.value.count > 1 }
        var pids: [String: Set<Int32>] = [:]
        for (pid, names) in found where names.count == 1 { pids[names.first!, default: []].insert(pid) }
        self.pids = pids.mapValues { Recognition.ancestorsFirst($0, parent: parent) }
    }
}

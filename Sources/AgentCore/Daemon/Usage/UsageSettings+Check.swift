import Glibc
import SockArrayCore

/// What only this machine can tell of them. Nothing is made, unless that is said.
extension UsageSettings {
    /// - Parameter awaitsFolder: a file of events whose folder isn't there is waited for.
    /// - Returns: that it isn't there.
    /// - Throws: `.usage` where no folder can be, or no file of events.
    @discardableResult
    package func check(awaitsFolder: Bool) throws(Failure) -> Failure? {
        try checkFolder(makes: false)
        guard let file = FileTargetCheck(self), case .homeless(let failure) = try file.finding() else { return nil }
        guard awaitsFolder else { throw failure }
        return failure
    }

    /// - Parameter makes: it is made, if it isn't there.
    /// - Throws: `.usage` where no folder can be.
    func checkFolder(makes: Bool) throws(Failure) {
        let error = makes ? DurableFile.makeFolder(folder) : DurableFile.probeFolder(folder)
        // A disk that is full may have room later.
        guard error != 0, error != ENOSPC else { return }
        throw Failure(
            .usage, act: "use the folder of usage events \(folder)", cause: "it can't be made or written",
            errno: error, remedy: "make it for the agent's user, or give another one as queue: {folder: ...}")
    }
}

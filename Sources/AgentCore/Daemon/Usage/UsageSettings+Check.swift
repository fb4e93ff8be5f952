import Glibc
import PoolModel

/// Checks of the settings that depend on this machine. They create nothing unless they say so.
extension UsageSettings {
    /// - Parameter awaitsFolder: whether the folder of the file of events may be missing for now.
    /// - Returns: a failure for that missing folder; nil if the folder exists.
    /// - Throws: `.usage` if the queue's folder or the file of events can't exist.
    @discardableResult
    package func check(awaitsFolder: Bool) throws(Failure) -> Failure? {
        try checkFolder(makes: false)
        guard let file = FileTargetCheck(self), case .missingFolder(let failure) = try file.finding() else {
            return nil
        }
        guard awaitsFolder else { throw failure }
        return failure
    }

    /// - Parameter makes: whether to create the folder if it doesn't exist.
    /// - Throws: `.usage` if no such folder can exist.
    func checkFolder(makes: Bool) throws(Failure) {
        let error = makes ? DurableFile.makeFolder(folder) : DurableFile.probeFolder(folder)
        // A full disk may have room later.
        guard error != 0, error != ENOSPC else { return }
        throw Failure(
            .usage, act: "use the folder of usage events \(folder)", cause: "it can't be created or written",
            errno: error, remedy: "create it for the agent's user, or set another one: queue: {folder: ...}")
    }
}

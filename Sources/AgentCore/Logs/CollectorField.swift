import Logging
import PoolModel

extension Logger {
    /// For messages about one collector: `journalctl COLLECTOR=c1` shows all of its life.
    ///
    /// - Parameters:
    ///   - collector: its name; nil: the message is about none, or several.
    ///   - key: what repetitions of the message have in common; nil: the complete text. See `LogRecord.key`.
    package func of(_ collector: String?, key: String? = nil) -> Logger {
        var logger = self
        if let collector { logger[metadataKey: "collector"] = "\(collector)" }
        if let key { logger[metadataKey: AgentLogHandler.keyName] = "\(key)" }
        return logger
    }
}

extension Failure {
    /// For `LogRecord.key`: all but the cause, which may name a process.
    var key: String { "\(kind) \(act) \(errno ?? 0) \(remedy)" }
}

import Logging

extension Logger {
    /// For messages about one collector: `journalctl COLLECTOR=c1` shows all of its life.
    ///
    /// - Parameter collector: its name; nil: the message is about none, or several.
    package func of(_ collector: String?) -> Logger {
        guard let collector else { return self }
        var logger = self
        logger[metadataKey: "collector"] = "\(collector)"
        return logger
    }
}

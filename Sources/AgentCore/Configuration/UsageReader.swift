import PoolModel

/// Reads `usage` and `meter`: what the agent counts for billing, and where it delivers the counts.
struct UsageReader {
    /// Maximum length of an argument of `usage.to.command`, in bytes.
    static let longestArgument = 4_096

    let file: String
    let pool: String

    func usage(_ value: Value) throws(Failure) -> UsageSettings {
        let section = try Section(value.node, file: file, title: "usage")
        try section.allowOnly(ConfigurationKey.names(in: "usage"))
        var settings = UsageSettings(
            target: try target(try section.required("to", like: "to: {file: /var/lib/reuseport-agent/usage.jsonl}")),
            folder: UsageSettings.defaultFolder(pool: pool))
        if let interval = try section.optional("interval") {
            settings.interval = try interval.duration()
            guard UsageSettings.intervals.contains(settings.interval) else {
                throw interval.problem(
                    "interval \(try interval.string()) is out of range: from 100ms to 1h",
                    "write one within it, like 60s")
            }
        }
        if let queue = try section.optional("queue") { try read(queue, into: &settings) }
        if case .file(let path) = settings.target, let clash = Self.clash(path, queue: settings.folder) {
            throw value.problem(clash, "give the file or the folder another path")
        }
        return settings
    }

    /// The conflict of a file with the queue's folder: the same path, or one below the other.
    private static func clash(_ path: String, queue folder: String) -> String? {
        func names(_ path: String) -> [Substring] { path.split(separator: "/").filter { $0 != "." } }
        let (file, queue) = (names(path), names(folder))
        if file == queue { return "the file \(path) is the queue's folder" }
        if file.starts(with: queue) { return "the file \(path) is in the queue's folder" }
        return queue.starts(with: file) ? "the queue's folder \(folder) is below the file \(path)" : nil
    }

    private func read(_ queue: Value, into settings: inout UsageSettings) throws(Failure) {
        let section = try Section(queue.node, file: file, title: "queue of usage")
        try section.allowOnly(ConfigurationKey.names(in: "usage.queue"))
        if let folder = try section.optional("folder") { settings.folder = try folder.absolutePath() }
        if let limit = try section.optional("limit") { settings.limit = try limit.size(in: UsageSettings.limits) }
    }

    private func target(_ value: Value) throws(Failure) -> UsageSettings.Target {
        let section = try Section(value.node, file: file, title: "to of usage")
        try section.allowOnly(ConfigurationKey.names(in: "usage.to"))
        let (path, command, url) = (
            try section.optional("file"), try section.optional("command"), try section.optional("url")
        )
        let headers = try section.optional("headers")
        let given = [path, command, url].count { $0 != nil }
        guard given == 1 else {
            throw value.problem(
                given == 0 ? "to of usage names no receiver" : "to of usage names \(given) receivers",
                given == 0 ? "write one of file, command and url into it" : "keep one of file, command and url")
        }
        if let headers, url == nil {
            throw headers.problem("headers requires url", "remove headers, or add url")
        }
        if let path { return .file(try path.absolutePath()) }
        if let command { return .command(try words(command)) }
        return .url(try url!.webAddress(), headers: try headers?.absolutePath())
    }

    private func words(_ command: Value) throws(Failure) -> [String] {
        var words: [String] = []
        for word in try command.list(
            orWrite: "the path of a program and its arguments, like [/usr/local/bin/bill, --pool, edge]")
        {
            let text = try word.string()
            guard !text.utf8.contains(0), text.utf8.count <= Self.longestArgument else {
                throw word.problem("an argument has a NUL, or more than \(Self.longestArgument) bytes", "shorten it")
            }
            words.append(text)
        }
        guard words[0].hasPrefix("/") else {
            throw command.problem(
                "\(words[0].prefix(80)) is not an absolute path", "give the program's path: PATH isn't searched")
        }
        return words
    }

    func meter(_ value: Value) throws(Failure) -> MeterSettings {
        let section = try Section(value.node, file: file, title: "meter")
        try section.allowOnly(ConfigurationKey.names(in: "meter"))
        var settings = MeterSettings(cgroup: try section.required("cgroup").absolutePath())
        guard let list = try section.optional("internal") else { return settings }
        var seen: Set<AddressPrefix> = []
        for entry in try list.entries() {
            let prefix = try entry.prefix()
            guard seen.insert(prefix).inserted else { throw entry.problem("\(prefix) is there twice", "keep one") }
            settings.internalPrefixes.append(prefix)
        }
        guard settings.internalPrefixes.count <= MeterSettings.prefixLimit else {
            throw list.problem(
                "\(settings.internalPrefixes.count) prefixes are more than \(MeterSettings.prefixLimit)",
                "combine them into shorter prefixes")
        }
        return settings
    }
}

extension Value {
    /// A size in bytes: `4096`, `512KiB`, `64MiB`, `1GiB`.
    func size(in range: ClosedRange<Int>) throws(Failure) -> Int {
        let text = try string()
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let units: [Substring: Int] = ["": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30]
        guard let unit = units[text.dropFirst(digits.count)], let number = Int(digits), digits.count < 12 else {
            throw problem(
                "\(key) \(text.prefix(80)) is not a size", "write a whole number with KiB, MiB or GiB, like 64MiB")
        }
        guard range.contains(number * unit) else {
            throw problem(
                "\(key) \(text) is out of range: from \(range.lowerBound >> 10)KiB to \(range.upperBound >> 30)GiB",
                "write one within it, like 64MiB")
        }
        return number * unit
    }

    /// A URL: `https://billing.example/v1/usage`. It can't include a password, because all users of
    /// the machine see it in the list of processes.
    func webAddress() throws(Failure) -> String {
        let text = try string()
        let host = text.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false).last ?? ""
        guard text.hasPrefix("http://") || text.hasPrefix("https://"), !host.isEmpty, !host.hasPrefix("/"),
            text.utf8.count <= Self.longestWebAddress,
            text.utf8.allSatisfy({ (0x21...0x7e).contains($0) && !"{}\"\\^`|<>".utf8.contains($0) })
        else {
            throw problem(
                "\(key) \(text.prefix(80)) is not an HTTP URL", "write it like https://billing.example/usage")
        }
        guard !host.prefix(while: { $0 != "/" }).contains("@") else {
            throw problem(
                "\(key) includes a user or a password, which all users of the machine could read",
                "write an Authorization: line into a file, and set headers to the file's path")
        }
        return text
    }
}

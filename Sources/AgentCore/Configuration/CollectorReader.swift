import PoolModel

/// Reads the collectors and their recognition keys.
struct CollectorReader {
    private let file: String
    private var names: Set<String> = []
    private var recognized: [Recognition: String] = [:]
    private(set) var collectors: [PoolConfiguration.Collector] = []

    init(file: String) { self.file = file }

    mutating func read(_ entry: Value) throws(Failure) {
        let collector = try collector(entry)
        guard names.insert(collector.name).inserted else {
            throw entry.problem("collector \(collector.name) is there twice", "give each collector a name of its own")
        }
        if let recognition = collector.recognition,
            let other = recognized.updateValue(collector.name, forKey: recognition)
        {
            throw entry.problem(
                "collectors \(other) and \(collector.name) are both recognized by \(recognition)",
                "give each a key that matches only its own process: unit, pid_file, or a more specific command")
        }
        collectors.append(collector)
    }

    private func collector(_ entry: Value) throws(Failure) -> PoolConfiguration.Collector {
        guard entry.isMapping else { return PoolConfiguration.Collector(name: try entry.name()) }
        let section = try Section(entry.node, file: file, title: "a collector")
        try section.allowOnly(ConfigurationKey.names(in: "collectors[]"))
        var collector = PoolConfiguration.Collector(name: try section.required("name").name())
        if let weight = try section.optional("weight") {
            collector.weight = try weight.integer(in: PoolConfiguration.Collector.weights)
        }
        if let workers = try section.optional("workers") {
            collector.workers = try workers.choice(of: "workers")
        }
        collector.recognition = try recognition(section, of: collector.name)
        return collector
    }

    private func recognition(_ section: Section, of name: String) throws(Failure) -> Recognition? {
        let unit = try section.optional("unit")
        let pidFile = try section.optional("pid_file")
        let command = try section.optional("command")
        let user = try section.optional("user")
        for (alone, others) in [(unit, [pidFile, command, user]), (pidFile, [command, user])] {
            guard let alone, let other = others.compactMap({ $0 }).first else { continue }
            throw other.problem(
                "collector \(name) has \(alone.key) and \(other.key), and \(alone.key) must stand alone",
                "keep one of them; only command and user go together")
        }
        if let unit { return .unit(try unit.unitName()) }
        if let pidFile { return .pidFile(try pidFile.absolutePath()) }
        let number = try user.map { value throws(Failure) in try value.user() }
        if let command { return .command(try command.commandPattern(), user: number) }
        return number.map { .user($0) }
    }
}

extension Value {
    fileprivate func unitName() throws(Failure) -> UnitName {
        let text = try string()
        do {
            return try UnitName(text)
        } catch {
            switch error {
            case .spelling:
                throw problem(
                    "\(key) \"\(text.prefix(80))\" is not the name of a unit", "write it like nfacctd@c1.service")
            case .template:
                throw problem(
                    "\(key) \(text) is a template, and a process runs only in an instance",
                    "write it like nfacctd@c1.service")
            case .type(let type):
                throw problem(
                    "\(key) \(text) is a \(type), in which no process runs", "name the service, scope or slice")
            }
        }
    }

    fileprivate func commandPattern() throws(Failure) -> CommandPattern {
        let text = try string()
        do {
            return try CommandPattern(text)
        } catch {
            switch error {
            case .spelling:
                throw problem(
                    "\(key) \"\(text.prefix(80))\" is empty, longer than \(CommandPattern.limit) bytes, or has spaces around it",
                    "write the command line or a part of it, as ps shows it")
            case .matchesAll:
                throw problem(
                    "\(key) \(text.prefix(80)) matches every process",
                    "write a part of the command line that only this collector has")
            }
        }
    }
}

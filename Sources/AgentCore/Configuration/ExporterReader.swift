import PoolModel

/// Reads the aliases and pins of exporters; a file can have 100,000 entries.
struct ExporterReader {
    private let file: String
    private let collectors: Set<String>
    private var names: Set<String> = []
    private var owners: [AddressPrefix: String] = [:]
    private(set) var exporters: [PoolConfiguration.Exporter] = []

    init(file: String, collectors: [PoolConfiguration.Collector]) {
        self.file = file
        self.collectors = Set(collectors.map(\.name))
    }

    mutating func read(_ entry: Value) throws(Failure) {
        let section = try Section(entry.node, file: file, title: "an exporter")
        try section.allowOnly(ConfigurationKey.names(in: "exporters[]"))
        let nameValue = try section.required("name")
        let name = try nameValue.exporterName()
        guard names.insert(name).inserted else {
            throw nameValue.problem("exporter \(name) is there twice", "give each exporter a name of its own")
        }
        var exporter = PoolConfiguration.Exporter(name: name, prefixes: [])
        for value in try section.required("addresses", like: "addresses: [192.0.2.1]").list(
            orWrite: "at least one address or prefix, like [192.0.2.1]")
        {
            let prefix = try value.prefix()
            if let other = owners.updateValue(name, forKey: prefix) {
                throw value.problem(
                    "\(prefix) is there twice, for exporter \(other) and for \(name)",
                    "give it to one of them; if prefixes overlap, the longest one counts")
            }
            exporter.prefixes.append(prefix)
        }
        if let collector = try section.optional("collector") {
            exporter.collector = try collector.string()
            guard collectors.contains(exporter.collector!) else {
                throw collector.problem(
                    "exporter \(name) is pinned to \(exporter.collector!.prefix(80)), and there is no such collector",
                    "use one of collectors, or remove the key collector")
            }
        }
        exporters.append(exporter)
    }
}

extension Value {
    /// A device's name, for example `pe1.zrh`. The maximum length is that of DNS.
    func exporterName() throws(Failure) -> String {
        let name = try string()
        let isPlain = name.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
            default: "._-".utf8.contains(byte)
            }
        }
        guard isPlain, (1...Self.longestExporterName).contains(name.utf8.count), !name.hasPrefix("-") else {
            throw problem(
                "\(key) \"\(name.prefix(80))\" is not a usable name",
                "use 1 to \(Self.longestExporterName) letters, digits, ., _ and -, not starting with -")
        }
        guard IPAddress(name) == nil else {
            throw problem("\(key) \(name) is an address", "give the exporter a name, and its address in addresses")
        }
        return name
    }

    /// An address or a prefix: `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`.
    func prefix() throws(Failure) -> AddressPrefix {
        let text = try string()
        do {
            return try AddressPrefix(parsing: text)
        } catch .hasHostBits(let prefix) {
            throw problem(
                "\(text.prefix(80)) has bits beyond its prefix length", "write \(prefix), or the address alone")
        } catch {
            throw problem(
                "\(text.prefix(80)) is not an address or a prefix",
                "write it like 192.0.2.1, 192.0.2.0/24 or \"2001:db8::/32\" (IPv6 in quotes)")
        }
    }
}

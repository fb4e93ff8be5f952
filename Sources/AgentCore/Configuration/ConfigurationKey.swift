import PoolModel
import SockArrayCore

/// A key that the configuration file can have.
///
/// The reader accepts these keys and no others, and docs/configuration.md has a row for each of
/// them; a test compares the two.
struct ConfigurationKey: Equatable {
    /// The dotted path of the key; `[]` stands for each entry of a list: `groups[].port`.
    let path: String
    /// The type, as docs/configuration.md names it.
    let type: String
    /// The default value in Markdown, `required`, or `none`.
    let standard: String
    /// The limits of the value beyond its type, in Markdown.
    let limits: String

    init(_ path: String, _ type: String, _ standard: String = "none", limits: String = "–") {
        self.path = path
        self.type = type
        self.standard = standard
        self.limits = limits
    }

    /// The keys of a mapping, in the order of docs/configuration.md.
    ///
    /// - Parameter section: the path of the mapping, for example `groups[]`; empty for the whole file.
    static func names(in section: String = "") -> [String] {
        let prefix = section.isEmpty ? "" : "\(section)."
        return all.compactMap { key in
            guard key.path.hasPrefix(prefix) else { return nil }
            let name = key.path.dropFirst(prefix.count)
            return name.contains(".") ? nil : String(name)
        }
    }

    static let all = pool + collectors + groups + exporters + tracking + sockets + usage

    private static let required = "required"

    private static let pool = [
        ConfigurationKey("pool", "name", required),
        ConfigurationKey(
            "assignment", "word", code(Assignment.rendezvous.rawValue), limits: words(of: Assignment.self)),
        ConfigurationKey(
            "table_size", "integer",
            "\(BucketRow.defaultTableSize); \(Assignment.maglev.defaultTableSize) with `maglev`",
            limits: "\(range(BucketRow.tableSizes)); with `maglev` a prime; not allowed with `round-robin` and `kernel`"
        ),
        ConfigurationKey("seed", "string", code(PoolConfiguration.defaultSeed)),
        ConfigurationKey(
            "restart_hold", "duration", code(PoolConfiguration.defaultRestartHold.inUnits),
            limits: "0s to \(Value.longestDuration.inUnits)"),
        ConfigurationKey(
            "stalled_after", "duration", code(PoolConfiguration.defaultStalledAfter.inUnits),
            limits: "1s to \(Value.longestDuration.inUnits)"),
        ConfigurationKey("stalled", "word", code(StalledAction.report.rawValue), limits: words(of: StalledAction.self)),
        ConfigurationKey("on_move", "word", code(OnMove.follow.rawValue), limits: words(of: OnMove.self)),
        ConfigurationKey("collector_user", "user", "the user of the collectors' sockets"),
        ConfigurationKey(
            "state_file", "path", code(PoolConfiguration.defaultStateFile(pool: "POOL")),
            limits: "a regular file, not the configuration, one for each pool"),
        ConfigurationKey(
            "bpffs", "path", code(PoolConfiguration.defaultBPFFS),
            limits: "on a mounted bpffs; the agent mounts one at `/sys/fs/bpf` if it has CAP_SYS_ADMIN"),
    ]

    private static let collectors = [
        ConfigurationKey("collectors", "list", required, limits: "1 to \(SlotAllocation.capacity) entries"),
        ConfigurationKey("collectors[].name", "name", required, limits: "unique"),
        ConfigurationKey(
            "collectors[].weight", "integer", "1", limits: range(PoolConfiguration.Collector.weights)),
        ConfigurationKey(
            "collectors[].unit", "string",
            limits: "1 to \(UnitName.limit) characters; a service, scope or slice; not a template"),
        ConfigurationKey("collectors[].pid_file", "path"),
        ConfigurationKey(
            "collectors[].command", "string",
            limits: "1 to \(CommandPattern.limit) bytes, no spaces around, not only `*` and `?`"),
        ConfigurationKey("collectors[].user", "user"),
        ConfigurationKey(
            "collectors[].workers", "word", code(WorkerChoice.exporter.rawValue), limits: words(of: WorkerChoice.self)),
    ]

    private static let groups = [
        ConfigurationKey(
            "groups", "list", required, limits: "1 to \(PoolConfiguration.groupLimit) entries, without overlaps"),
        ConfigurationKey("groups[].name", "name", required, limits: "unique"),
        ConfigurationKey(
            "groups[].protocol", "word", required, limits: words(of: ReuseportGroup.TransportProtocol.self)),
        ConfigurationKey(
            "groups[].address", "address", required,
            limits: "not multicast or broadcast; IPv6 link-local only with an interface"),
        ConfigurationKey("groups[].port", "integer", required, limits: "1 to 65535"),
        ConfigurationKey(
            "groups[].interface", "string", limits: "1 to 15 bytes; no `/`, `:` or white space"),
        ConfigurationKey(
            "groups[].ipv6_only", "boolean", "`false`", limits: "`true`, `false`; `true` only with an IPv6 address"),
    ]

    private static let exporters = [
        ConfigurationKey("exporters", "list", "`[]`", limits: "empty with `round-robin` and `kernel`"),
        ConfigurationKey(
            "exporters[].name", "string", required,
            limits: "unique; 1 to \(Value.longestExporterName) ASCII letters, digits, `.`, `_` and `-`, "
                + "not starting with `-`; not an address"),
        ConfigurationKey(
            "exporters[].addresses", "list of prefixes", required,
            limits: "at least one; a prefix belongs to one exporter"),
        ConfigurationKey("exporters[].collector", "name", limits: "one of `collectors`"),
    ]

    private static let tracking = [
        ConfigurationKey("tracking", "mapping or `off`", "on"),
        ConfigurationKey("tracking.size", "integer", "\(Tracking.defaultSize)", limits: range(Tracking.sizes)),
        ConfigurationKey(
            "tracking.interval", "duration or `exact`", code(Tracking.defaultInterval.inUnits),
            limits: "\(TrackingReader.leastInterval.inUnits) to \(Value.longestDuration.inUnits), or `exact`"),
    ]

    private static let sockets =
        socket("control_socket", PoolConfiguration.defaultControlSocket, besides: "status_socket")
        + socket("status_socket", PoolConfiguration.defaultStatusSocket, besides: "control_socket") + [
            ConfigurationKey("status_http", "endpoint", limits: "no overlap with a TCP group")
        ]

    private static func socket(
        _ name: String, _ standard: PoolConfiguration.SocketFile, besides other: String
    ) -> [ConfigurationKey] {
        [
            ConfigurationKey(name, "mapping", "–"),
            ConfigurationKey(
                "\(name).path", "path", code(standard.path),
                limits: "at most \(Value.longestSocketPath) bytes; different from `\(other).path`"),
            ConfigurationKey("\(name).mode", "mode", code("\"0\(String(standard.mode, radix: 8))\"")),
        ]
    }

    private static let usage = [
        ConfigurationKey("usage", "mapping"),
        ConfigurationKey(
            "usage.interval", "duration", code(UsageSettings.defaultInterval.inUnits),
            limits: "\(UsageSettings.intervals.lowerBound.inUnits) to \(UsageSettings.intervals.upperBound.inUnits)"),
        ConfigurationKey("usage.to", "mapping", required, limits: "exactly one of `file`, `command` and `url`"),
        ConfigurationKey("usage.to.file", "path", limits: "outside of `usage.queue.folder`; one for each pool"),
        ConfigurationKey(
            "usage.to.command", "list of strings",
            limits: "first entry an absolute path; each at most \(UsageReader.longestArgument) bytes"),
        ConfigurationKey(
            "usage.to.url", "string",
            limits: "`http://` or `https://`, at most \(Value.longestWebAddress) bytes, without user or password"),
        ConfigurationKey("usage.to.headers", "path", limits: "only with `url`"),
        ConfigurationKey("usage.queue", "mapping", "–"),
        ConfigurationKey(
            "usage.queue.folder", "path", code(UsageSettings.defaultFolder(pool: "POOL")),
            limits: "not above or below `usage.to.file`"),
        ConfigurationKey(
            "usage.queue.limit", "size", code("\(UsageSettings.defaultLimit >> 20)MiB"),
            limits: "\(UsageSettings.limits.lowerBound >> 10)KiB to \(UsageSettings.limits.upperBound >> 30)GiB"),
        ConfigurationKey("meter", "mapping", limits: "only with `usage`"),
        ConfigurationKey("meter.cgroup", "path", required, limits: "a cgroup of version 2"),
        ConfigurationKey(
            "meter.internal", "list of prefixes", "`[]`", limits: "at most \(MeterSettings.prefixLimit), each once"),
    ]

    private static func code(_ text: String) -> String { "`\(text)`" }

    private static func range(_ range: ClosedRange<Int>) -> String { "\(range.lowerBound) to \(range.upperBound)" }

    private static func words<Choice: CaseIterable & RawRepresentable<String>>(of choices: Choice.Type) -> String {
        choices.allCases.map { code($0.rawValue) }.joined(separator: ", ")
    }
}

extension Duration {
    /// The duration in the configuration's notation, in the largest unit that fits: `10s`, `100ms`, `24h`.
    var inUnits: String {
        let milliseconds = Int(self / .milliseconds(1))
        for (unit, length) in [("h", 3_600_000), ("s", 1_000)] where milliseconds > 0 && milliseconds % length == 0 {
            return "\(milliseconds / length)\(unit)"
        }
        return "\(milliseconds)ms"
    }
}

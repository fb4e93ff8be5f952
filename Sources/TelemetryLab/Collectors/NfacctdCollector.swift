import Glibc
import PoolModel

/// A real nfacctd (pmacct), run from examples/nfacctd.conf with files of its own.
public final class NfacctdCollector: Collector {
    public let name: String
    public private(set) var process: ChildProcess
    private let configurationPath: String
    private let flowsPath: String
    private let messagesPath: String
    private let logPath: String
    private let templatesPath: String
    private let readyLines: [String]
    private let launcher: [String]
    private let sandbox: Sandbox

    private static let printInterval = "print_refresh_time[flows]"
    public static let program = "/usr/sbin/nfacctd"
    public static var isInstalled: Bool { access(program, X_OK) == 0 }

    /// Starts nfacctd, which binds BMP at once and its UDP port about 5 s later.
    ///
    /// - Parameters:
    ///   - startingAfresh: whether to remove the files of a previous collector of that name.
    ///   - launcher: the command line that runs it, ended by its own.
    public init(
        _ name: String, in sandbox: Sandbox, changing changes: [String: String] = [:], startingAfresh: Bool = false,
        launcher: [String] = []
    ) throws {
        self.name = name
        readyLines =
            ["waiting for NetFlow/IPFIX data", "waiting for BMP data"]
            + (changes[Self.printInterval] == nil ? ["Purging cache - END"] : [])
        self.launcher = launcher
        self.sandbox = sandbox
        configurationPath = "\(sandbox.folder)/\(name).conf"
        flowsPath = "\(sandbox.folder)/\(name).flows.json"
        messagesPath = "\(sandbox.folder)/\(name).bmp.json"
        logPath = "\(sandbox.folder)/\(name).log"
        templatesPath = "\(sandbox.folder)/\(name).templates.json"
        if startingAfresh { for path in [flowsPath, messagesPath, logPath, templatesPath] { unlink(path) } }
        var configuration = NfacctdConfiguration.example
        try configuration.set(
            [
                "core_proc_name": name, "pidfile": "\(sandbox.folder)/\(name).pid", "logfile": logPath,
                "nfacctd_templates_file": templatesPath,
                "print_output_file[flows]": flowsPath, "bmp_daemon_msglog_file": messagesPath,
                // Tests wait for the output.
                Self.printInterval: "1",
            ].merging(changes) { $1 })
        try FileText.write(configuration.text, to: configurationPath)
        process = try Self.start(configurationPath, launcher, sandbox)
    }

    private static func start(
        _ configuration: String, _ launcher: [String], _ sandbox: Sandbox
    ) throws -> ChildProcess {
        try ChildProcess(launcher + [program, "-f", configuration], in: sandbox)
    }

    /// Waits until the log shows that nfacctd waits for IPFIX and BMP, and for at most 1 s more until its
    /// plugin prints: nfacctd 1.7.7 never prints a flow that arrives before. False if nfacctd ended.
    public func waitUntilReady(_ limit: Duration = .seconds(30)) -> Bool {
        waitUntil(limit) {
            let log = self.log
            return process.exitCode != nil
                || readyLines.allSatisfy { log.contains($0) }
        } && process.exitCode == nil
    }

    /// Restarts nfacctd with the same files.
    public func restart(by signal: Int32 = SIGINT) throws {
        process.send(signal)
        try process.wait()
        process = try Self.start(configurationPath, launcher, sandbox)
    }

    /// Packets of the flows that it printed, by the exporter's address.
    public func packetsByExporter() -> [String: Int] {
        FlowLines.sum(FileText.read(flowsPath) ?? "", of: "packets", by: "peer_ip_src")
    }

    /// How many lines of flows it printed, by the exporter's address.
    public func linesByExporter() -> [String: Int] {
        FlowLines.sum(FileText.read(flowsPath) ?? "", of: nil, by: "peer_ip_src")
    }

    /// The lines that it printed about one exporter.
    public func flowLines(of exporter: IPAddress) -> String {
        (FileText.read(flowsPath) ?? "").split(separator: "\n")
            .filter { line in line.split(separator: "\"").contains { $0 == "\(exporter)" } }.joined(separator: "\n")
    }

    /// BMP messages that it logged, by the router's address.
    public func messagesByRouter() -> [String: Int] {
        FlowLines.sum(FileText.read(messagesPath) ?? "", of: nil, by: "bmp_router")
    }

    /// Exporters that it has IPFIX or NetFlow of: templates, or flows that they decode.
    public var ipfixSources: Set<String> {
        let templates = FlowLines.sum(FileText.read(templatesPath) ?? "", of: nil, by: "agent")
        return Set(templates.keys).union(packetsByExporter().keys)
    }

    public var bmpSources: Set<String> { Set(messagesByRouter().keys) }

    public var log: String { (FileText.read(logPath) ?? "") + process.errorOutput }
}

/// pmacct's JSON lines, read for two of their keys.
enum FlowLines {
    /// Sums the number under one key, or counts lines, by the text under another.
    static func sum(_ text: String, of value: String?, by key: String) -> [String: Int] {
        var sums: [String: Int] = [:]
        for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
            guard let name = field(key, in: line) else { continue }
            let number = value.map { field($0, in: line).flatMap { Int($0) } ?? 0 } ?? 1
            sums[name, default: 0] += number
        }
        return sums
    }

    /// `"key": "text"` or `"key": 12`, as pmacct (jansson) writes it.
    private static func field(_ key: String, in line: Substring.UTF8View) -> String? {
        let bytes = Array(line)
        let mark = Array("\"\(key)\": ".utf8)
        guard bytes.count > mark.count else { return nil }
        for start in 0..<(bytes.count - mark.count) where bytes[start] == mark[0] {
            guard bytes[start..<(start + mark.count)].elementsEqual(mark) else { continue }
            let value = bytes[(start + mark.count)...].prefix { $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "}") }
            return String(decoding: value.filter { $0 != UInt8(ascii: "\"") }, as: UTF8.self)
        }
        return nil
    }
}

import Glibc
import PoolModel

/// A collector process in a sandbox, and what it received.
public protocol Collector: AnyObject {
    var name: String { get }
    var process: ChildProcess { get }
    /// Source addresses of the IPFIX or NetFlow that it received.
    var ipfixSources: Set<String> { get }
    /// Source addresses of the BMP that it received.
    var bmpSources: Set<String> { get }
    /// Waits until the collector has bound all of its sockets.
    func waitUntilReady(_ limit: Duration) -> Bool
}

extension Collector {
    /// Ends the collector and waits for its end.
    public func stop() throws {
        process.send(SIGKILL)
        try process.wait()
    }
}

/// A built-in collector for machines without nfacctd. It reads everything and prints the sources.
public final class BuiltInCollector: Collector {
    public let name: String
    public let process: ChildProcess

    /// - Parameter command: the program and the subcommand that calls `serve`.
    public init(_ name: String, command: [String], in sandbox: Sandbox) throws {
        self.name = name
        process = try ChildProcess(command, in: sandbox)
    }

    public var ipfixSources: Set<String> { sources(of: "ipfix") }
    public var bmpSources: Set<String> { sources(of: "bmp") }

    public func waitUntilReady(_ limit: Duration) -> Bool {
        waitUntil(limit) { process.output.contains("ready\n") || process.exitCode != nil } && process.exitCode == nil
    }

    private func sources(of stream: String) -> Set<String> {
        Set(
            process.output.split(separator: "\n").filter { $0.hasPrefix(stream + " ") }
                .map { String($0.dropFirst(stream.count + 1)) })
    }

    /// Runs the collector in this process until it is killed: prints `ready`, then a line for each new source
    /// of each stream.
    public static func serve(_ address: IPAddress, ipfix: UInt16 = 4_739, bmp: UInt16 = 1_790) throws -> Never {
        let udp = try InternetSocket.collector(.udp, address, port: ipfix)
        let tcp = try InternetSocket.collector(.tcp, address, port: bmp)
        say("ready")
        var known: Set<String> = []
        while true {
            var waits = [udp, tcp].map { pollfd(fd: $0.number, events: Int16(POLLIN), revents: 0) }
            poll(&waits, UInt(waits.count), -1)
            let lines = udp.receiveWaiting().map { "ipfix \($0.source)" } + tcp.acceptWaiting().map { "bmp \($0)" }
            for line in lines where known.insert(line).inserted { say(line) }
        }
    }

    private static func say(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        _ = write(STDOUT_FILENO, bytes, bytes.count)
    }
}

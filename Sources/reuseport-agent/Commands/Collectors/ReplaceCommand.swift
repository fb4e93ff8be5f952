import AgentCore
import ArgumentParser
import Glibc
import SockArrayCore

struct ReplaceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replace", abstract: "Hand a collector's slot from its process to a new one, without loss.",
        discussion: """
            Examples:
              reuseport-agent replace --collector c1 --pid-file /run/nfacctd-c1-new.pid --wait 30 --terminate
              reuseport-agent replace --collector c1 --pid 4321

            Start the new process beside the old one, then run this. From one datagram to the next, \
            what comes goes to the new process; the old one reads what it was sent before. When its queues \
            are empty it may be ended: with --terminate it gets SIGTERM. Connections that it has not \
            accepted by then are the new one's. BMP sessions that it has end with it, and the routers \
            connect to the new one.
            """)

    @Option(help: "Name of the collector in the agent's configuration.")
    var collector: String

    @OptionGroup var source: SocketSource

    @Flag(help: "Send SIGTERM to the old process when its queues are empty.")
    var terminate = false

    @Option(help: ArgumentHelp("Longest wait for the old process's queues to be empty.", valueName: "seconds"))
    var timeout: Double = 30

    @OptionGroup var options: ControlOptions

    /// A round trip to a far router, and some more.
    private static let settling: Duration = .milliseconds(250)

    func validate() throws {
        guard timeout >= 0, timeout <= 86_400 else { throw ValidationError("--timeout takes 0 to 86400 seconds") }
    }

    func run() throws {
        let act = "replace \(collector)"
        let change = try source.register(collector, .takeover, with: options.client)
        try Output.write(change.sentence(of: collector))
        guard let predecessor = change.predecessor else { return }
        let process = predecessor.process.map { "process \($0.pid)" } ?? "the old process"
        let left = try QueueWait(client: options.client, act: act, limit: .seconds(timeout)).untilEmpty(
            for: Self.settling
        ) { .queues(cookies: predecessor.cookies) }
        guard left.hasEmptyQueues else {
            throw Failure(
                .conflict, act: "end \(process), that \(collector) was",
                cause: "after \(timeout) s it still has \(left.queueText) to read",
                remedy: "\(collector) is replaced; look whether that process is alive, and end it when it has read them"
            )
        }
        guard terminate else {
            try Output.write("\(process) has read what it was sent, and may be ended")
            return
        }
        guard let identity = predecessor.process else {
            throw Failure(
                .absent, act: "end the old process of \(collector)", cause: "the agent doesn't know its pid",
                remedy: "\(collector) is replaced, and the old process has read what it was sent: end it by hand")
        }
        let isEnded = try !terminate(identity)
        try Output.write("\(process) has \(isEnded ? "ended" : "read what it was sent, and got SIGTERM")")
    }

    /// Nobody else, should its pid be another process's by now, or in this PID namespace.
    ///
    /// - Returns: false if it has ended already.
    private func terminate(_ identity: ProcessIdentity) throws -> Bool {
        do throws(KernelError) {
            let process = try OtherProcess(pid: identity.pid)
            guard identity.isAlive else { return false }
            try process.send(SIGTERM)
            return true
        } catch {
            if error.errno == ESRCH { return false }
            throw Failure(
                .privilege, act: "end process \(identity.pid), that \(collector) was", cause: "it may not be signalled",
                errno: error.errno, remedy: "\(collector) is replaced; run kill \(identity.pid) as root or as its user")
        }
    }
}

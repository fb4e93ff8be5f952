import AgentCore
import ArgumentParser
import Glibc
import PoolModel
import PoolReport
import SockArrayCore

struct ReplaceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replace", abstract: "Move a collector's name to a new process without loss of datagrams.",
        discussion: """
            Examples:
              reuseport-agent replace --collector c1 --pid-file /run/nfacctd-c1-new.pid --wait 30 --terminate
              reuseport-agent replace --collector c1 --pid 4321

            Start the new process beside the old one, then run `replace`. New datagrams and connections go to \
            the new process at once, and the old process reads its queued data. \
            When its queues are empty, you can end the old process; --terminate sends it SIGTERM. \
            Pending connections then migrate to the new process (Linux 5.14 or later; older kernels reset \
            them). When the old process ends, its BMP sessions end, and the routers connect to the new \
            process.
            """)

    @Option(help: "Name of the collector in the agent's configuration.")
    var collector: String

    @OptionGroup var source: SocketSource

    @Flag(help: "Send SIGTERM to the old process when its queues are empty.")
    var terminate = false

    @Option(
        help: ArgumentHelp(
            "Maximum time to wait for the old process's queues to be empty, 0 to 86400.", valueName: "seconds"))
    var timeout: Double = 30

    @OptionGroup var options: ControlOptions

    /// A round trip to a distant router, plus a margin.
    private static let settling: Duration = .milliseconds(250)

    func validate() throws {
        guard timeout >= 0, timeout <= 86_400 else { throw ValidationError("--timeout takes 0 to 86400 seconds") }
    }

    func run() throws {
        let change = try source.register(collector, .takeover, with: options.client)
        try Output.write(change.sentence(of: collector))
        guard let predecessor = change.predecessor else { return }
        let process = predecessor.process.map { "process \($0.pid)" } ?? "the old process"
        let left = try options.client.waitUntilEmpty(
            for: Self.settling, limit: .seconds(timeout), act: "replace \(collector)",
            .queues(cookies: predecessor.cookies))
        guard left.hasEmptyQueues else {
            throw Failure(
                .conflict, act: "end \(process), the old \(collector)",
                cause: "after \(timeout) s it still has \(left.queueText) to read",
                remedy: "\(collector) is replaced; end the old process when it has read them, or if it hangs"
            )
        }
        guard terminate else {
            try Output.write("\(process) has read its queued data and can be ended")
            return
        }
        guard let identity = predecessor.process else {
            throw Failure(
                .absent, act: "end the old process of \(collector)", cause: "the agent doesn't know its pid",
                remedy: "\(collector) is replaced, and the old process has read its queued data: end it by hand")
        }
        let isEnded = try !terminate(identity)
        try Output.write("\(process) has \(isEnded ? "ended" : "read its queued data and got SIGTERM")")
    }

    /// Sends SIGTERM to the process, and to no other process that has its pid by now, or has it
    /// in this PID namespace.
    ///
    /// - Returns: `false` if the process has already ended.
    private func terminate(_ identity: ProcessIdentity) throws -> Bool {
        do throws(KernelError) {
            let process = try OtherProcess(pid: identity.pid)
            guard identity.isAlive else { return false }
            try process.send(SIGTERM)
            return true
        } catch {
            if error.errno == ESRCH { return false }
            throw Failure(
                .privilege, act: "end process \(identity.pid), the old \(collector)", cause: "SIGTERM was refused",
                errno: error.errno, remedy: "\(collector) is replaced; run kill \(identity.pid) as root or as its user")
        }
    }
}

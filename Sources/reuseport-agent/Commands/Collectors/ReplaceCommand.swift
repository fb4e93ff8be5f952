import AgentCore
import ArgumentParser
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

            If the old process runs under `exec`, use `exec --replace`: it supervises the new process, too.
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

    func validate() throws {
        guard timeout >= 0, timeout <= 86_400 else { throw ValidationError("--timeout takes 0 to 86400 seconds") }
    }

    func run() throws {
        let change = try source.register(collector, .takeover, with: options.client)
        try Output.write(change.sentence(of: collector))
        guard let predecessor = change.predecessor else { return }
        let process = predecessor.process.map { "process \($0.pid)" } ?? "the old process"
        let left = try options.client.waitUntilEmpty(
            for: ControlClient.settling, limit: .seconds(timeout), act: "replace \(collector)",
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
        let isEnded = try !identity.terminate(asOld: collector)
        try Output.write("\(process) has \(isEnded ? "ended" : "read its queued data and got SIGTERM")")
    }
}

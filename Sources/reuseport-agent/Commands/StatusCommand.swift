import AgentCore
import ArgumentParser
import Glibc
import PoolModel
import PoolReport
import SockArrayCore

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show collectors, their states and counters.",
        discussion: """
            Examples:
              reuseport-agent status
              reuseport-agent status --watch --interval 5
              reuseport-agent status --watch --json | jq .groups
              reuseport-agent status --check

            A run is a TCP SYN, a UDP datagram, or a train of datagrams that the kernel combined (GRO). Bytes \
            count the UDP header and payload. A row is an entry of the assignment table, SHARE is the part of the \
            rows that the collector owns, and SLOT is the collector's index in the kernel's socket arrays. The \
            tables fit the terminal, or use 80 columns; --json has \
            all digits and whole names.

            --watch refreshes the tables and shows rates for each second: q or Ctrl-C quits, j and k \
            scroll. It waits while the agent restarts. Without a terminal, --watch prints the tables each \
            interval; with --json, one object per line.

            --check prints one line for each reason for which traffic that arrives now is lost: a collector that is \
            held, no usable collector in the pool or in a group, only draining ones, or another user's sockets that \
            receive a collector's traffic. The exit code is then 1.
            """)

    @Flag(help: "Print one JSON object, the same as on the status socket.")
    var json = false

    @Flag(help: "Refresh with rates until q or Ctrl-C.")
    var watch = false

    @Flag(help: "Print why traffic is dropped now, a line for each reason; exit code 1 if there is one.")
    var check = false

    @Option(help: ArgumentHelp("With --watch: time between refreshes, 0.1 to 3600. Default: 2.", valueName: "seconds"))
    var interval: Double?

    @OptionGroup var colors: ColorOptions

    @OptionGroup var options: ControlOptions

    func validate() throws {
        if let interval, !(0.1...3_600).contains(interval) {
            throw ValidationError("--interval takes 0.1 to 3600 seconds")
        }
        if interval != nil, !watch { throw ValidationError("--interval requires --watch") }
        if check, watch { throw ValidationError("--check can't be combined with --watch") }
    }

    func run() throws {
        var client = try options.client
        client.timeout = ControlClient.statusTimeout
        guard watch else {
            let status = try client.ask(.status, act: "show the status", for: \.status)
            return check ? try report(status) : try Output.write(try text(of: status), terminator: "")
        }
        let painted = colors.color.paints(isTerminal: TerminalFacts.of(STDOUT_FILENO).isTerminal)
        guard json || !TerminalFacts.of(STDOUT_FILENO).isAddressable else {
            return try WatchLoop(client, interval: interval ?? 2, painted: painted).run()
        }
        var isFirst = true
        try WatchLines.run(client, interval: interval ?? 2) { status in
            defer { isFirst = false }
            return (isFirst || json ? "" : "\n") + (try text(of: status))
        }
    }

    /// Exit code 1 if traffic that arrives now is dropped.
    private func report(_ status: PoolStatus) throws {
        guard let losses = status.lossesNow else {
            throw Failure(
                .absent, act: "check the status", cause: "the agent is older than this command",
                remedy: "restart the agent with the binary of this command: traffic continues meanwhile")
        }
        if json {
            try Output.write(try text(of: status), terminator: "")
        } else {
            try Output.write(losses.isEmpty ? "no traffic is dropped now" : losses.joined(separator: "\n"))
        }
        if !losses.isEmpty { throw ExitCode(1) }
    }

    private func text(of status: PoolStatus) throws -> String {
        if json { return try JSON.text(status) + "\n" }
        let facts = TerminalFacts.of(STDOUT_FILENO)
        return StatusReport(status, width: facts.tableWidth, wrapWidth: facts.wrapWidth).text(
            painted: colors.color.paints(isTerminal: facts.isTerminal))
    }
}

import AgentCore
import ArgumentParser
import Glibc
import SockArrayCore

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show collectors, their states and what was counted.",
        discussion: """
            Examples:
              reuseport-agent status
              reuseport-agent status --watch --interval 5
              reuseport-agent status --watch --json | jq .groups

            A run is a SYN, a datagram, or a train of datagrams (UDP GRO). Bytes count the UDP header \
            and payload. The tables fit the terminal, or 80 columns; --json has all digits and names.

            --watch shows what goes on each second: q or Ctrl-C ends it, j and k scroll. It goes on when \
            the agent is started again. Without a terminal it prints the tables each interval, with --json \
            one object a line.
            """)

    @Flag(help: "One JSON object, as on the status socket.")
    var json = false

    @Flag(help: "Go on showing it, with rates, until it is ended.")
    var watch = false

    @Option(help: ArgumentHelp("With --watch: time between two looks, 0.1 to 3600.", valueName: "seconds"))
    var interval: Double?

    @OptionGroup var colors: ColorOptions

    @OptionGroup var options: ControlOptions

    private static let act = "show the status"

    func validate() throws {
        if let interval, !(0.1...3_600).contains(interval) {
            throw ValidationError("--interval takes 0.1 to 3600 seconds")
        }
        if interval != nil, !watch { throw ValidationError("--interval goes with --watch.") }
    }

    func run() throws {
        let client = try options.client
        guard watch else {
            let reply = try client.send(.status, act: Self.act)
            guard case .status(let status) = reply else { throw reply.unexpected(act: Self.act) }
            return try Output.write(try text(of: status), terminator: "")
        }
        let painted = colors.color.paints(isTerminal: TerminalFacts.of(STDOUT_FILENO).isTerminal)
        guard json || !TerminalFacts.of(STDOUT_FILENO).isAddressable else {
            return try WatchLoop(client, interval: interval ?? 2, painted: painted).run()
        }
        var isFirst = true
        try WatchLines(client: client, interval: interval ?? 2) { status in
            defer { isFirst = false }
            return (isFirst || json ? "" : "\n") + (try text(of: status))
        }.run()
    }

    private func text(of status: PoolStatus) throws -> String {
        if json { return try JSON.text(status) + "\n" }
        let facts = TerminalFacts.of(STDOUT_FILENO)
        return StatusReport(status, width: facts.tableWidth, wrapWidth: facts.wrapWidth).text(
            painted: colors.color.paints(isTerminal: facts.isTerminal))
    }
}

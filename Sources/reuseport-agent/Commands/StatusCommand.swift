import ArgumentParser
import SockArrayCore

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show collectors, their states and what was counted.",
        discussion: """
            Example: reuseport-agent status --json

            A run is a SYN, a datagram, or a train of datagrams (UDP GRO). Bytes count the UDP header \
            and payload.
            """)

    @Flag(help: "One JSON object, as on the status socket.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() throws {
        let act = "show the status"
        let reply = try options.client.send(.status, act: act)
        guard case .status(let status) = reply else { throw reply.unexpected(act: act) }
        try Output.write(json ? try JSON.text(status) : StatusTable(status).text, terminator: json ? "\n" : "")
    }
}

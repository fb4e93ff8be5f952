import AgentCore
import ArgumentParser
import SockArrayCore

struct UnregisterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unregister", abstract: "Take a collector's sockets out of its slot.",
        discussion: """
            Example: reuseport-agent unregister --collector c1

            Its exporters go to their next rank at once, and return when it registers again. The \
            collector keeps running; connections that it has accepted stay.
            """)

    @Option(help: "Name of the collector in the agent's configuration.")
    var collector: String

    @OptionGroup var options: ControlOptions

    func run() throws {
        let act = "unregister \(collector)"
        let reply = try options.client.send(.unregister(collector: collector), act: act)
        guard case .changed(let change) = reply else { throw reply.unexpected(act: act) }
        try Output.write("\(collector) \(change.changed ? "is" : "was already") unregistered: slot \(change.slot)")
    }
}

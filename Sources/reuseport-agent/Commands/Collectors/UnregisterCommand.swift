import AgentCore
import ArgumentParser

struct UnregisterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unregister", abstract: "Remove a collector's sockets.",
        discussion: """
            Example: reuseport-agent unregister --collector c1

            The collector's exporters fail over at once, and return when the collector registers again. \
            The process and its accepted connections continue. The agent and `exec` don't register the same \
            process again: start the collector again, or run `register`.
            """)

    @Option(help: "Name of the collector in the agent's configuration.")
    var collector: String

    @OptionGroup var options: ControlOptions

    func run() throws {
        let change = try options.client.ask(
            .unregister(collector: collector), act: "unregister \(collector)", for: \.changed)
        try Output.write("\(collector) \(change.changed ? "is" : "was already") unregistered")
    }
}

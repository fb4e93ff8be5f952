import AgentCore
import ArgumentParser
import PoolModel
import PoolReport

struct DrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain", abstract: "Stop sending new exporters to a collector and let it drain.",
        discussion: """
            Examples:
              reuseport-agent drain --collector c1 --wait
              reuseport-agent drain --collector c1 --wait --timeout 600

            Exporters without a BMP session at the collector move to other collectors at once. The others \
            stay, with all of their streams, until the session or the collector ends (on_move in the \
            configuration has other ways). A drain survives restarts, until `undrain`.
            """)

    @Option(help: "Name of the collector in the agent's configuration.")
    var collector: String

    @Flag(
        help: """
            Return when all exporters have moved, the sessions have ended and the queues are empty, or when \
            the timeout has passed.
            """)
    var wait = false

    @Option(help: ArgumentHelp("With --wait: maximum time to wait, 0 to 86400.", valueName: "seconds"))
    var timeout: Double = 60

    @OptionGroup var options: ControlOptions

    func validate() throws {
        guard timeout >= 0, timeout <= 86_400 else { throw ValidationError("--timeout takes 0 to 86400 seconds") }
    }

    func run() throws {
        let act = "drain \(collector)"
        let changed = try options.client.ask(.drain(collector: collector), act: act, for: \.done)
        guard wait else {
            try Output.write("\(collector) \(changed ? "is" : "was already") draining")
            // The drain is in force, even if its progress can't be read.
            let left = try? options.client.ask(
                .drainProgress(collector: collector), act: "show the drain of \(collector)", for: \.progress)
            if let warning = left?.warning { Output.complain("reuseport-agent: \(warning)") }
            return
        }
        let left = try options.client.waitUntilEmpty(
            limit: .seconds(timeout), act: act, .drainProgress(collector: collector))
        guard left.isEmpty else {
            throw Failure(
                .conflict, act: "empty \(collector)", cause: "after \(timeout) s it still has \(left.text)",
                remedy: left.remedy(for: collector))
        }
        try Output.write("\(collector) is empty")
    }
}

struct UndrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "undrain", abstract: "Bring the exporters of a draining collector back.",
        discussion: """
            Example: reuseport-agent undrain --collector c1

            Exporters with a BMP session at another collector return when the session ends.
            """)

    @Option(help: "Name of the collector in the agent's configuration.")
    var collector: String

    @OptionGroup var options: ControlOptions

    func run() throws {
        let changed = try options.client.ask(
            .undrain(collector: collector), act: "undrain \(collector)", for: \.done)
        try Output.write(changed ? "\(collector) is no longer draining" : "\(collector) was not draining")
    }
}

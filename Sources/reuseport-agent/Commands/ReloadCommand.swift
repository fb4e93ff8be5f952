import AgentCore
import ArgumentParser

struct ReloadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload", abstract: "Apply the changed configuration file while traffic flows.",
        discussion: """
            Example: reuseport-agent plan && reuseport-agent reload

            The agent reads the file that it started with again. Exporters that don't need to move stay \
            where they are and miss nothing. A file that can't be used changes nothing. \
            SIGHUP does the same.
            """)

    @Flag(help: "Also apply another assignment, seed or table size, which moves most exporters.")
    var reshuffle = false

    @Flag(help: "Print what moved, as one JSON object.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() throws {
        let plan = try options.client.ask(.reload(reshuffle: reshuffle), act: "reload", for: \.moves)
        try Output.write(json ? try JSON.text(plan) : MoveReport(plan, isDone: true).text)
    }
}

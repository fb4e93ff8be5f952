import ArgumentParser
import Logging
import SockArrayCore

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run the agent of a pool, in the foreground.",
        discussion: """
            Example: reuseport-agent run --config /etc/reuseport-agent/edge.yaml

            It stops on SIGTERM or SIGINT, and reads its configuration again on SIGHUP or `reload`. What it attached and pinned goes on working without it; \
            `unload` removes that.
            """)

    @Option(help: ArgumentHelp("Configuration of the pool (YAML).", valueName: "file"))
    var config: String

    func run() throws {
        let configuration = try PoolConfiguration.load(path: config)
        let log = Logger(label: "reuseport-agent", factory: { label in StreamLogHandler.standardError(label: label) })
        try Agent(configuration, path: config, log: log).serve()
    }
}

import ArgumentParser
import Glibc
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
        try raiseOpenFiles(configuration)
        let log = Logger(label: "reuseport-agent", factory: { label in StreamLogHandler.standardError(label: label) })
        try Agent(configuration, path: config, log: log).serve()
    }

    /// To as many as the agent may have: it starts no process that would inherit that.
    /// Too few show as whatever failed for want of one: libbpf makes EINVAL of some.
    private func raiseOpenFiles(_ configuration: PoolConfiguration) throws(Failure) {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        getrlimit(resource, &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(resource, &limit)
        getrlimit(resource, &limit)
        guard limit.rlim_cur < 64 + 11 * configuration.groups.count else { return }
        if let failure = Failure.openFiles(act: "run pool \(configuration.pool)", errno: EMFILE) { throw failure }
    }
}

import AgentCore
import ArgumentParser
import Glibc
import Logging
import SockArrayCore

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run the agent of a pool, in the foreground.",
        discussion: """
            Examples:
              reuseport-agent run --config /etc/reuseport-agent/edge.yaml
              reuseport-agent run --config edge.yaml --log-level debug 2>> edge.log

            It stops on SIGTERM or SIGINT, and reads its configuration again on SIGHUP or `reload`. What it attached and pinned goes on working without it; \
            `unload` removes that.
            """)

    @Option(help: ArgumentHelp("Configuration of the pool (YAML).", valueName: "file"))
    var config: String

    @OptionGroup var logging: LogOptions

    func run() throws {
        var pool: String?
        do throws(Failure) {
            let configuration = try PoolConfiguration.load(path: config)
            pool = configuration.pool
            try raiseOpenFiles(configuration)
            try Self.tryStart(configuration)
            let log = logging.open(pool: configuration.pool)
            defer { log.finish() }
            try Agent(configuration, path: config, log: log).serve()
        } catch {
            // Who asks for a form gets this in it too, and so does what else reads the log.
            guard logging.isAskedFor || logging.format != .human else { throw error }
            let log = logging.open(pool: pool)
            log.logger.error("\(error)")
            log.finish()
            throw ExitCode(error.exitCode)
        }
    }

    /// Below a memory limit, or behind a seccomp filter, the kernel may kill the agent while it
    /// starts, without a word: a child does the same first, and its end is reported.
    private static func tryStart(_ configuration: PoolConfiguration) throws(Failure) {
        let limits = ProcessLimits.current(callsBPF: false)
        var steps: [TrialStep] = limits.hasSeccompFilter ? [.systemCalls] : []
        // The maps of a pool that is there already are in use: others beside them would be too much.
        if limits.memory != nil, !PinnedPools.hasPins(configuration) { steps = TrialStep.sets[0] }
        guard !steps.isEmpty else { return }
        let before = limits.memory?.currentUsage()
        let report = try StartTrial(configuration: configuration).report(of: [steps])
        if let failure = report.firstFailure { throw failure }
        if let memory = limits.memory, let before { awaitRelease(in: memory, to: before) }
    }

    /// The kernel gives back the memory of a child's maps a moment after its end.
    private static func awaitRelease(in memory: ProcessLimits.MemoryLimit, to before: UInt64) {
        for _ in 0..<25 {
            guard let used = memory.currentUsage(), used > before + 1 << 20 else { return }
            usleep(20_000)
        }
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

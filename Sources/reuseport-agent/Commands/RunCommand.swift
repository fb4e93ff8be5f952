import AgentCore
import ArgumentParser
import Glibc
import Logging
import PoolModel
import SockArrayCore

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run the agent of one pool in the foreground.",
        discussion: """
            Examples:
              reuseport-agent run --config /etc/reuseport-agent/edge.yaml
              reuseport-agent run --config edge.yaml --log-level debug 2>> edge.log

            SIGTERM and SIGINT stop the agent. SIGHUP reads the configuration again, as `reload` does. \
            Programs and maps stay pinned and continue to work when the agent stops; `unload` removes them.
            """)

    @Option(help: ArgumentHelp("Configuration file of the pool (YAML).", valueName: "file"))
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
            // With --log-format, or if a program reads the log, the error is a log record.
            guard logging.logFormat != nil || logging.format != .human else { throw error }
            let log = logging.open(pool: pool)
            log.logger.error("\(error)")
            log.finish()
            throw ExitCode(error.exitCode)
        }
    }

    /// Tries the start in a child process, and reports how the child ends.
    ///
    /// Below a memory limit, or behind a seccomp filter, the kernel may kill the agent while it
    /// starts, without a message.
    private static func tryStart(_ configuration: PoolConfiguration) throws(Failure) {
        let limits = ProcessLimits.current(callsBPF: false)
        var steps: [TrialStep] = limits.hasSeccompFilter ? [.systemCalls] : []
        // The maps of an existing pool are in use: a second set could exceed the limit.
        if limits.memory != nil, !PinnedPools.hasPins(configuration) { steps = TrialStep.sets[0] }
        guard !steps.isEmpty else { return }
        let before = limits.memory?.currentUsage()
        let report = try StartTrial.report(of: [steps], for: configuration)
        if let failure = report.firstFailure { throw failure }
        if let memory = limits.memory, let before { awaitRelease(in: memory, to: before) }
    }

    /// Waits until the kernel has released the memory of the child's maps, a moment after its end.
    private static func awaitRelease(in memory: ProcessLimits.MemoryLimit, to before: UInt64) {
        for _ in 0..<25 {
            guard let used = memory.currentUsage(), used > before + 1 << 20 else { return }
            usleep(20_000)
        }
    }

    /// Raises the limit of open files to the hard limit. The agent starts no process that
    /// would inherit the new limit.
    ///
    /// A lack of descriptors can appear as another error: libbpf turns some into EINVAL.
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

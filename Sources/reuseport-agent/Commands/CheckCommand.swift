import AgentCore
import ArgumentParser
import Glibc
import PoolModel
import PoolReport
import SockArrayCore

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Try what `run` does on this machine, and report what fails with a remedy.",
        discussion: """
            Examples:
              reuseport-agent check --config /etc/reuseport-agent/edge.yaml
              reuseport-agent check --live
              systemd-run --pty --uid=reuseport-agent \\
                  --property=AmbientCapabilities="CAP_BPF CAP_SYS_PTRACE CAP_CHOWN" \\
                  reuseport-agent check --config /etc/reuseport-agent/edge.yaml

            Run `check` as the user that the agent will run as, with the same capabilities and limits. `check` \
            creates the maps and loads the programs that `run` would, then discards them: nothing changes. \
            ✓ works. ✗ must be corrected. – is optional: the line names what is missing or deserves \
            attention. Sockets of this pool's running agent are fine; sockets of another process get a ✗.

            With --live, the running agent compares its pool with the kernel now, as it does every 4 \
            seconds. Exit code 5 means that traffic goes wrong or may go wrong. With a –, nothing is lost.
            """)

    @Option(help: ArgumentHelp("Also check this configuration file.", valueName: "file"))
    var config: String?

    @Flag(help: "Ask the running agent to audit its pool.")
    var live = false

    @OptionGroup var options: ControlOptions

    @Flag(help: "Print one JSON array.")
    var json = false

    @OptionGroup var colors: ColorOptions

    func validate() throws {
        if live, config != nil {
            throw ValidationError("--live audits the running agent's own configuration; remove --config")
        }
        if !live, options.control != nil { throw ValidationError("--control requires --live") }
    }

    func run() throws {
        let (items, exitCode) = live ? try audited() : try checked()
        if json {
            try Output.write(try JSON.text(items))
        } else {
            let facts = TerminalFacts.of(STDOUT_FILENO)
            try Output.write(
                CheckReport(items, width: facts.wrapWidth).text(
                    painted: colors.color.paints(isTerminal: facts.isTerminal)), terminator: "")
        }
        if exitCode != 0 { throw ExitCode(exitCode) }
    }

    private func audited() throws -> ([CheckList.Item], Int32) {
        let report = try options.client.ask(.audit, act: "audit the pool", for: \.audited)
        return (report.checks, report.exitCode)
    }

    private func checked() throws(Failure) -> ([CheckList.Item], Int32) {
        var result: Result<PoolConfiguration, Failure>?
        if let config {
            do { result = .success(try PoolConfiguration.load(path: config)) } catch { result = .failure(error) }
        }
        let bpffs = (try? result?.get().bpffs) ?? PoolConfiguration.defaultBPFFS
        let host = HostFacts.probe(bpffs: bpffs)
        // The trial runs first because its children inherit the memory of this process.
        let trial = try StartTrial.report(of: TrialStep.sets, for: (try? result?.get()) ?? .example)
        let sockets = sockets(try? result?.get())
        let list = CheckList(
            host, trial: trial, limits: .current(callsBPF: false), configuration: result, sockets: sockets)
        guard let config, let configuration = try? result?.get() else { return (list.items, list.exitCode) }
        let usage = UsageChecks(configuration, host)
        let pool = PoolChecks(
            configuration, path: config, agentAnswers: sockets.contains(where: \.isTheAgents),
            callsBPF: trial.passed.contains(.systemCalls))
        return (
            list.items + pool.items + usage.items,
            CheckList.exitCode(CheckList.exitCode(list.exitCode, and: pool.exitCode), and: usage.exitCode)
        )
    }

    private func sockets(_ configuration: PoolConfiguration?) -> [CheckList.Place] {
        guard let configuration else { return [] }
        // Asks the agent at most once, and only if something is in use.
        lazy var running = Self.places(ofAgentOf: configuration)
        return ([configuration.controlAddress] + configuration.statusAddresses).map { place in
            var checked = CheckList.Place(name: "\(place.key) \(place.name)")
            if place.key == "status_http" { checked.endpoint = configuration.statusHTTP }
            do throws(Failure) {
                try place.check()
            } catch {
                if error.kind == .conflict, running.contains(place.name) {
                    checked.isTheAgents = true
                } else {
                    checked.problem = error
                }
            }
            return checked
        }
    }

    /// The places where the pool's agent listens; empty unless the agent runs and answers.
    private static func places(ofAgentOf configuration: PoolConfiguration) -> Set<String> {
        let client = ControlClient(path: configuration.controlSocket.path, timeout: .seconds(2))
        guard case .places(let pool, let names)? = try? client.send(.places, act: "check the sockets"),
            pool == configuration.pool
        else { return [] }
        return Set(names)
    }
}

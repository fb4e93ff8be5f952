import ArgumentParser
import Glibc
import SockArrayCore

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Tell what would fail on this machine, and the remedy.",
        discussion: """
            Examples:
              reuseport-agent check --config /etc/reuseport-agent/edge.yaml
              reuseport-agent check --live

            Run it as the user that the agent will run as. It changes nothing. ✓ is there, ✗ has to be put \
            right, – is missing, and only what the line names needs it. While the agent runs, its sockets \
            get a ✗: a second one could not have them.

            With --live the running agent is asked instead: it compares its pool with the kernel now, as it \
            does every 5 seconds. Exit code 5 says that traffic goes wrong or may; a – costs nothing.
            """)

    @Option(help: ArgumentHelp("Configuration to check too.", valueName: "file"))
    var config: String?

    @Flag(help: "Ask the running agent for an audit of its pool.")
    var live = false

    @OptionGroup var options: ControlOptions

    @Flag(help: "One JSON array.")
    var json = false

    @OptionGroup var colors: ColorOptions

    func validate() throws {
        if live, config != nil { throw ValidationError("--live asks the agent, which has its own configuration.") }
        if !live, options.control != nil { throw ValidationError("--control goes with --live.") }
    }

    func run() throws {
        let (items, exitCode) = live ? try audited() : checked()
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
        let act = "audit the pool"
        let reply = try options.client.send(.audit, act: act)
        guard case .audited(let report) = reply else { throw reply.unexpected(act: act) }
        return (report.checks, report.exitCode)
    }

    private func checked() -> ([CheckList.Item], Int32) {
        var result: Result<PoolConfiguration, Failure>?
        if let config {
            do { result = .success(try PoolConfiguration.load(path: config)) } catch { result = .failure(error) }
        }
        let bpffs = (try? result?.get().bpffs) ?? PoolConfiguration.defaultBPFFS
        let host = HostFacts.probe(bpffs: bpffs)
        let list = CheckList(host, configuration: result, sockets: sockets(try? result?.get()))
        guard let usage = (try? result?.get()).map({ UsageChecks($0, host) }) else {
            return (list.items, list.exitCode)
        }
        return (list.items + usage.items, list.exitCode != 0 ? list.exitCode : usage.exitCode)
    }

    private func sockets(_ configuration: PoolConfiguration?) -> [(name: String, problem: Failure?)] {
        guard let configuration else { return [] }
        return ([configuration.controlPlace] + configuration.statusPlaces).map { place in
            do throws(Failure) {
                try place.check()
                return ("\(place.key) \(place.name)", nil)
            } catch {
                return ("\(place.key) \(place.name)", error)
            }
        }
    }
}

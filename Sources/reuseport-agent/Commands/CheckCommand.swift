import ArgumentParser
import SockArrayCore

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Tell what would fail on this machine, and the remedy.",
        discussion: """
            Example: reuseport-agent check --config /etc/reuseport-agent/edge.yaml

            Run it as the user that the agent will run as. It changes nothing.
            """)

    @Option(help: ArgumentHelp("Configuration to check too.", valueName: "file"))
    var config: String?

    @Flag(help: "One JSON array.")
    var json = false

    func run() throws {
        var result: Result<PoolConfiguration, Failure>?
        if let config {
            do { result = .success(try PoolConfiguration.load(path: config)) } catch { result = .failure(error) }
        }
        let bpffs = (try? result?.get().bpffs) ?? PoolConfiguration.defaultBPFFS
        let list = CheckList(HostFacts.probe(bpffs: bpffs), configuration: result?.map(\.pool))
        if json {
            print(try JSON.text(list.items))
        } else {
            for item in list.items {
                print("\(item.ok ? "✓" : "✗") \(item.check): \(item.detail)")
                if let remedy = item.remedy { print("    \(remedy)") }
            }
        }
        if list.exitCode != 0 { throw ExitCode(list.exitCode) }
    }
}

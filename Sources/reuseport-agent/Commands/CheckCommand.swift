import ArgumentParser
import SockArrayCore

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Tell what would fail on this machine, and the remedy.",
        discussion: """
            Example: reuseport-agent check --config /etc/reuseport-agent/edge.yaml

            Run it as the user that the agent will run as. It changes nothing. ✓ is there, ✗ has to be put \
            right, – is missing, and only what the line names needs it. While the agent runs, its sockets \
            get a ✗: a second one could not have them.
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
        let list = CheckList(
            HostFacts.probe(bpffs: bpffs), configuration: result, sockets: sockets(try? result?.get()))
        if json {
            try Output.write(try JSON.text(list.items))
        } else {
            for item in list.items {
                let mark = item.isMissingOption ? "–" : item.ok ? "✓" : "✗"
                try Output.write("\(mark) \(item.check): \(item.detail)")
                if let remedy = item.remedy { try Output.write("    \(remedy)") }
            }
        }
        if list.exitCode != 0 { throw ExitCode(list.exitCode) }
    }

    private func sockets(_ configuration: PoolConfiguration?) -> [(name: String, problem: Failure?)] {
        guard let configuration else { return [] }
        let files = [("control_socket", configuration.controlSocket), ("status_socket", configuration.statusSocket)]
        return files.map { key, file in
            do throws(Failure) {
                try SocketPlace(file: file, key: key).check()
                return ("\(key) \(file.path)", nil)
            } catch {
                return ("\(key) \(file.path)", error)
            }
        }
    }
}

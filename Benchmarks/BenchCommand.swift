import ArgumentParser
import CBPFShim
import Glibc
import TelemetryLab

/// `make bench`: measures everything in private namespaces. Ratios compare figures of one run, because
/// times on a shared machine mean little.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reuseport-bench", abstract: "Measures reuseport-agent beside plain SO_REUSEPORT and its peers.",
        subcommands: [RunParts.self, StageCommand.self, CollectorCommand.self], defaultSubcommand: RunParts.self)
}

/// The options of a measurement.
struct BenchOptions: ParsableArguments {
    @Option(help: "The reuseport-agent to measure.", completion: .file())
    var agent: String

    @Option(help: "Rounds of each measurement.")
    var rounds = 9

    @Option(help: "Seconds of load in a round.")
    var seconds = 1.0

    @Option(help: "Datagrams per second of the workloads with a fixed rate.")
    var rate = 30_000

    @Option(help: "Only workloads whose name contains this, of udp, tcp, modes and scale; nothing is written.")
    var workload: String?

    @Option(help: "Only subjects whose name contains this, of the same parts; nothing is written.")
    var subject: String?

    /// Whether only some of a part is measured.
    var isPartial: Bool { workload != nil || subject != nil }

    func validate() throws {
        guard access(agent, X_OK) == 0 else {
            throw ValidationError("--agent \(agent): \(String(cString: strerror(errno))); it is built by: make build")
        }
        guard (1...1_000).contains(rounds), (0.1...600).contains(seconds), (100...1_000_000).contains(rate) else {
            throw ValidationError("--rounds takes 1 to 1000, --seconds 0.1 to 600, --rate 100 to 1000000")
        }
    }
}

import AgentCore
import ArgumentParser
import PoolModel

struct RegisterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "register", abstract: "Register a collector's sockets: all of them, or none.",
        discussion: """
            Examples:
              reuseport-agent register --collector c1 --pid-file /run/nfacctd-c1.pid --wait 30
              reuseport-agent register --collector c1 --pid 812
              reuseport-agent register --collector c1 --fd 3 --fd 4
              reuseport-agent register --collector c1 --listen-fds
              reuseport-agent register --collector c1 --fd 3 --fd 4 --owner 812

            The agent checks all sockets before it registers the first. Registering the same sockets again \
            changes nothing.
            """)

    @Option(help: "Name of the collector in the agent's configuration.")
    var collector: String

    @OptionGroup var source: SocketSource

    @Flag(help: "Take the name over from another live process. Prefer `replace`.")
    var replace = false

    @OptionGroup var options: ControlOptions

    func run() throws {
        let change = try source.register(collector, replace ? .takeover : nil, with: options.client)
        try Output.write(change.sentence(of: collector))
    }
}

extension RegistrationChange {
    func sentence(of collector: String) -> String {
        let groups = groups.joined(separator: ", ")
        return "\(collector) \(changed ? "is" : "was already") registered: groups \(groups)"
            + Self.waiting(waitingRows ?? 0)
    }

    static func waiting(_ rows: Int) -> String {
        switch rows {
        case 0: ""
        case 1: "; the exporters of 1 table row return when BMP sessions at other collectors end"
        default: "; the exporters of \(rows) table rows return when BMP sessions at other collectors end"
        }
    }
}

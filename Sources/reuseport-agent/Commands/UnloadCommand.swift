import AgentCore
import ArgumentParser
import PoolModel
import SockArrayCore

struct UnloadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unload", abstract: "Detach a pool's programs and remove its pinned maps.",
        discussion: """
            Example: reuseport-agent unload --pool edge

            Stop the agent first. The collectors continue to run, and the kernel scatters their exporters \
            again.
            """)

    @Option(help: "Name of the pool.")
    var pool: String

    @Option(help: ArgumentHelp("Folder of the pools' pinned maps.", valueName: "folder"))
    var bpffs = PoolConfiguration.defaultBPFFS

    func run() throws {
        guard !pool.isEmpty, !pool.contains("/"), !pool.hasPrefix(".") else {
            throw ValidationError("--pool takes the name of a pool, not a path")
        }
        let removal = try PoolRemoval(pool: pool, bpffs: bpffs)
        try Output.write("pool \(pool) is unloaded")
        for group in removal.stillAttached {
            Output.complain(
                "group \(group): the program could not be detached, because none of its sockets could be reached; from now on, the kernel scatters the group's exporters"
            )
        }
    }
}

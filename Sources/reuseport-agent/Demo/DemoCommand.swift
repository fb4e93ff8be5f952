import AgentCore
import ArgumentParser
import CBPFShim
import CLabShim
import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab

struct DemoOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Folder of router captures (pcap) to replay. Default: examples/captures, if it exists.",
            valueName: "folder"))
    var captures: String?

    var folder: String { captures ?? "examples/captures" }

    @Option(help: "Number of generated exporters to add, 0 to 200.")
    var exporters = 20

    @Flag(name: .customLong("built-in"), help: "Use the built-in collectors even if nfacctd is installed.")
    var builtIn = false

    func validate() throws {
        guard (0...200).contains(exporters) else { throw ValidationError("--exporters takes 0 to 200") }
        if let captures, access(captures + "/", R_OK | X_OK) == -1 {
            throw ValidationError("--captures: the folder \(captures) doesn't exist or can't be read")
        }
    }
}

struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "Demonstrate the agent with collectors and exporters in one terminal.",
        discussion: """
            Example: reuseport-agent demo

            Four collectors (nfacctd, or built-in ones) share one UDP and one TCP port. Routers send IPFIX \
            and BMP to them, first without the agent and then with it. `demo` runs in namespaces of its \
            own, leaves nothing behind, and needs root.
            """)

    @OptionGroup var options: DemoOptions

    func run() throws {
        let signals = Descriptor(owning: rpa_signal_fd())
        var arguments = ["reuseport-agent", DemoStage.configuration.commandName!]
        arguments += options.captures.map { ["--captures", $0] } ?? []
        arguments += ["--exporters", "\(options.exporters)"] + (options.builtIn ? ["--built-in"] : [])
        let argv = arguments.map { strdup($0) } + [nil]
        var step: UnsafePointer<CChar>?
        let first = lab_sandbox_start(argv, &step)
        guard first > 0 else {
            throw Failure(
                .privilege, act: "make the demo's namespaces", cause: step.map { String(cString: $0) } ?? "clone",
                errno: -first, remedy: "run it as root: sudo reuseport-agent demo")
        }
        let exit = Descriptor(owning: rpa_pidfd_open(first))
        var waits = [signals.number, exit.number].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        while poll(&waits, 2, -1) < 0 {}
        var signal = rpa_signal()
        let isInterrupted = rpa_next_signal(signals.number, &signal) > 0
        if isInterrupted { kill(first, SIGKILL) }
        var status: Int32 = 0
        waitpid(first, &status, 0)
        if isInterrupted {
            Output.complain("interrupted; nothing is left behind")
            throw ExitCode(128 + signal.number)
        }
        guard status == 0 else { throw ExitCode(status & 0x7f == 0 ? status >> 8 & 0xff : 1) }
    }
}

/// The part of the demo that runs inside its namespaces, as their first process.
struct DemoStage: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "demo-stage", shouldDisplay: false)

    @OptionGroup var options: DemoOptions

    func run() throws {
        guard getpid() == 1 else {
            throw ValidationError("demo-stage is an internal part of demo; run: reuseport-agent demo")
        }
        Self.forgetForeignVariables()
        let demo = try Demo(options)
        let before = try demo.round(withAgent: false)
        let after = try demo.round(withAgent: true)
        let table = DemoTable(before: before, after: after)
        try Output.write("\n" + table.text, terminator: "")
        if !table.allMetWithAgent { throw ExitCode(1) }
    }
}

extension DemoStage {
    /// Environment variables by which a command of the demo would reach another agent, or the service
    /// manager of the demo's caller. Their sockets may be in folders that the demo's namespaces share.
    private static let foreignVariables = [
        ControlClient.environmentVariable, "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS",
        "LISTEN_FDNAMES", "JOURNAL_STREAM",
    ]

    private static func forgetForeignVariables() {
        for variable in foreignVariables { unsetenv(variable) }
    }
}

/// A built-in collector of the demo.
struct DemoCollector: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "demo-collector", shouldDisplay: false)

    func run() throws { try BuiltInCollector.serve(.v4(0)) }
}

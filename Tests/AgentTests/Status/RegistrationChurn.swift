import TelemetryLab
import TestSupport

@testable import AgentCore

/// A collector that comes and goes, without a command's process for each time: some
/// events a millisecond or so.
struct RegistrationChurn {
    private let sockets: CollectorSockets
    private let client = ControlClient(path: AgentFixture.controlPath)

    init(_ collector: String) throws { sockets = try CollectorSockets(collector) }

    /// Registers and unregisters it.
    func turn() throws {
        let act = "test"
        let register = ControlRequest.register(collector: sockets.name, labels: ["fd 1", "fd 2"])
        let replies = [
            try client.send(register, descriptors: [sockets.udp.number, sockets.tcp.number], act: act),
            try client.send(.unregister(collector: sockets.name), act: act),
        ]
        for reply in replies {
            guard case .changed(let change) = reply, change.changed else { throw LabError("\(reply)") }
        }
    }
}

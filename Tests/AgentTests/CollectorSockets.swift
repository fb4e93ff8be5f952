import Glibc
import PoolModel
import TelemetryLab
import TestSupport

/// The sockets of one collector, held by this process, registered by command.
final class CollectorSockets {
    let name: String
    let udp: InternetSocket
    let tcp: InternetSocket

    init(_ name: String, address: IPAddress = .v4(0)) throws {
        self.name = name
        udp = try .collector(.udp, address, port: 4_739)
        tcp = try .collector(.tcp, address, port: 1_790)
    }

    func register(with agent: AgentFixture, as other: String? = nil) throws -> CommandResult {
        try agent.register(other ?? name, [udp.number, tcp.number])
    }
}

extension AgentFixture {
    /// `register --fd 10 --fd 11 …`
    func register(_ name: String, _ descriptors: [Int32], user: UInt32? = nil) throws -> CommandResult {
        let numbered = Dictionary(
            uniqueKeysWithValues: descriptors.enumerated().map { (Int32($0.offset + 10), $0.element) })
        let flags = numbered.keys.sorted().flatMap { ["--fd", "\($0)"] }
        return try command(["register", "--collector", name] + flags, descriptors: numbered, user: user)
    }

    /// c1 … c4 of this process, registered.
    func registerFour() throws -> [CollectorSockets] {
        try (1...4).map { index in
            let sockets = try CollectorSockets("c\(index)")
            let result = try sockets.register(with: self)
            guard result.exitCode == 0 else { throw LabError(result.errorOutput) }
            return sockets
        }
    }
}

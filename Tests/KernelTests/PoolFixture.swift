import Glibc
import PoolModel
import PoolReport
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// A pool on this thread's kernel, and collectors of this process.
final class PoolFixture {
    private var running: Pool?
    var kernel: Pool { running! }
    let address: IPAddress
    private(set) var udp: [String: InternetSocket] = [:]
    private(set) var tcp: [String: InternetSocket] = [:]

    static let ipfixPort: UInt16 = 4_739
    static let bmpPort: UInt16 = 1_790

    init(
        collectors names: [String] = ["c1", "c2", "c3", "c4"], address: IPAddress = .v4(0),
        hold: Duration = .milliseconds(300), registering: Bool = true
    ) throws {
        self.address = address
        running = try Pool(adopting: Self.configuration(names, address, hold))
        if registering { for name in names { try start(name) } }
    }

    /// A pool of another kind.
    ///
    /// - Parameter registering: these collectors; nil: all.
    init(_ configuration: PoolConfiguration, pins: [Pin] = [], registering names: [String]? = nil) throws {
        address = configuration.groups[0].address
        running = try Pool(adopting: configuration, pins: pins)
        for name in names ?? configuration.collectors.map(\.name) { try start(name) }
    }

    func reload(_ configuration: PoolConfiguration, pins: [Pin] = [], reshuffle: Bool = false) throws {
        if let remainder = try kernel.reload(configuration, pins: pins, reshuffle: reshuffle) { throw remainder }
    }

    static func configuration(
        _ names: [String], _ address: IPAddress = .v4(0), _ hold: Duration = .milliseconds(300)
    ) -> PoolConfiguration {
        PoolConfiguration(
            pool: "edge", collectors: names.map { .init(name: $0) },
            groups: [
                ReuseportGroup(name: "ipfix", transport: .udp, address: address, port: ipfixPort),
                ReuseportGroup(name: "bmp", transport: .tcp, address: address, port: bmpPort),
            ], tableSize: SlowMachine.isHere ? SlowMachine.rows : nil, restartHold: hold,
            tracking: SlowMachine.isHere ? Tracking(size: SlowMachine.exporters) : Tracking())
    }

    /// A collector starts: binds its sockets and registers them.
    func start(_ name: String) throws {
        udp[name] = try .collector(.udp, address, port: Self.ipfixPort)
        tcp[name] = try .collector(.tcp, address, port: Self.bmpPort)
        _ = try register(name, [udp[name]!, tcp[name]!])
    }

    /// A collector dies: its sockets are closed.
    func stop(_ name: String, keepingTCP: Bool = false) {
        udp[name] = nil
        if !keepingTCP { tcp[name] = nil }
    }

    func stopTCP(_ name: String) { tcp[name] = nil }

    /// As if the hold time of every vacant slot were over.
    ///
    /// A slot is vacant from the first run that misses a socket, or from `noteLoss` on. With `ModelledPool.hold` as
    /// the hold time, no hold ends before this call.
    func endHolds() throws {
        let configuration = kernel.configuration
        try PinnedMaps.letPass(configuration.restartHold + .seconds(1), pool: configuration.pool)
    }

    /// The agent is killed, and another one adopts the pool.
    func restartAgent(with other: PoolConfiguration? = nil) throws {
        let configuration = other ?? kernel.configuration
        let pins = kernel.pins
        running = nil
        running = try Pool(adopting: configuration, pins: pins)
    }

    @discardableResult
    func register(
        _ name: String, _ sockets: [InternetSocket], owner: ProcessIdentity? = nil, replacing: Bool = false
    ) throws -> RegistrationChange {
        try kernel.register(
            name, sockets.enumerated().map { try Self.offer($0.element.number, label: "fd \($0.offset + 3)") },
            owner: owner, replacing: replacing)
    }

    /// New sockets take the slot; the old ones are closed with their last owner.
    func replace(_ name: String) throws -> RegistrationChange {
        let sockets: [InternetSocket] = [
            try .collector(.udp, address, port: Self.ipfixPort), try .collector(.tcp, address, port: Self.bmpPort),
        ]
        let change = try register(name, sockets, replacing: true)
        (udp[name], tcp[name]) = (sockets[0], sockets[1])
        return change
    }

    /// A duplicate, as SCM_RIGHTS delivers it, which the registration closes.
    static func offer(_ number: Int32, label: String = "fd") throws -> OfferedSocket {
        try OfferedSocket(Descriptor(owning: fcntl(number, F_DUPFD_CLOEXEC, 3)), label: label)
    }

    /// Which collectors' queues got datagrams since the last call: sources by name.
    func takeReceived() -> [String: [IPAddress]] {
        udp.mapValues { $0.receiveWaiting().map(\.source) }
    }

    func takeAccepted() -> [String: [IPAddress]] { tcp.mapValues { $0.acceptWaiting() } }

    /// One datagram from the source; what the kernel answers is of no interest.
    func send(from source: IPAddress, bytes: Int = 100) throws {
        let socket = try InternetSocket(.udp, bind: source)
        try? socket.send([UInt8](repeating: 1, count: bytes), to: Self.target(for: source), Self.ipfixPort)
    }

    static func target(for source: IPAddress) -> IPAddress {
        if case .v4 = source { return IPAddress("127.0.0.1")! }
        return IPAddress("::1")!
    }

    /// True: the connection was established.
    func connect(from source: IPAddress) throws -> Bool {
        let socket = try InternetSocket(.tcp, bind: source)
        return (try? socket.connect(Self.target(for: source), Self.bmpPort)) != nil
    }

    func outcomes(_ group: String) throws -> PoolStatus.Outcomes {
        try kernel.status().groups.first { $0.name == group }!.outcomes
    }
}

extension PoolFixture {
    /// The one collector that got the datagram of that source, and the one that accepted its connection.
    func meeting(of source: IPAddress) throws -> (udp: String?, tcp: String?) {
        try send(from: source)
        let isConnected = try connect(from: source)
        let received = takeReceived().filter { $0.value == [source] }
        let accepted = takeAccepted().filter { $0.value == [source] }
        return (
            received.count == 1 ? received.keys.first : nil,
            isConnected && accepted.count == 1 ? accepted.keys.first : nil
        )
    }
}

extension PoolStatus.Outcomes {
    var total: UInt64 { selected + failedOver + held + noCollector + badPacket }
}

import Glibc
import PoolModel
import TelemetryLab

/// An exporter with a BMP session that stays open, and the collector that has it.
final class Router {
    let address: IPAddress
    private(set) var client: InternetSocket?
    private(set) var collector: String?
    private var session: InternetSocket?

    init(_ address: IPAddress) { self.address = address }

    /// Opens the session; the collector accepts it.
    ///
    /// - Parameter port: 0: any.
    func connect(_ pool: PoolFixture, from port: UInt16 = 0) throws {
        let socket = try InternetSocket(.tcp, bind: address, port: port)
        try socket.connect(PoolFixture.target(for: address), PoolFixture.bmpPort)
        for (name, listener) in pool.tcp {
            for (source, connection) in listener.acceptSessions() where source == address {
                (client, session, collector) = (socket, connection, name)
            }
        }
    }

    /// Closes both ends, as when the router's session goes down.
    ///
    /// - Parameter byReset: the router's port is free at once.
    func disconnect(byReset: Bool = false) {
        if byReset { client?.endByReset() }
        (client, session, collector) = (nil, nil, nil)
    }

    /// The collector has ended it, or its connection was reset.
    var isCut: Bool {
        guard let client else { return true }
        var wait = pollfd(fd: client.number, events: Int16(POLLIN), revents: 0)
        return poll(&wait, 1, 0) == 1
    }

    /// Where its next datagram goes.
    func datagramGoes(_ pool: PoolFixture) throws -> String? {
        try pool.send(from: address)
        let receivers = pool.takeReceived().filter { $0.value == [address] }.keys
        return receivers.count == 1 ? receivers.first : nil
    }
}

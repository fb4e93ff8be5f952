import SockArrayCore

/// Where the agent is to listen: `check` asks whether it could, `run` does it.
package protocol SocketPlace {
    /// Its key in the configuration, for messages.
    var key: String { get }
    /// A path, or an address with its port.
    var name: String { get }

    /// Changes nothing.
    ///
    /// - Throws: why no socket can be made; `.conflict` if a process listens there.
    func check() throws(Failure)

    func listen() throws(Failure) -> ListeningSocket
}

extension PoolConfiguration {
    package var controlPlace: any SocketPlace { UnixSocketPlace(file: controlSocket, key: "control_socket") }

    /// The Unix socket first.
    package var statusPlaces: [any SocketPlace] {
        [UnixSocketPlace(file: statusSocket, key: "status_socket")]
            + (statusHTTP.map { [TCPSocketPlace(endpoint: $0, key: "status_http")] } ?? [])
    }
}

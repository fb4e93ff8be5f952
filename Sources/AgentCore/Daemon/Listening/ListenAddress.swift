import PoolModel

/// Where the agent is to listen: `check` asks whether it could, `run` does it.
package protocol ListenAddress {
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
    package var controlAddress: any ListenAddress { UnixListenAddress(file: controlSocket, key: "control_socket") }

    /// The Unix socket first.
    package var statusAddresses: [any ListenAddress] {
        [UnixListenAddress(file: statusSocket, key: "status_socket")]
            + (statusHTTP.map { [TCPListenAddress(endpoint: $0, key: "status_http")] } ?? [])
    }
}

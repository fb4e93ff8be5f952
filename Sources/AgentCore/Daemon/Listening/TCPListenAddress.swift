import CBPFShim
import Glibc
import PoolModel
import SockArrayCore

/// A TCP address with its port.
struct TCPListenAddress: ListenAddress {
    let endpoint: PoolConfiguration.Endpoint
    let key: String

    var name: String { "\(endpoint)" }
    private var act: String { "listen at \(endpoint)" }

    func check() throws(Failure) { _ = try bound() }

    func listen() throws(Failure) -> ListeningSocket {
        let socket = try bound()
        let result = systemCall(Glibc.listen(socket.number, SOMAXCONN))
        guard result == 0 else { throw refusal(-result) }
        return ListeningSocket(socket, at: name)
    }

    private func bound() throws(Failure) -> Descriptor {
        let result = rpa_tcp_bind(endpoint.address.endpoint(port: endpoint.port))
        guard result >= 0 else { throw refusal(-result) }
        return Descriptor(owning: result)
    }

    private func refusal(_ number: Int32) -> Failure {
        if let failure = Failure.openFiles(act: act, errno: number) { return failure }
        let (kind, cause, remedy): (Failure.Kind, String, String) =
            switch number {
            case EADDRINUSE: (.conflict, "another process listens there", "stop that process, or choose another port")
            case EADDRNOTAVAIL:
                (.usage, "this host doesn't have the address", "give it to an interface, or choose another address")
            case EACCES, EPERM:
                (.privilege, "the port may not be taken", "choose one from 1024 on, or give CAP_NET_BIND_SERVICE")
            case EAFNOSUPPORT:
                (
                    .usage, "addresses of its family can't be used here",
                    "choose one of the other family, or look at RestrictAddressFamilies= of the unit"
                )
            default: (.privilege, "the address could not be used", "choose another address")
            }
        return Failure(kind, act: act, cause: cause, errno: number, remedy: "\(remedy) for \(key)")
    }
}

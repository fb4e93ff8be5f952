import CBPFShim
import Glibc
import SockArrayCore
import TelemetryLab

/// The socket on which a service manager listens (sd_notify(3)).
final class NotifySocket {
    private let socket: Descriptor

    init(_ path: String) throws {
        socket = Descriptor(owning: Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0))
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafeBytes(of: &name) { raw in
            bind(socket.number, raw.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(raw.count))
        }
        guard result == 0 else { throw LabError("bind \(path): errno \(errno)") }
    }

    /// All that came since the last call, a line for each message.
    var received: String {
        var text = ""
        var bytes = [UInt8](repeating: 0, count: 1_024)
        while true {
            let length = recv(socket.number, &bytes, bytes.count, Int32(MSG_DONTWAIT))
            guard length > 0 else { return text }
            text += String(decoding: bytes[..<length], as: UTF8.self) + "\n"
        }
    }
}

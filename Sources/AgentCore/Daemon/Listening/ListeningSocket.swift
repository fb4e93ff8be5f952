import Glibc
import SockArrayCore

/// A Unix or TCP socket that listens. A socket's file goes with it, unless another
/// one has taken its place.
package final class ListeningSocket {
    /// A path, or an address with its port.
    let name: String
    let descriptor: Descriptor
    /// Of a Unix socket.
    private let file: FileFacts?

    init(_ descriptor: consuming Descriptor, at name: String, file: FileFacts? = nil) {
        self.name = name
        self.descriptor = descriptor
        self.file = file
    }

    deinit { if file != nil, FileFacts(at: name) == file { unlink(name) } }
}

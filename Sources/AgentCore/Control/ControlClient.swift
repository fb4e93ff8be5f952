import CBPFShim
import Glibc
import PoolModel
import SockArrayCore

/// One request to a running agent.
package struct ControlClient {
    package static let environmentVariable = "REUSEPORT_AGENT_CONTROL"

    package let path: String
    /// Maximum time to wait until the agent accepts or answers the request. The agent
    /// answers one request at a time, and a large table takes seconds.
    package var timeout: Duration = .seconds(60)

    /// Maximum time to wait for a status. An agent that takes longer hangs.
    package static let statusTimeout: Duration = .seconds(10)

    package init(path: String, timeout: Duration = .seconds(60)) {
        self.path = path
        self.timeout = timeout
    }

    /// - Parameters:
    ///   - act: the purpose of the request, as errors name it.
    ///   - descriptors: remain owned by the caller.
    package func send(
        _ request: ControlRequest, descriptors: [Int32] = [], act: String
    ) throws(Failure) -> ControlReply {
        let exchange = try ControlExchange(
            request, descriptors: descriptors, to: self, connectTimeout: timeout, act: act)
        while true {
            if let reply = try exchange.proceed() { return reply }
            var wait = [pollfd(reading: exchange.number)]
            poll(&wait, until: exchange.deadline)
        }
    }

    /// Sends a request whose answer must be of one kind.
    ///
    /// - Parameter content: the content of a reply of that kind.
    package func ask<Content>(
        _ request: ControlRequest, descriptors: [Int32] = [], act: String, for content: (ControlReply) -> Content?
    ) throws(Failure) -> Content {
        let reply = try send(request, descriptors: descriptors, act: act)
        guard let content = content(reply) else { throw reply.unexpected(act: act) }
        return content
    }

    func gaveNoAnswer(_ reason: String, to request: ControlRequest, act: String) -> Failure {
        Failure(
            .absent, act: act, cause: "the agent at \(path) gave no answer (\(reason))",
            remedy: "check the agent's log"
                + (request.isReadOnly
                    ? ", and repeat the command"
                    : "; the request may have taken effect: run reuseport-agent status before you repeat the command"))
    }

    package func reply(in bytes: [UInt8], act: String) throws(Failure) -> ControlReply {
        if let reply = try? JSON.decode(ControlReply.self, from: bytes) { return reply }
        if bytes.starts(with: "HTTP/".utf8) {
            throw Failure(
                .absent, act: act, cause: "\(path) is not the control socket: it speaks HTTP",
                remedy: "name the agent's control_socket with --control; this socket is for: curl --unix-socket")
        }
        throw Failure(
            .absent, act: act,
            cause: bytes.isEmpty ? "\(path) gave no answer" : "the answer of \(path) is in an unknown format",
            remedy: "check the agent's log, and use the reuseport-agent command of the agent's own version")
    }

    package func connect(act: String) throws(Failure) -> Descriptor {
        let result = rpa_unix_connect(path, UInt32(timeout / .milliseconds(1)))
        if result >= 0 { return Descriptor(owning: result) }
        if let failure = Failure.openFiles(act: act, errno: -result) { throw failure }
        let start =
            "start it (reuseport-agent run --config FILE), or name its socket with --control or "
            + Self.environmentVariable
        let (kind, cause, remedy): (Failure.Kind, String, String)
        switch -result {
        case EACCES, EPERM:
            (kind, cause) = (.privilege, "the control socket \(path) may not be opened")
            remedy =
                "run it as a user or group that the socket's mode allows (control_socket in the agent's configuration)"
        case ECONNREFUSED:
            kind = .absent
            if let file = FileFacts(at: path)?.kind, file != .socket, file != .symbolicLink {
                cause = "\(path) is \(file.rawValue), not a socket"
                remedy = "name the agent's control_socket with --control or " + Self.environmentVariable
            } else {
                (cause, remedy) = ("no agent listens at \(path) any more; its collectors continue", start)
            }
        default: (kind, cause, remedy) = (.absent, "no agent answers at \(path)", start)
        }
        throw Failure(kind, act: act, cause: cause, errno: -result, remedy: remedy)
    }

    package func write(_ bytes: [UInt8], _ descriptors: [Int32], to stream: borrowing Descriptor) throws {
        var sent = 0
        while sent < bytes.count {
            let result = bytes[sent...].withUnsafeBytes { part in
                rpa_send(
                    stream.number, part.baseAddress, part.count, descriptors,
                    sent == 0 ? descriptors.count : 0)
            }
            guard result > 0 else { throw KernelError(operation: "sendmsg", errno: Int32(-result)) }
            sent += result
        }
    }
}

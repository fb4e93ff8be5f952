import TelemetryLab

/// Python scripts of processes that bind the sockets of both groups for other processes.
enum SocketScript {
    private static let prelude = #"""
        import os, socket, subprocess, sys, time
        def bound_sockets():
            def bound(kind, port):
                s = socket.socket(socket.AF_INET, kind)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                s.bind(("0.0.0.0", port))
                return s
            udp, tcp = bound(socket.SOCK_DGRAM, 4739), bound(socket.SOCK_STREAM, 1790)
            tcp.listen(64)
            return udp, tcp
        """#

    /// - Parameter body: may call `bound_sockets()`, which returns the UDP socket and the listener.
    static func write(_ body: String, to path: String) throws {
        try FileText.write("\(prelude)\n\(body)\n", to: path)
    }
}

import PoolModel

/// Generated BMP (RFC 7854): what a router with one BGP peer and its routes sends.
public struct BMPSession {
    public var systemName: String
    /// Address of the BGP peer, also its BGP identifier.
    public var peer: UInt32
    public var peerAS: UInt32

    public init(systemName: String, peer: UInt32 = 0x0a00_0001, peerAS: UInt32 = 64_512) {
        self.systemName = systemName
        self.peer = peer
        self.peerAS = peerAS
    }

    /// Initiation, Peer Up, and one Route Monitoring message for each route.
    ///
    /// - Parameter routes: IPv4 prefixes of 24 bits.
    public func opening(routes: [UInt32]) -> [UInt8] { initiation + peerUp + routes.flatMap(routeMonitoring) }

    /// RFC 7854, 4.3, with the information TLVs of 4.4.
    var initiation: [UInt8] {
        func information(_ type: UInt16, _ text: String) -> [UInt8] {
            bytes(type) + bytes(UInt16(text.utf8.count)) + text.utf8
        }
        return message(type: 4, information(1, "generated") + information(2, systemName))
    }

    /// RFC 7854, 4.10: local address and ports, then both OPEN messages.
    var peerUp: [UInt8] {
        let local = [UInt8](repeating: 0, count: 12) + bytes(peer &+ 1)
        return message(
            type: 3, perPeerHeader + local + bytes(UInt16(179)) + bytes(UInt16(50_000)) + open(peer &+ 1) + open(peer))
    }

    /// RFC 7854, 4.6: a BGP UPDATE (RFC 4271, 4.3) that announces the prefix.
    func routeMonitoring(_ prefix: UInt32) -> [UInt8] {
        let origin: [UInt8] = [0x40, 1, 1, 0]
        let path: [UInt8] = [0x40, 2, 6, 2, 1] + bytes(peerAS)
        let nextHop: [UInt8] = [0x40, 3, 4] + bytes(peer)
        let attributes = origin + path + nextHop
        let update = bytes(UInt16(0)) + bytes(UInt16(attributes.count)) + attributes + [24] + bytes(prefix).prefix(3)
        return message(type: 0, perPeerHeader + bgp(type: 2, update))
    }

    /// RFC 7854, 4.2: a global instance peer, four-byte AS numbers.
    private var perPeerHeader: [UInt8] {
        [0, 0] + [UInt8](repeating: 0, count: 8) + [UInt8](repeating: 0, count: 12) + bytes(peer) + bytes(peerAS)
            + bytes(peer) + bytes(UInt32(0)) + bytes(UInt32(0))
    }

    /// RFC 4271, 4.2, with the capability of four-byte AS numbers (RFC 6793).
    private func open(_ identifier: UInt32) -> [UInt8] {
        let capability: [UInt8] = [65, 4] + bytes(peerAS)
        let parameter: [UInt8] = [2, UInt8(capability.count)] + capability
        return bgp(
            type: 1,
            [4] + bytes(UInt16(truncatingIfNeeded: peerAS)) + bytes(UInt16(180)) + bytes(identifier) + [
                UInt8(parameter.count)
            ] + parameter)
    }

    private func bgp(type: UInt8, _ body: [UInt8]) -> [UInt8] {
        [UInt8](repeating: 0xff, count: 16) + bytes(UInt16(body.count + 19)) + [type] + body
    }

    /// The common header, RFC 7854, 4.1.
    private func message(type: UInt8, _ body: [UInt8]) -> [UInt8] {
        [3] + bytes(UInt32(body.count + 6)) + [type] + body
    }
}

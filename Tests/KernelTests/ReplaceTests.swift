import Glibc
import PoolModel
import TelemetryLab
import Testing
import TestSupport

/// One process takes another's slot over.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct ReplaceTests {
    @Test(
        .enabled(if: Kernel.migratesConnections, "needs sk_reuseport/migrate: Linux 5.14"),
        arguments: ["0.0.0.0", "::", "::1"])
    func `50 connections that wait at the old listener move to the new one with their data`(
        address: String
    ) async throws {
        try await Sandbox.run { _ in
            let bound = IPAddress(address)!
            let pool = try PoolFixture(collectors: ["c1", "c2"], address: bound)
            let clients = try (0..<UInt64(50)).map { index in
                // Over IPv4 to the dual-stack one, too.
                let source: IPAddress =
                    address == "0.0.0.0" || address == "::" && index % 2 == 0
                    ? .v4(0x0a0a_0000 + UInt32(index)) : .v6(0x2001_0db8 << 32, index + 1)
                let client = try InternetSocket(.tcp, bind: source)
                try client.connect(PoolFixture.target(for: source), PoolFixture.bmpPort)
                try client.write([UInt8(index)])
                return (source, client)
            }
            let owners = try clients.map { try pool.kernel.explain($0.0).collector }
            for name in ["c1", "c2"] {
                let old = (pool.udp[name]!, pool.tcp[name]!)
                let change = try pool.replace(name)
                // Two sockets, and the sessions that wait.
                let waiting = owners.count { $0 == name }
                #expect(change.changed && change.predecessor?.cookies.count == 2 + waiting)
                _ = old
            }
            // The old listeners are closed by now.
            var accepted: [IPAddress: String] = [:]
            for (name, listener) in pool.tcp {
                for (source, connection) in listener.acceptSessions() {
                    let index = try #require(clients.firstIndex { $0.0 == source })
                    #expect(connection.readWaiting() == [UInt8(index)])
                    accepted[source] = name
                }
            }
            #expect(clients.map { accepted[$0.0] } == owners)
            // None was reset.
            for (_, client) in clients { #expect(client.readWaiting() == []) }
        }
    }

    @Test func `a slot with a live socket is refused without --replace, and so is an incomplete collector`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1", "c2"])
            let before = try PinnedMaps.read()
            let udp = try InternetSocket.collector(.udp, .v4(0), port: PoolFixture.ipfixPort)
            let tcp = try InternetSocket.collector(.tcp, .v4(0), port: PoolFixture.bmpPort)
            #expect(throws: RegistrationPlan.Refusal.self) { try pool.register("c1", [udp, tcp]) }
            #expect(throws: RegistrationPlan.Refusal.self) { try pool.register("c1", [udp], replacing: true) }
            #expect(try PinnedMaps.read() == before)
            _ = (udp, tcp)
        }
    }
}

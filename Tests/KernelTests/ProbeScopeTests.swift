import CBPFShim
import Glibc
import PoolModel
import TelemetryLab
import Testing

/// Where the audit's probes go.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct ProbeScopeTests {
    private static func probes(_ pool: PoolFixture) throws -> [ProbeResult] {
        try pool.kernel.auditFacts(act: "audit").groups.map(\.probe)
    }

    @Test(arguments: ["192.0.2.77", "2001:db8::77"])
    func `a group at an interface's address is probed and attached again, and no probe leaves the host`(
        address: String
    ) async throws {
        try await Sandbox.run { sandbox in
            let way = try WayOut(in: sandbox, to: address, isOwn: true)
            let pool = try PoolFixture(collectors: ["c1"], address: IPAddress(address)!)
            let before = try way.sentPackets()
            #expect(try Self.probes(pool) == [.attached, .attached])
            for member in [pool.udp["c1"]!, pool.tcp["c1"]!] { #expect(rpa_detach_reuseport(member.number) == 0) }
            #expect(try Self.probes(pool) == [.replaced, .replaced])
            #expect(try Self.probes(pool) == [.attached, .attached])
            #expect(try way.sentPackets() == before)
        }
    }

    /// - Parameters:
    ///   - address: IPv4: out0's, without its local route, as for a VRF's address outside of it.
    ///     IPv6: of no interface. Both can be bound by ip_nonlocal_bind.
    ///   - forwards: what went round by loopback might be sent on.
    @Test(arguments: ["192.0.2.77", "2001:db8::77"], [false, true])
    func `the probes of a group at an address that is routed elsewhere don't leave the host`(
        address: String, forwards: Bool
    ) async throws {
        try await Sandbox.run { sandbox in
            let way = try WayOut(in: sandbox, to: address, isOwn: false, forwards: forwards)
            let pool = try PoolFixture(collectors: ["c1"], address: IPAddress(address)!)
            let before = try way.sentPackets()
            for _ in 0..<10 {
                #expect(try Self.probes(pool) == [.unsendable(errno: 99), .unsendable(errno: 99)])
            }
            #expect(try way.sentPackets() == before)
            // One that isn't bound to loopback does leave.
            let other = try InternetSocket(.udp, bind: pool.address)
            try other.send([1], to: pool.address, PoolFixture.ipfixPort)
            #expect(try way.sentPackets() == before + 1)
        }
    }
}

/// A second interface, the way to every address outside.
private struct WayOut {
    private let sandbox: Sandbox

    /// - Parameter isOwn: the address is out0's own, with its local route.
    init(in sandbox: Sandbox, to address: String, isOwn: Bool, forwards: Bool = false) throws {
        self.sandbox = sandbox
        let isIPv6 = address.contains(":")
        let own = "ip address add \(address)/\(isIPv6 ? "64 nodad" : "24") dev out0"
        let elsewhere = """
            \(isIPv6 ? "ip -6 route add default dev out0" : own)
            \(isIPv6 ? "" : "ip route del local \(address) dev out0 table local")
            ip neighbour add \(address) lladdr 02:00:00:00:00:02 dev out0
            """
        // Without IPv6, an interface reports no IPv6 multicast groups, which would count as sent packets.
        let setUp = """
            set -e
            ip link add out0 type veth peer name out1
            cd /proc/sys/net/ipv6/conf
            for name in out0 out1; do
                echo 0 > $name/accept_ra
                echo 1 > $name/addr_gen_mode
                \(isIPv6 ? ":" : "echo 1 > $name/disable_ipv6")
            done
            echo 1 | tee ../../ipv4/ip_nonlocal_bind > ../ip_nonlocal_bind
            echo \(forwards ? 1 : 0) | tee all/forwarding > ../../ipv4/ip_forward
            ip link set out0 up
            ip link set out1 up
            ip -4 route del local 0.0.0.0/0 dev lo table local
            ip -6 route del local ::/0 dev lo table local
            \(isOwn ? own : elsewhere)
            """
        let script = try ChildProcess(["sh", "-c", setUp], in: sandbox)
        guard try script.wait() == 0 else { throw LabError("no second interface: \(script.errorOutput)") }
        if isIPv6 { try waitUntilQuiet() }
    }

    /// IPv6 repeats its reports of multicast groups within a second.
    private func waitUntilQuiet() throws {
        var (packets, since) = (try sentPackets(), ContinuousClock.now)
        let isQuiet = try waitUntil(.seconds(30), every: .milliseconds(200)) {
            let now = try sentPackets()
            if now != packets { (packets, since) = (now, ContinuousClock.now) }
            return ContinuousClock.now - since >= .seconds(2)
        }
        guard isQuiet else { throw LabError("out0 still sends: \(packets) packets") }
    }

    /// Of out0, by /proc/net/dev, which has this namespace for who runs in it.
    func sentPackets() throws -> Int {
        let reader = try ChildProcess(["cat", "/proc/net/dev"], in: sandbox)
        try reader.wait()
        let line = reader.output.split(separator: "\n").first { $0.contains("out0:") }
        let fields = line?.split(separator: ":").last?.split(separator: " ") ?? []
        guard fields.count == 16, let packets = Int(fields[9]) else { throw LabError("no out0: \(reader.output)") }
        return packets
    }
}

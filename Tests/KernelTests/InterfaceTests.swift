import CLabShim
import Glibc
import PoolModel
import PoolReport
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// Groups whose sockets are bound to an interface.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct InterfaceTests {
    /// A router in a namespace of its own, behind the interface red0.
    private struct Link {
        private let sandbox: Sandbox
        private let router: ChildProcess
        /// A process in the pool's namespace.
        private let host: ChildProcess

        /// - Parameter commands: run in the pool's namespace when red0 is up.
        init(in sandbox: Sandbox, _ commands: String = "") throws {
            self.sandbox = sandbox
            router = try ChildProcess(["unshare", "--net", "sleep", "600"], in: sandbox)
            host = try ChildProcess(["sleep", "600"], in: sandbox)
            try Self.run(
                """
                set -e
                n=0
                while [ "$(readlink /proc/\(router.pid)/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do
                    n=$((n + 1)); [ $n -lt 2000 ]; sleep 0.01
                done
                ip link add red0 type veth peer name red1 netns \(router.pid)
                # What comes from the router's addresses isn't this host's own.
                ip -4 route del local 0.0.0.0/0 dev lo table local 2>/dev/null || :
                for name in all red0; do echo 0 > /proc/sys/net/ipv4/conf/$name/rp_filter; done
                echo 1 > /proc/sys/net/ipv6/conf/red0/addr_gen_mode
                ip address add 192.0.2.1/24 dev red0
                ip address add fe80::1/64 nodad dev red0
                ip link set red0 up
                ip route add 10.11.0.0/16 via 192.0.2.2 dev red0
                \(commands)
                """, sandbox)
            try Self.run(
                """
                set -e
                ip link set lo up
                echo 1 > /proc/sys/net/ipv6/conf/red1/addr_gen_mode
                ip address add 192.0.2.2/24 dev red1
                ip address add fe80::2/64 nodad dev red1
                ip link set red1 up
                ip route add local 10.11.0.0/16 dev lo
                """, sandbox, ["nsenter", "--net=/proc/\(router.pid)/ns/net"])
        }

        private static func run(_ script: String, _ sandbox: Sandbox, _ launcher: [String] = []) throws {
            let process = try ChildProcess(launcher + ["sh", "-c", "\(VRF.command)\n\(script)"], in: sandbox)
            guard try process.wait() == 0 else { throw LabError("\(script): \(process.errorOutput)") }
        }

        /// Runs it with this thread in the router's namespace.
        func inRouter<Result>(_ body: () throws -> Result) throws -> Result {
            try Self.enter(router)
            let result = Swift.Result { try body() }
            try Self.enter(host)
            return try result.get()
        }

        private static func enter(_ process: ChildProcess) throws {
            let number = open("/proc/\(process.pid)/ns/net", O_RDONLY | O_CLOEXEC)
            defer { close(number) }
            let result = lab_enter_network(number)
            guard result == 0 else { throw LabError("setns: errno \(-result)") }
        }

        /// A datagram of each source to an address of red0.
        func send(from sources: [IPAddress], to target: String) throws {
            try inRouter {
                for source in sources {
                    let socket = try InternetSocket(.udp, family: source.isIPv6LinkLocal ? AF_INET6 : AF_INET)
                    try socket.bind(source, 0, interface: if_nametoindex("red1"))
                    try socket.send([1, 2, 3, 4], to: IPAddress(target)!, PoolFixture.ipfixPort)
                }
            }
        }

        func end() throws {
            for process in [router, host] {
                process.send(SIGKILL)
                try process.wait()
            }
        }
    }

    private static func group(
        _ name: String, _ interface: String?, _ address: String = "0.0.0.0",
        _ transport: ReuseportGroup.TransportProtocol = .udp
    ) -> ReuseportGroup {
        ReuseportGroup(
            name: name, transport: transport, address: IPAddress(address)!, port: PoolFixture.ipfixPort,
            interface: interface)
    }

    private static func pool(_ groups: [ReuseportGroup]) throws -> PoolFixture {
        var configuration = PoolFixture.configuration(["c1", "c2"])
        configuration.groups = groups
        return try PoolFixture(configuration, registering: [])
    }

    /// c1 and c2 with a socket in each group, by name.
    private static func register(_ groups: [ReuseportGroup], in pool: PoolFixture) throws -> [String: [InternetSocket]]
    {
        var sockets: [String: [InternetSocket]] = [:]
        for name in ["c1", "c2"] {
            sockets[name] = try groups.map { try $0.newMember() }
            try pool.register(name, sockets[name]!)
        }
        return sockets
    }

    private static let sources = (0..<UInt32(SlowMachine.isHere ? 20 : 200)).map { IPAddress.v4(0x0a0b_0001 + $0) }

    @Test func `a group of an interface and one without on the same port: each receives what is sent there`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let link = try Link(in: sandbox)
            // IPv4: the kernel finds the sockets that were bound last first.
            let groups = [Self.group("all", nil), Self.group("red", "red0")]
            let pool = try Self.pool(groups)
            let sockets = try Self.register(groups, in: pool)
            try link.send(from: Self.sources, to: "192.0.2.1")
            let local = (1..<UInt32(100)).map { IPAddress.v4(0x7f00_0100 + $0) }
            for source in local { try pool.send(from: source) }
            for name in ["c1", "c2"] {
                for (socket, sources) in zip(sockets[name]!, [local, Self.sources]) {
                    let owned = try sources.filter { try pool.kernel.explain($0).collector == name }
                    #expect(Set(socket.receiveWaiting().map(\.source)) == Set(owned))
                }
            }
            let facts = try pool.kernel.auditFacts(act: "audit")
            #expect(facts.groups.map(\.probe) == [.attached, .attached])
            #expect(facts.problems(former: [:]) == [])
            #expect(try pool.kernel.status().collectors.map(\.state) == ["active", "active"])
            #expect(try pool.kernel.status().groups.map(\.interface) == [nil, "red0"])
            try link.end()
        }
    }

    @Test func `sockets without an interface that are bound later receive its traffic until the next audit`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let link = try Link(in: sandbox)
            let groups = [Self.group("red", "red0"), Self.group("all", nil)]
            let pool = try Self.pool(groups)
            let sockets = try Self.register(groups, in: pool)
            // At the same collector, before and after.
            for receiver in [1, 0] {
                try link.send(from: Self.sources, to: "192.0.2.1")
                for name in ["c1", "c2"] {
                    let owned = try Self.sources.filter { try pool.kernel.explain($0).collector == name }
                    #expect(sockets[name]![1 - receiver].receiveWaiting().isEmpty)
                    #expect(Set(sockets[name]![receiver].receiveWaiting().map(\.source)) == Set(owned))
                }
                let facts = try pool.kernel.auditFacts(act: "audit")
                #expect(facts.groups.map(\.probe) == [.attached, .attached])
                #expect(facts.problems(former: [:]).filter { $0.group != nil } == [])
            }
            try link.end()
        }
    }

    @Test func `of IPv6, sockets without an interface that were bound before receive its traffic: a note`() async throws
    {
        try await Sandbox.run { sandbox in
            let link = try Link(in: sandbox)
            let groups = [Self.group("all", nil, "::"), Self.group("red", "red0", "::")]
            let pool = try Self.pool(groups)
            let sockets = try Self.register(groups, in: pool)
            try link.send(from: [IPAddress("fe80::2")!], to: "fe80::1")
            let owner = try #require(try pool.kernel.explain(IPAddress("fe80::2")!).collector)
            #expect(sockets[owner]!.map { $0.receiveWaiting().count } == [1, 0])
            let facts = try pool.kernel.auditFacts(act: "audit")
            #expect(facts.groups.map(\.probe) == [.attached, .overtaken])
            #expect(facts.problems(former: [:]).filter { $0.group != nil }.map(\.name) == ["interface_overtaken"])
            try link.end()
        }
    }

    @Test func `a TCP group of an interface: sessions are known, and follow their exporters`() async throws {
        try await Sandbox.run { sandbox in
            let link = try Link(in: sandbox)
            let groups = [Self.group("red", "red0", "192.0.2.1", .tcp)]
            let pool = try Self.pool(groups)
            let sockets = try Self.register(groups, in: pool)
            try link.inRouter {
                for source in Self.sources {
                    let router = try InternetSocket(.tcp, bind: source)
                    try router.connect(IPAddress("192.0.2.1")!, PoolFixture.ipfixPort)
                }
            }
            for name in ["c1", "c2"] {
                for source in sockets[name]![0].acceptWaiting() {
                    #expect(try pool.kernel.explain(source).collector == name)
                }
            }
            #expect(try pool.kernel.status().groups[0].outcomes.selected == UInt64(Self.sources.count))
            #expect(try pool.kernel.auditFacts(act: "audit").groups.map(\.probe) == [.attached])
            try link.end()
        }
    }

    @Test func `a group at a link-local address`() async throws {
        try await Sandbox.run { sandbox in
            let link = try Link(in: sandbox)
            let groups = [Self.group("local", "red0", "fe80::1")]
            let pool = try Self.pool(groups)
            let sockets = try Self.register(groups, in: pool)
            try link.send(from: [IPAddress("fe80::2")!], to: "fe80::1")
            let owner = try #require(try pool.kernel.explain(IPAddress("fe80::2")!).collector)
            #expect(sockets[owner]![0].receiveWaiting().map { "\($0.source)" } == ["fe80::2"])
            #expect(try pool.kernel.auditFacts(act: "audit").groups.map(\.probe) == [.attached])
            #expect(try pool.kernel.status().collectors.map(\.state) == ["active", "active"])
            try link.end()
        }
    }

    @Test func `the agent waits for an interface that doesn't exist, and keeps its group then`() async throws {
        try await Sandbox.run { sandbox in
            var configuration = PoolFixture.configuration(["c1"])
            configuration.groups = [Self.group("red", "red0")]
            configuration.collectorUser = 0
            let pool = try PoolFixture(configuration, registering: [])
            var facts = try pool.kernel.auditFacts(act: "audit")
            #expect(!facts.groups[0].hasInterface && facts.groups[0].placeholder == nil)
            #expect(facts.problems(former: [:]).filter { $0.group != nil }.map(\.name) == ["interface_missing"])
            let link = try Link(in: sandbox)
            facts = try pool.kernel.auditFacts(act: "audit")
            #expect(facts.groups[0].hasInterface && facts.groups[0].placeholder != nil)
            #expect(facts.groups[0].probe == .attached)
            // It is removed, and another one of the name comes.
            try link.end()
            #expect(waitUntil(.seconds(20)) { !NetworkInterface.exists("red0") })
            facts = try pool.kernel.auditFacts(act: "audit")
            #expect(!facts.groups[0].hasInterface && facts.groups[0].placeholder == nil)
            let next = try Link(in: sandbox)
            facts = try pool.kernel.auditFacts(act: "audit")
            #expect(facts.groups[0].placeholder != nil && facts.groups[0].probe == .attached)
            try next.end()
        }
    }

    @Test func `a socket of another interface, or of none, is unfit, with the interface in the message`() async throws {
        try await Sandbox.run { sandbox in
            let link = try Link(in: sandbox, "ip link add blue0 type veth peer name blue1")
            let pool = try Self.pool([Self.group("red", "red0")])
            func refusal(_ interface: String?) throws -> Failure? {
                let socket = try Self.group("", interface).newMember()
                do {
                    try pool.register("c1", [socket])
                    return nil
                } catch let error as RegistrationPlan.Refusal { return error.failure }
            }
            let other = try #require(try refusal("blue0"))
            #expect(
                other.cause.contains("(udp 0.0.0.0%blue0:4739) is bound to interface blue0, which makes it a group"))
            #expect(other.remedy.contains("add a group with interface: blue0"))
            let none = try #require(try refusal(nil))
            #expect(
                none.cause.contains("(udp 0.0.0.0:4739) is of no group of the pool, which has udp 0.0.0.0%red0:4739"))
            try link.end()
        }
    }

    @Test(.enabled(if: VRF.isThere, "needs VRFs in the kernel"))
    func `a VRF: each exporter's datagrams and sessions are at its collector, and none outside of it`() async throws {
        try await Sandbox.run { sandbox in
            let link = try Link(
                in: sandbox,
                """
                ip link add red type vrf table 10
                ip link set red up
                ip link set red0 master red
                ip route replace 10.11.0.0/16 via 192.0.2.2 dev red0 table 10
                """)
            // Bound last: without the VRF, these would receive everything.
            let groups = [Self.group("red", "red"), Self.group("all", nil)]
            let pool = try Self.pool(groups)
            let sockets = try Self.register(groups, in: pool)
            try link.send(from: Self.sources, to: "192.0.2.1")
            for name in ["c1", "c2"] {
                let owned = try Self.sources.filter { try pool.kernel.explain($0).collector == name }
                #expect(Set(sockets[name]![0].receiveWaiting().map(\.source)) == Set(owned))
                #expect(sockets[name]![1].receiveWaiting().isEmpty)
            }
            let facts = try pool.kernel.auditFacts(act: "audit")
            #expect(facts.groups.map(\.probe) == [.attached, .attached], "\(facts.groups)")
            #expect(facts.groups.map(\.apart) == [["red"], ["red"]])
            // The kernel knows an interface in a VRF by the VRF.
            #expect(NetworkInterface.isApart("red0", .udp) && !NetworkInterface.isApart("lo", .udp))
            #expect(try pool.kernel.status().collectors.map(\.state) == ["active", "active"])
            try link.end()
        }
    }
}

enum VRF {
    /// iproute2's, also where the shell has an `ip` of its own.
    static let command: String = {
        let paths: [String] = ["/usr/sbin/ip", "/usr/bin/ip", "/sbin/ip"]
        let path = paths.first { (path: String) in access(path, X_OK) == 0 } ?? "ip"
        return "ip() { \(path) \"$@\"; }"
    }()

    /// With CI=true a kernel without VRFs isn't a failure: `make test-kernels` has them.
    static let isThere =
        Glibc.system("unshare --net sh -c '\(command)\nip link add red type vrf table 10' 2>/dev/null") == 0
}

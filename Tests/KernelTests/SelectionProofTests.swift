import CBPFShim
import Glibc
import PoolModel
import PoolReport
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// A collector is active only if the program has selected its sockets.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct SelectionProofTests {
    /// One UDP group, as only UDP sockets of two users can be bound to one address and port.
    private static func configuration(_ names: [String], _ address: IPAddress = .v4(0)) -> PoolConfiguration {
        var configuration = PoolFixture.configuration(names, address)
        configuration.groups = [configuration.groups[0]]
        return configuration
    }

    /// nfacctd sets both options.
    private static func socket(
        of user: UInt32, _ sandbox: Sandbox, _ address: IPAddress = .v4(0), reuseaddr: Bool = true
    ) throws -> InternetSocket {
        try sandbox.asUser(user) {
            try .collector(.udp, address, port: PoolFixture.ipfixPort, reuseaddr: reuseaddr)
        }
    }

    private static func register(_ name: String, _ socket: InternetSocket, in kernel: Pool) throws {
        _ = try kernel.register(name, [try PoolFixture.offer(socket.number)], owner: nil)
    }

    private static func states(_ kernel: Pool) throws -> [SlotState] { try kernel.moments(act: "test").map(\.state) }

    private static func refusal(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch { return "\((error as? RegistrationPlan.Refusal)?.failure.description ?? "\(error)")" }
    }

    /// c1 of user 1001 is registered, and then user 1002 binds a socket that receives everything.
    private static func starvedPool(in sandbox: Sandbox) throws -> (
        kernel: Pool, sockets: (registered: InternetSocket, obstacle: InternetSocket, second: InternetSocket)
    ) {
        let kernel = try Pool(adopting: configuration(["c1"]))
        let registered = try socket(of: 1_001, sandbox)
        // In the way of the agent's own socket, which would keep the second user out.
        let obstacle = try socket(of: 1_002, sandbox, IPAddress("127.0.0.9")!)
        try register("c1", registered, in: kernel)
        #expect(try states(kernel) == [.active])
        return (kernel, (registered, obstacle, try socket(of: 1_002, sandbox)))
    }

    /// Sends datagrams from 40 addresses.
    private static func send(to address: IPAddress = .v4(0x7f00_0001)) throws {
        for index in 0..<UInt32(40) {
            let source: IPAddress = if case .v4 = address { .v4(0x7f01_0000 + index) } else { .v6(0, 1) }
            let socket = try InternetSocket(.udp, bind: source)
            try? socket.send([UInt8](repeating: 1, count: 100), to: address, PoolFixture.ipfixPort)
        }
    }

    @Test(arguments: ["0.0.0.0", "::"])
    func `the first socket of the list receives everything of two users' sockets`(address: String) async throws {
        try await Sandbox.run { sandbox in
            let address = IPAddress(address)!
            let group = Self.configuration(["c1"], address).groups[0]
            for users: [UInt32] in [[1_001, 1_002], [1_002, 1_001, 1_002], [1_001, 1_002, 1_002, 1_001]] {
                let sockets = try users.map { try Self.socket(of: $0, sandbox, address) }
                try Self.send(to: PoolFixture.target(for: address))
                let receivers = Set(
                    zip(users, sockets).filter { !$1.receiveWaiting().isEmpty }.map(\.0))
                let first = try SocketDump.members(of: .udp, port: PoolFixture.ipfixPort).first(where: group.hasMember)
                #expect(receivers == [first!.user], "\(users)")
            }
        }
    }

    @Test func `a placeholder keeps a second user out as soon as the first collector is registered`() async throws {
        try await Sandbox.run { sandbox in
            let kernel = try Pool(adopting: Self.configuration(["c1", "c2"]))
            let first = try Self.socket(of: 1_001, sandbox)
            try Self.register("c1", first, in: kernel)
            #expect(throws: LabError.self) { try Self.socket(of: 1_002, sandbox) }
            // The rightful user isn't kept out.
            let second = try Self.socket(of: 1_001, sandbox)
            try Self.register("c2", second, in: kernel)
            #expect(try Self.states(kernel) == [.active, .active])
        }
    }

    @Test(arguments: [false, true])
    func `the user whose sockets receive nothing is refused with both sockets named, the other one is active`(
        isConfigured: Bool
    ) async throws {
        try await Sandbox.run { sandbox in
            var configuration = Self.configuration(["c1", "c2"])
            if isConfigured { configuration.collectorUser = 1_001 }
            // Both are bound before the agent starts. The last one receives.
            let (loser, receiver) = (try Self.socket(of: 1_001, sandbox), try Self.socket(of: 1_002, sandbox))
            let kernel = try Pool(adopting: configuration)
            let text = Self.refusal { try Self.register("c1", loser, in: kernel) }
            #expect(text?.contains("belongs to user 1001") == true, "\(text ?? "registered")")
            #expect(text?.contains("sockets of user 1002 (inode ") == true, "\(text ?? "registered")")
            try Self.register("c2", receiver, in: kernel)
            #expect(try Self.states(kernel)[1] == .active)
            let again = Self.refusal { try Self.register("c1", loser, in: kernel) }
            #expect(again?.contains("collector c2's") == true, "\(again ?? "registered")")
        }
    }

    @Test func `a registered collector that a second user starves is reported at once, and no probe is read`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let (kernel, sockets) = try Self.starvedPool(in: sandbox)
            var history = AuditHistory()
            func findings() throws -> [AuditFinding] {
                try history.judge(kernel.auditFacts(act: "test"), at: .init(instant: .now, time: 0)).findings
            }
            for _ in 0..<20 {
                let finding = try findings().first { $0.name == "two_users" }
                #expect(finding?.collector == "c1")
                #expect(finding?.text.contains("a socket of user 1002 (inode ") == true, "\(finding?.text ?? "none")")
                #expect(finding?.text.contains("a socket of user 1001 (inode ") == true, "\(finding?.text ?? "none")")
            }
            #expect(sockets.second.receiveWaiting().isEmpty)
        }
    }

    @Test func `a renewal of a starved collector restarts no hold, and one that works again is back`() async throws {
        try await Sandbox.run { sandbox in
            var configuration = Self.configuration(["c1", "c2"])
            configuration.restartHold = .seconds(3_600)
            let kernel = try Pool(adopting: configuration)
            let registered = try Self.socket(of: 1_001, sandbox)
            let obstacle = try Self.socket(of: 1_002, sandbox, IPAddress("127.0.0.9")!)
            try Self.register("c1", registered, in: kernel)
            // The second user's group gets the program when its socket is registered by force.
            var second: InternetSocket? = try Self.socket(of: 1_002, sandbox)
            try Self.register("c2", second!, in: kernel)
            try Self.send()
            func left() throws -> Duration? {
                if case .holding(let left) = try Self.states(kernel)[0] { left } else { nil }
            }
            let first = try #require(try left())
            for _ in 0..<20 {
                let text = Self.refusal { try Self.register("c1", registered, in: kernel) }
                #expect(text != nil)
                let now = try #require(try left())
                #expect(now < first)
            }
            second = nil
            try Self.register("c1", registered, in: kernel)
            #expect(try Self.states(kernel)[0] == .active)
            _ = obstacle
        }
    }

    @Test func `a socket that the kernel keeps in another group is refused by the errno of its selection`() async throws
    {
        try await Sandbox.run { sandbox in
            let kernel = try Pool(adopting: Self.configuration(["c1", "c2"]))
            let first = try Self.socket(of: 1_001, sandbox)
            let second = try Self.socket(of: 1_002, sandbox)
            // The sockets are of one user now, and in two groups still.
            #expect(fchown(second.number, 1_001, UInt32.max) == 0)
            try Self.register("c2", second, in: kernel)
            for _ in 0..<3 {
                let text = Self.refusal { try Self.register("c1", first, in: kernel) }
                #expect(text?.contains("the program can't select fd") == true, "\(text ?? "registered")")
                #expect(text?.contains("(EBADFD)") == true, "\(text ?? "registered")")
            }
            #expect(try Self.states(kernel) == [.empty, .active])
            try Self.send()
            #expect(first.receiveWaiting().isEmpty)
        }
    }

    @Test func `a socket that comes into another group after its registration is reported with the errno`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let (kernel, sockets) = try Self.starvedPool(in: sandbox)
            let second = sockets.second
            #expect(fchown(second.number, 1_001, UInt32.max) == 0)
            #expect(rpa_attach_reuseport(second.number, kernel.groups[0].dispatcher.number) == 0)
            var history = AuditHistory()
            let findings = try history.judge(kernel.auditFacts(act: "test"), at: .init(instant: .now, time: 0)).findings
            let finding = findings.first { $0.name == "socket_unselectable" }
            #expect(finding?.collector == "c1" && finding?.text.contains("(EBADFD)") == true, "\(findings)")
            #expect(try Self.states(kernel) == [.unverified])
        }
    }

    @Test func `a refused registration leaves the traffic of a running port where it is`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(PoolFixture.configuration(["c1"]), registering: [])
            let udp = try InternetSocket.collector(.udp, .v4(0), port: PoolFixture.ipfixPort)
            let tcp = try InternetSocket.collector(.tcp, .v4(0), port: PoolFixture.bmpPort)
            let foreign = try ForeignSocketArray()
            try foreign.take(udp)
            for _ in 0..<3 {
                let offers = try [tcp, udp].map { try PoolFixture.offer($0.number) }
                #expect(throws: RegistrationPlan.Refusal.self) {
                    try pool.kernel.register("c1", offers, owner: nil)
                }
            }
            let facts = try pool.kernel.deliveryFacts(act: "test")
            #expect(facts.groups.map(\.isAttached) == [false, false])
            for index in 0..<UInt32(40) {
                let router = try InternetSocket(.tcp, bind: .v4(0x7f01_0000 + index))
                try router.connect(.v4(0x7f00_0001), PoolFixture.bmpPort)
            }
        }
    }

    @Test func `without an answer to its probe a collector is unverified, until the program has delivered to it`()
        async throws
    {
        try await Sandbox.run { sandbox in
            // No probe is sent to an address that isn't this host's.
            let address = IPAddress("2001:db8::1")!
            let pool = try PoolFixture(Self.configuration(["c1"], address), registering: [])
            let socket = try InternetSocket.collector(.udp, address, port: PoolFixture.ipfixPort)
            try pool.register("c1", [socket])
            #expect(try Self.states(pool.kernel) == [.unverified])
            _ = try pool.kernel.auditFacts(act: "test")
            #expect(try Self.states(pool.kernel) == [.unverified])
            let addition = ["ip", "address", "add", "2001:db8::1/128", "dev", "lo", "nodad"]
            let script = try ChildProcess(addition, in: sandbox)
            #expect(try script.wait() == 0)
            let sender = try InternetSocket(.udp, family: AF_INET6)
            try sender.send([1], to: address, PoolFixture.ipfixPort)
            #expect(socket.receiveWaiting().count == 1)
            _ = try pool.kernel.auditFacts(act: "test")
            #expect(try Self.states(pool.kernel) == [.active])
        }
    }

    @Test func `the proof outlives the agent, and ends with the sockets`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(collectors: ["c1", "c2"])
            try pool.restartAgent()
            #expect(try Self.states(pool.kernel) == [.active, .active])
            pool.stop("c1")
            try pool.start("c1")
            #expect(try Self.states(pool.kernel) == [.active, .active])
            _ = try pool.kernel.auditFacts(act: "test")
            #expect(pool.takeReceived().values.allSatisfy { $0.isEmpty })
            #expect(pool.takeAccepted().values.allSatisfy { $0.isEmpty })
        }
    }

    @Test func `100 registrations deliver no probe to any collector`() async throws {
        try await Sandbox.run { _ in
            let pool = try PoolFixture()
            for index in 0..<100 { _ = try pool.replace("c\(index % 4 + 1)") }
            #expect(pool.takeReceived().values.allSatisfy { $0.isEmpty })
            #expect(pool.takeAccepted().values.allSatisfy { $0.isEmpty })
            #expect(try Self.states(pool.kernel).allSatisfy { $0 == .active })
        }
    }
}

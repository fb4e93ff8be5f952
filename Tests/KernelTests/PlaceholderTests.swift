import PoolModel
import SockArrayCore
import TelemetryLab
import Testing

/// The user of the agent's own sockets, where collectors' users differ.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct PlaceholderTests {
    private static let configuration = PoolFixture.configuration(["c1", "c2"])

    private static func sockets(_ user: UInt32, in sandbox: Sandbox, reuseaddr: Bool = false) throws
        -> [InternetSocket]
    {
        try sandbox.asUser(user) {
            [
                try .collector(.udp, .v4(0), port: PoolFixture.ipfixPort, reuseaddr: reuseaddr),
                try .collector(.tcp, .v4(0), port: PoolFixture.bmpPort),
            ]
        }
    }

    private static func register(_ name: String, _ sockets: [InternetSocket], in kernel: Pool) throws {
        _ = try kernel.register(name, sockets.map { try PoolFixture.offer($0.number) }, owner: nil)
    }

    /// The placeholder's user in each group.
    private static func users(_ kernel: Pool) throws -> [UInt32?] {
        try kernel.auditFacts(act: "test").groups.map { group in
            group.sockets.first { $0.cookie == group.placeholder }?.user
        }
    }

    /// A pool whose first collector was of one user.
    private static func pastPool(of user: UInt32, in sandbox: Sandbox) throws {
        let kernel = try Pool(adopting: configuration)
        let sockets = try sockets(user, in: sandbox)
        try register("c1", sockets, in: kernel)
        #expect(try users(kernel) == [user, user])
    }

    @Test(arguments: [(UInt32(1_000), UInt32(1_001)), (1_001, 1_000)])
    func `an agent that starts gives placeholders the user of the living collector, not the former one's`(
        past: UInt32, present: UInt32
    ) async throws {
        try await Sandbox.run { sandbox in
            try Self.pastPool(of: past, in: sandbox)
            let sockets = try Self.sockets(present, in: sandbox)
            for _ in 0..<5 {
                let kernel = try Pool(adopting: Self.configuration)
                #expect(try Self.users(kernel) == [present, present])
                try Self.register("c2", sockets, in: kernel)
                #expect(try Self.users(kernel) == [present, present])
            }
        }
    }

    @Test func `without collectors and collector_user an agent that starts keeps no user out`() async throws {
        try await Sandbox.run { sandbox in
            try Self.pastPool(of: 1_000, in: sandbox)
            let kernel = try Pool(adopting: Self.configuration)
            #expect(try Self.users(kernel) == [nil, nil])
            let sockets = try Self.sockets(1_001, in: sandbox)
            try Self.register("c2", sockets, in: kernel)
            #expect(try Self.users(kernel) == [1_001, 1_001])
        }
    }

    @Test func `an obstacle of another user keeps the agent's own socket out until it is gone`() async throws {
        try await Sandbox.run { sandbox in
            let sockets = try Self.sockets(1_000, in: sandbox, reuseaddr: true)
            // No member of the group, and bound last: the kernel compares users with the last socket alone.
            var obstacle: InternetSocket? = try sandbox.asUser(1_001) {
                try InternetSocket.collector(.udp, .v4(0x7f00_0001), port: PoolFixture.ipfixPort, reuseaddr: true)
            }
            let kernel = try Pool(adopting: Self.configuration)
            try Self.register("c1", sockets, in: kernel)
            #expect(try Self.users(kernel) == [nil, 1_000])
            obstacle = nil
            #expect(try Self.users(kernel) == [1_000, 1_000])
            _ = obstacle
        }
    }

    @Test func `another user's sockets never give the agent's own socket their user while a collector is there`()
        async throws
    {
        try await Sandbox.run { sandbox in
            var configuration = Self.configuration
            configuration.groups = [configuration.groups[0]]
            func socket(_ user: UInt32, _ address: IPAddress = .v4(0)) throws -> InternetSocket {
                try sandbox.asUser(user) { try .collector(.udp, address, port: PoolFixture.ipfixPort, reuseaddr: true) }
            }
            let kernel = try Pool(adopting: configuration)
            let first = try socket(1_000)
            var obstacle: InternetSocket? = try socket(1_001, .v4(0x7f00_0001))
            try Self.register("c1", [first], in: kernel)
            // It receives everything, and its user alone could bind there now.
            var second: InternetSocket? = try socket(1_001)
            #expect(try Self.users(kernel) == [nil])
            (obstacle, second) = (nil, nil)
            #expect(try Self.users(kernel) == [1_000])
            _ = (obstacle, second)
        }
    }

    @Test func `the agent's own socket of a user who has left gives way to another user's collectors`() async throws {
        try await Sandbox.run { sandbox in
            var configuration = Self.configuration
            configuration.groups = [configuration.groups[0]]
            func socket(_ user: UInt32) throws -> InternetSocket {
                try sandbox.asUser(user) { try .collector(.udp, .v4(0), port: PoolFixture.ipfixPort, reuseaddr: true) }
            }
            let kernel = try Pool(adopting: configuration)
            let first = try socket(1_000)
            var second: InternetSocket? = try socket(1_001)
            try Self.register("c2", [second!], in: kernel)
            let before = try Self.users(kernel)
            #expect(before == [1_001])
            second = nil
            let after = try Self.users(kernel)
            #expect(after == [1_000])
            try Self.register("c1", [first], in: kernel)
            let states = try kernel.moments(act: "test").map(\.state)
            #expect(states[0] == .active, "\(states)")
        }
    }

    @Test func `a reload to another collector_user gives placeholders that user, and back`() async throws {
        try await Sandbox.run { _ in
            var configuration = Self.configuration
            configuration.collectorUser = 1_000
            let kernel = try Pool(adopting: configuration)
            #expect(try Self.users(kernel) == [1_000, 1_000])
            for user: UInt32 in [1_001, 1_000, 1_001] {
                configuration.collectorUser = user
                try kernel.reload(configuration)
                #expect(try Self.users(kernel) == [user, user])
                #expect(try kernel.auditFacts(act: "test").groups.allSatisfy { $0.placeholderRefusal == nil })
            }
        }
    }

    @Test func `a reload that renames groups keeps them with their program, without collectors`() async throws {
        try await Sandbox.run { _ in
            var configuration = Self.configuration
            configuration.collectorUser = 1_000
            let kernel = try Pool(adopting: configuration)
            for index in configuration.groups.indices { configuration.groups[index].name += "2" }
            try kernel.reload(configuration)
            // The old placeholders were open until the reload was over.
            let facts = try kernel.auditFacts(act: "test").groups
            #expect(facts.map(\.probe) == [.attached, .attached])
            #expect(try Self.users(kernel) == [1_000, 1_000])
        }
    }
}

import Glibc
import TelemetryLab
import Testing
import TestSupport

/// Slow readers and incomplete requests in large numbers: the agent's own work continues.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct StatusLoadTests {
    @Test
    func `500 clients at once delay no registration, lose no datagram and leave nothing behind`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let traffic = try NumberedTraffic(exporters: 1_000)
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(extra: StatusClient.Place.configuration))
            let collectors = try agent.registerFour()
            try traffic.sendRound(to: collectors)
            for _ in 0..<3 { _ = try StatusClient.get("/exporters?limit=1000", over: .tcp) }
            let before = try AgentFootprint.atRest(agent)
            let alone = try (0..<10).map { _ in try Self.register(collectors[3], with: agent) {} }
            let crowd = try StatusCrowd(count: 500)
            for _ in 0..<50 { try crowd.pump() }
            let crowded = try (0..<20).map { _ in
                try traffic.sendRound(to: collectors)
                return try Self.register(collectors[3], with: agent) { try crowd.pump() }
            }
            let during = try AgentFootprint(of: agent)
            #expect(try agent.command(["status"]).exitCode == 0)
            crowd.leave()
            #expect(traffic.sent == 21_000 && traffic.received == traffic.sent && traffic.duplicates == 0)
            #expect(crowd.answered > 5, "\(crowd.answered) answered, \(crowd.refused) refused")
            // The agent makes the answers of hundreds of clients that have left: TCP shows that a client has
            // closed its connection only when an answer is sent.
            #expect(waitUntil(.seconds(180)) { (try? AgentFootprint.atRest(agent).descriptors) == before.descriptors })
            let (longestAlone, longest) = (alone.max()!, crowded.max()!)
            print(
                "registrations: \(alone.sorted()[5]), at most \(longestAlone); among 500 clients \(crowded.sorted()[10]), "
                    + "at most \(longest); \(crowd.answered) answered, \(crowd.refused) refused; "
                    + "\(before.residentKiB) KiB resident, then \(during.residentKiB)")
            #expect(longest < longestAlone * 20 + .seconds(3), "\(crowded)")
            #expect(during.residentKiB - before.residentKiB < 24_576, "from \(before) to \(during)")
        }
    }

    @Test func `readers that don't read events are dropped, and the others get every event`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(
                    hold: "1h", extra: StatusClient.Place.configuration + "\ntable_size: 256"))
            let churn = try RegistrationChurn("c1")
            // The first one leaves placeholders.
            try churn.turn()
            let before = try AgentFootprint.atRest(agent)
            let reader = try EventReader(target: "/events?after=0")
            let idle = try (0..<8).map { number in
                let client = try StatusClient(number % 2 == 0 ? .unix : .tcp, receiveBuffer: 2_304)
                client.ask("/events?after=0")
                return client
            }
            var turns = 1
            // The kernel's buffers come first: some 100 KiB.
            while turns < 4_000, !reader.isAtEnd {
                let left = try Self.sockets(of: agent) - before.descriptors["socket", default: 0]
                if left <= 1, turns >= 100 { break }
                try churn.turn()
                turns += 1
            }
            #expect(turns < 4_000)
            #expect(
                waitUntil(.seconds(20)) { ((try? reader.events()) ?? []).count { $0.kind == .registered } == turns })
            let ids = try reader.events().map(\.id)
            #expect(ids == Array(1...UInt64(ids.count)))
            print("readers that don't read were given up after \(ids.count) events")
            _ = idle
        }
    }

    @Test func `clients killed in the middle of an answer leave nothing behind`() async throws {
        try await Sandbox.run { sandbox in
            let traffic = try NumberedTraffic(exporters: 1_000)
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(extra: StatusClient.Place.configuration))
            let collectors = try agent.registerFour()
            try traffic.sendRound(to: collectors)
            _ = try StatusClient.get("/exporters?limit=1000")
            let before = try AgentFootprint.atRest(agent)
            for target in ["/exporters?limit=1000", "/events", "/status"] {
                let clients = try (0..<10).map { _ in
                    try ChildProcess(
                        [
                            "curl", "-sN", "--limit-rate", "1000",
                            "http://127.0.0.1:\(StatusClient.Place.port)\(target)",
                        ],
                        in: sandbox)
                }
                usleep(300_000)
                for client in clients {
                    client.send(SIGKILL)
                    try client.wait()
                }
                #expect(try StatusClient.get("/healthz", over: .tcp).status == 200)
            }
            #expect(waitUntil(.seconds(30)) { (try? AgentFootprint.atRest(agent).descriptors) == before.descriptors })
            _ = collectors
        }
    }

    /// `register`, while something else is done.
    private static func register(
        _ collector: CollectorSockets, with agent: AgentFixture, while body: () throws -> Void
    ) throws -> Duration {
        let start = ContinuousClock.now
        let process = try agent.start(
            ["register", "--collector", collector.name, "--fd", "10", "--fd", "11"],
            descriptors: [10: collector.udp.number, 11: collector.tcp.number])
        while process.exitCode == nil {
            try body()
            usleep(200)
        }
        #expect(process.exitCode == 0, "\(process.errorOutput)")
        return ContinuousClock.now - start
    }

    private static func sockets(of agent: AgentFixture) throws -> Int {
        try AgentFootprint(of: agent).descriptors["socket", default: 0]
    }
}

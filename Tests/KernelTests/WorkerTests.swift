import CLabShim
import Glibc
import PoolModel
import PoolReport
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// Collectors with several sockets in a group.
@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces and CAP_BPF")) struct WorkerTests {
    /// A collector with several sockets in each group.
    private final class Workers {
        var udp: [InternetSocket?]
        var tcp: [InternetSocket?]

        init(udp: Int, tcp: Int) throws {
            self.udp = try (0..<udp).map { _ in try .collector(.udp, .v4(0), port: PoolFixture.ipfixPort) }
            self.tcp = try (0..<tcp).map { _ in try .collector(.tcp, .v4(0), port: PoolFixture.bmpPort) }
        }

        var sockets: [InternetSocket] { (udp + tcp).compactMap(\.self) }

        /// The source of each datagram that waits, by worker.
        func takeReceived() -> [[IPAddress]] { udp.map { $0?.receiveWaiting().map(\.source) ?? [] } }

        func takeAccepted() -> [[IPAddress]] { tcp.map { $0?.acceptWaiting() ?? [] } }
    }

    /// c1 and c2, with the same numbers of sockets.
    private struct Stage {
        let pool: PoolFixture
        let collectors: [String: Workers]

        init(udp: Int = 4, tcp: Int = 2, _ choice: WorkerChoice = .exporter, hold: Duration = ModelledPool.hold) throws
        {
            var configuration = PoolFixture.configuration(["c1", "c2"], .v4(0), hold)
            for index in configuration.collectors.indices { configuration.collectors[index].workers = choice }
            pool = try PoolFixture(configuration, registering: [])
            var collectors: [String: Workers] = [:]
            for name in ["c1", "c2"] {
                let workers = try Workers(udp: udp, tcp: tcp)
                try pool.register(name, workers.sockets, owner: ProcessIdentity(pid: 1))
                collectors[name] = workers
            }
            self.collectors = collectors
        }

        /// Datagrams that wait at each worker of c1, and at c2.
        func take() -> (c1: [Int], c2: Int) {
            (
                collectors["c1"]!.takeReceived().map(\.count),
                collectors["c2"]!.takeReceived().reduce(0) { $0 + $1.count }
            )
        }

        func membership(_ name: String, _ group: String = "ipfix") throws -> PoolStatus.Membership {
            try pool.kernel.status().collectors.first { $0.name == name }!.groups[group]!
        }

        func state(_ name: String) throws -> String {
            try pool.kernel.status().collectors.first { $0.name == name }!.state
        }

        /// An exporter of c1.
        var exporter: IPAddress {
            get throws {
                let sources = (0..<UInt32(100)).map { IPAddress.v4(0x0a0b_0000 + $0) }
                return try #require(try sources.first { try pool.kernel.explain($0).collector == "c1" })
            }
        }
    }

    @Test func `all streams of 1,000 exporters are at one process, and by exporter each on one socket`() async throws {
        try await Sandbox.run { _ in
            let stage = try Stage()
            var sockets: Set<String> = []
            for index in 0..<UInt32(SlowMachine.isHere ? 30 : 1_000) {
                let source = IPAddress.v4(0x0a0b_0000 + index)
                let expected = try stage.pool.kernel.explain(source).collector!
                for _ in 0..<4 { try stage.pool.send(from: source) }
                #expect(try stage.pool.connect(from: source))
                let received = stage.collectors.mapValues { $0.takeReceived() }
                let accepted = stage.collectors.mapValues { $0.takeAccepted() }
                let full = received.flatMap { name, workers in
                    workers.indices.filter { !workers[$0].isEmpty }.map { "\(name) \($0)" }
                }
                #expect(full.count == 1 && full[0].hasPrefix(expected))
                #expect(received[expected]!.reduce(0) { $0 + $1.count } == 4)
                #expect(accepted[expected]!.reduce(0) { $0 + $1.count } == 1)
                sockets.formUnion(full)
            }
            #expect(sockets.count == 8 || SlowMachine.isHere)
        }
    }

    @Test func `by packet each socket gets its turn, by flow each flow stays on one socket`() async throws {
        try await Sandbox.run { _ in
            let stage = try Stage(.packet)
            let exporter = try stage.exporter
            for _ in 0..<400 { try stage.pool.send(from: exporter) }
            // One turn for each CPU.
            let counts = stage.take().c1
            #expect(counts.reduce(0, +) == 400)
            #expect(Double(counts.max()!) <= 1.02 * 100 + 2, "\(counts)")
        }
        try await Sandbox.run { _ in
            let stage = try Stage(.flow)
            let exporter = try stage.exporter
            var hit: Set<Int> = []
            for _ in 0..<64 {
                let flow = try InternetSocket(.udp, bind: exporter)
                for _ in 0..<5 { try flow.send([1], to: .v4(0x7f00_0001), PoolFixture.ipfixPort) }
                let counts = stage.take().c1
                #expect(counts.filter { $0 == 5 }.count == 1 && counts.reduce(0, +) == 5, "\(counts)")
                hit.formUnion(counts.indices.filter { counts[$0] == 5 })
            }
            #expect(hit.count == 4)
        }
    }

    @Test func `by CPU the socket with that SO_INCOMING_CPU, or that of the CPU's number, gets what comes there`()
        async throws
    {
        try await Sandbox.run { _ in
            let pool = try PoolFixture(
                {
                    var configuration = PoolFixture.configuration(["c1"])
                    configuration.collectors[0].workers = .cpu
                    return configuration
                }(), registering: [])
            let workers = try Workers(udp: 4, tcp: 1)
            // In reverse.
            for (index, socket) in workers.udp.enumerated() {
                try socket!.set(SOL_SOCKET, SO_INCOMING_CPU, 3 - Int32(index))
            }
            try pool.register("c1", workers.sockets)
            for cpu in 0..<min(4, sysconf(Int32(_SC_NPROCESSORS_ONLN))) {
                guard lab_run_on_cpu(Int32(cpu)) == 0 else { continue }
                for _ in 0..<10 { try pool.send(from: .v4(0x0a0b_0001)) }
                let counts = workers.takeReceived().map(\.count)
                #expect(counts[3 - cpu] == 10, "CPU \(cpu): \(counts)")
            }
        }
    }

    @Test func `when a worker's socket closes the others take its share, and the collector is lost with its last one`()
        async throws
    {
        try await Sandbox.run { _ in
            let stage = try Stage(.packet)
            let (exporter, c1) = (try stage.exporter, stage.collectors["c1"]!)
            for closed in 1...3 {
                c1.udp[closed - 1] = nil
                for _ in 0..<60 { try stage.pool.send(from: exporter) }
                let (counts, others) = stage.take()
                #expect(counts.reduce(0, +) == 60 && others == 0, "\(counts), \(others)")
                #expect(try stage.state("c1") == "active")
            }
            #expect(try stage.pool.connect(from: exporter))
            c1.udp[3] = nil
            for _ in 0..<60 { try stage.pool.send(from: exporter) }
            // TCP is held, too.
            #expect(try !stage.pool.connect(from: exporter))
            #expect(try stage.pool.outcomes("ipfix").held == 60)
            #expect(try stage.state("c1") == "holding")
            try stage.pool.endHolds()
            for _ in 0..<60 { try stage.pool.send(from: exporter) }
            #expect(stage.take().c2 == 60)
            #expect(try stage.membership("c1").runs == 180)
        }
    }

    @Test func `the sockets of all of another group's workers must be gone for a collector to be lost`() async throws {
        try await Sandbox.run { _ in
            let stage = try Stage(udp: 2, tcp: 64)
            let (exporter, c1) = (try stage.exporter, stage.collectors["c1"]!)
            for worker in 0..<63 { c1.tcp[worker] = nil }
            for _ in 0..<20 {
                try stage.pool.send(from: exporter)
                Jiffies.pass()
            }
            #expect(stage.take().c1.reduce(0, +) == 20)
            #expect(try stage.pool.connect(from: exporter))
            c1.tcp[63] = nil
            Jiffies.pass()
            try stage.pool.send(from: exporter)
            try stage.pool.send(from: exporter)
            #expect(stage.take() == ([0, 0], 0))
        }
    }

    @Test(arguments: [WorkerChoice.exporter, .packet])
    func `half of 64 sockets close at once under load: nothing is lost or at another collector`(
        choice: WorkerChoice
    ) async throws {
        try await Sandbox.run { _ in
            let stage = try Stage(udp: 64, tcp: 1, choice)
            let c1 = stage.collectors["c1"]!
            let sources = try (0..<UInt32(400)).map { IPAddress.v4(0x0a0b_0000 + $0) }.filter {
                try stage.pool.kernel.explain($0).collector == "c1"
            }
            // All of one side: the longest gap that there can be.
            for worker in 0..<32 { c1.udp[worker] = nil }
            for source in sources { try stage.pool.send(from: source) }
            let (counts, others) = stage.take()
            #expect(counts.reduce(0, +) == sources.count && others == 0)
            // The agent repairs it.
            try stage.pool.register("c1", c1.sockets, owner: ProcessIdentity(pid: 1))
            let members = try stage.membership("c1").workers!
            #expect(members.map(\.number) == Array(0..<32))
            for source in sources { try stage.pool.send(from: source) }
            #expect(stage.take().c1.reduce(0, +) == sources.count)
            #expect(try stage.pool.outcomes("ipfix").held == 0)
        }
    }

    @Test func `sockets that close, join and close gaps under load lose nothing as long as one is there`() async throws
    {
        try await Sandbox.run { _ in
            let stage = try Stage(udp: 8, tcp: 1, .packet)
            let (exporter, c1) = (try stage.exporter, stage.collectors["c1"]!)
            let sender = try BackgroundSender(from: exporter)
            func register() throws { try stage.pool.register("c1", c1.sockets, owner: ProcessIdentity(pid: 1)) }
            for round in 0..<100 {
                sender.wait(for: sender.count + 20)
                // Two or three stay, at the end of the slot or in its middle.
                for worker in 0..<8 where (worker + round) % 8 > 1 + round % 2 { c1.udp[worker] = nil }
                try register()
                #expect(try stage.membership("c1").workers?.map(\.number) == Array(0...(1 + round % 2)))
                for worker in 0..<8 where c1.udp[worker] == nil {
                    c1.udp[worker] = try .collector(.udp, .v4(0), port: PoolFixture.ipfixPort)
                }
                try register()
                _ = stage.take()
            }
            sender.stop()
            let outcomes = try stage.pool.outcomes("ipfix")
            #expect(outcomes.selected == UInt64(sender.count) && outcomes.total == outcomes.selected, "\(outcomes)")
        }
    }

    @Test func `replace from 4 to 6 workers and back loses nothing, and names the predecessor's sockets`() async throws
    {
        try await Sandbox.run { _ in
            let stage = try Stage()
            let exporter = try stage.exporter
            var present = stage.collectors["c1"]!
            for count in [6, 4, 6, 4, 1, 4, 1, 1, 2] {
                let next = try Workers(udp: count, tcp: count / 2 + 1)
                // Few enough for one socket's buffer.
                let sender = try BackgroundSender(from: exporter, pause: 1_000)
                sender.wait(for: 30)
                let change = try stage.pool.register("c1", next.sockets, replacing: true)
                sender.wait(for: sender.count + 30)
                sender.stop()
                #expect(change.predecessor?.cookies.count == present.sockets.count)
                let received = present.takeReceived() + next.takeReceived()
                #expect(received.reduce(0) { $0 + $1.count } == sender.count)
                #expect(try stage.membership("c1").workers?.count == (count > 1 ? count : nil))
                present = next
            }
            let outcomes = try stage.pool.outcomes("ipfix")
            #expect(outcomes.held == 0 && outcomes.failedOver == 0 && outcomes.noCollector == 0, "\(outcomes)")
        }
    }

    @Test func `a collector is registered as it is after a restart of the agent, and its drops and workers are known`()
        async throws
    {
        try await Sandbox.run { _ in
            let stage = try Stage(.packet)
            let exporter = try stage.exporter
            for _ in 0..<4_000 { try stage.pool.send(from: exporter, bytes: 1_000) }
            let before = try stage.membership("c1")
            let workers = try #require(before.workers)
            #expect(workers.count == 4 && workers.allSatisfy { $0.queuedBytes > 0 && $0.drops > 0 })
            #expect(before.drops == workers.reduce(0) { $0 + $1.drops })
            #expect(before.queuedBytes == workers.reduce(0) { $0 + $1.queuedBytes })
            try stage.pool.restartAgent()
            #expect(try stage.membership("c1") == before)
            // What closed sockets have dropped still counts.
            for worker in 0..<3 { stage.collectors["c1"]!.udp[worker] = nil }
            #expect(try stage.membership("c1").drops == before.drops)
            #expect(try stage.membership("c1").workers == nil)
            #expect(try stage.pool.kernel.unregister("c1").groups == ["ipfix", "bmp"])
            for _ in 0..<10 { try stage.pool.send(from: exporter) }
            #expect(stage.take().c2 == 10)
        }
    }

    @Test func `65 sockets of one group are refused, and change nothing`() async throws {
        try await Sandbox.run { _ in
            let stage = try Stage()
            let before = try PinnedMaps.read()
            let many = try Workers(udp: 65, tcp: 1)
            let refusal = #expect(throws: RegistrationPlan.Refusal.self) {
                try stage.pool.register("c1", many.sockets, replacing: true)
            }
            #expect(refusal!.failure.description.contains("it has 65 sockets in group ipfix (udp 0.0.0.0:4739)"))
            #expect(try PinnedMaps.read() == before)
        }
    }

    @Test func `a process that opens and closes sockets 10,000 times leaves nothing behind`() async throws {
        try await Sandbox.run { _ in
            let stage = try Stage(.packet)
            let c1 = stage.collectors["c1"]!
            let rounds = 10_000
            for round in 0..<rounds {
                c1.udp[1 + round % 3] = nil
                c1.udp[1 + round % 3] = try .collector(.udp, .v4(0), port: PoolFixture.ipfixPort)
                // As often as the agent can.
                if round % 20 == 19 {
                    try stage.pool.register("c1", c1.sockets, owner: ProcessIdentity(pid: 1))
                }
            }
            #expect(try stage.membership("c1").workers?.map(\.number) == [0, 1, 2, 3])
            #expect(try stage.pool.kernel.registeredSockets(act: "count").count == 12)
            let exporter = try stage.exporter
            for _ in 0..<40 { try stage.pool.send(from: exporter) }
            let (counts, others) = stage.take()
            #expect(counts.reduce(0, +) == 40 && counts.min()! >= 8 && others == 0, "\(counts)")
        }
    }
}

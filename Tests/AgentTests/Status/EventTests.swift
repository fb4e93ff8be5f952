import CBPFShim
import Glibc
import PoolReport
import TelemetryLab
import TestSupport
import Testing

@testable import AgentCore

/// GET /events of a running agent.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct EventTests {
    private static func agent(in sandbox: Sandbox, hold: String = "2s", extra: String = "") throws -> AgentFixture {
        try AgentFixture(
            in: sandbox, program: AgentUnderTest.program,
            configuration: AgentFixture.configuration(
                hold: hold, extra: StatusClient.Place.configuration + "\n" + extra))
    }

    @Test func `both sockets send a collector's events in order: registered, lost, held, failed over, returned`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox)
            let readers = [try EventReader(.unix), try EventReader(.tcp)]
            var collectors = try agent.registerFour()
            for reader in readers {
                #expect(waitUntil(.seconds(20)) { reader.messages.count >= 4 })
                #expect(reader.messages.prefix(4).map(\.event) == Array(repeating: "registered", count: 4))
                #expect(try reader.events().prefix(4).map(\.collector) == ["c1", "c2", "c3", "c4"])
            }
            collectors.removeLast()
            for reader in readers {
                #expect(reader.waits(for: [.registered, .lost, .held, .failedOver], of: "c4"))
            }
            #expect(waitUntil(.seconds(20)) { readers[0].messages.contains { $0.event == "moved" } })
            collectors.append(try CollectorSockets("c4"))
            #expect(try collectors[3].register(with: agent).exitCode == 0)
            let life: [PoolEvent.Kind] = [.registered, .lost, .held, .failedOver, .registered, .returned]
            for reader in readers { #expect(reader.waits(for: life, of: "c4")) }
            // To the next ranks and back.
            #expect(waitUntil(.seconds(20)) { readers[0].messages.count(where: { $0.event == "moved" }) == 2 })
            let moved = try readers[0].events().filter { $0.kind == .moved }.map(\.text)
            #expect(moved[0].contains(" of 65536 table rows: c4 -> c") && moved[1].contains(" -> c4 "), "\(moved)")
            let ids = try readers[0].events().map(\.id)
            #expect(ids == Array(1...UInt64(ids.count)))
            let schema = try JSONSchema(path: Checkout.statusSchema)
            for message in readers[0].messages { try schema.validate(message.data ?? "", as: "event") }
            #expect(waitUntil(.seconds(20)) { readers[1].messages == readers[0].messages })
            // They end with the agent.
            agent.process.send(SIGTERM)
            #expect(waitUntil(.seconds(20)) { readers.allSatisfy(\.isAtEnd) })
        }
    }

    @Test func `10 commands that arrive together are each recorded, in order`() async throws {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox, hold: "1h")
            let reader = try EventReader(target: "/events?after=0")
            let collector = try CollectorSockets("c1")
            let holder = try ChildProcess(
                ["sleep", "1000"], in: sandbox, descriptors: [5: collector.udp.number, 6: collector.tcp.number])
            // While it is stopped they queue up.
            agent.process.send(SIGSTOP)
            let clients = try (0..<10).map { index in
                let number = rpa_unix_connect(AgentFixture.controlPath, 60_000)
                guard number >= 0 else { throw LabError("connect: errno \(-number)") }
                let request = try JSON.encode(
                    index % 2 == 0
                        ? ControlRequest.registerProcess(collector: "c1", pid: holder.pid)
                        : .unregister(collector: "c1"))
                #expect(rpa_send(number, request, request.count, nil, 0) == request.count)
                shutdown(number, Int32(SHUT_WR))
                return number
            }
            defer { clients.forEach { close($0) } }
            agent.process.send(SIGCONT)
            let turns: [PoolEvent.Kind] = [.registered, .lost, .failedOver]
            let back: [PoolEvent.Kind] = [.registered, .returned, .lost, .failedOver]
            #expect(
                reader.waits(for: turns + Array(repeating: back, count: 4).joined(), of: "c1"),
                "\(reader.messages.map(\.data))")
        }
    }

    @Test func `a returning reader gets the missed events, and after the agent's restart all new ones`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox)
            let collectors = try agent.registerFour()
            var all: [EventReader.Message] = []
            let first = try EventReader(target: "/events?after=0")
            #expect(
                waitUntil(.seconds(20)) {
                    all = first.messages
                    return all.count >= 4
                })
            // By the field, by the parameter, and the field goes before it.
            let resumed = try EventReader(target: "/events?after=0", lastID: all[1].id)
            #expect(waitUntil(.seconds(20)) { resumed.messages.count >= 2 } && resumed.messages[0] == all[2])
            let asked = try EventReader(.tcp, target: "/events?after=\(all[2].id ?? "")")
            #expect(waitUntil(.seconds(20)) { !asked.messages.isEmpty } && asked.messages[0] == all[3])
            let now = try EventReader()
            for text in ["x", "1-2-3", "-1", ""] {
                let answer = try StatusClient.get("/events?after=\(text)")
                #expect(answer.status == 400 && answer.body.contains("is not the id of an event"), "\(answer.body)")
            }
            #expect(try now.events().isEmpty)
            try agent.kill()
            #expect(waitUntil(.seconds(20)) { first.isAtEnd })
            try agent.restart()
            let after = try EventReader(lastID: all[3].id)
            #expect(waitUntil(.seconds(20)) { after.messages.count == 1 })
            #expect(after.messages[0].event == "missed" && after.messages[0].id == nil)
            try JSONSchema(path: Checkout.statusSchema).validate(after.messages[0].data ?? "", as: "missed_events")
            _ = try agent.command(["unregister", "--collector", "c4"])
            #expect(after.waits(for: [.lost, .failedOver], of: "c4"))
            #expect(after.messages[1].id != all[0].id)
            _ = collectors
        }
    }

    @Test func `a reader that is 300 events late learns of the gap and gets the 256 that are kept`() async throws {
        try await Sandbox.run { sandbox in
            _ = try Self.agent(in: sandbox, hold: "1h", extra: "table_size: 256")
            let reader = try EventReader(target: "/events?after=0")
            let churn = try RegistrationChurn("c1")
            while try reader.events().last?.id ?? 0 < 300 { try churn.turn() }
            let late = try EventReader(target: "/events?after=1")
            #expect(waitUntil(.seconds(20)) { late.messages.count > 256 })
            #expect(late.messages[0].event == "missed")
            let first = try late.events()[0].id
            #expect(
                late.messages[0].data
                    == "{\"missed\":\(first - 2),\"text\":\"events that are no longer kept: \(first - 2)\"}")
            #expect(try reader.events().map(\.id) == Array(1...(reader.events().last?.id ?? 0)))
        }
    }

    @Test func `32 readers are served, the 33rd gets 503, one that leaves makes room; a keepalive every 15 s`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let agent = try Self.agent(in: sandbox)
            var readers = try (0..<32).map { try EventReader($0 % 2 == 0 ? .unix : .tcp) }
            let refused = try StatusClient.get("/events")
            #expect(refused.status == 503 && refused.fields.contains("Retry-After: 1"))
            #expect(refused.body == "32 clients read events already\n")
            let client = try StatusClient(.unix)
            client.ask("/events", method: "HEAD")
            let head = try client.answer()
            #expect(head.status == 200 && head.fields.contains("Content-Type: text/event-stream"))
            readers.removeFirst()
            #expect(waitUntil(.seconds(20)) { (try? EventReader(.tcp)) != nil })
            #expect(waitUntil(.seconds(40)) { readers[0].comments > 0 })
            #expect(try agent.command(["status"]).exitCode == 0)
        }
    }
}

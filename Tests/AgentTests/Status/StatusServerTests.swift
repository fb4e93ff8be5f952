import Glibc
import PoolModel
import PoolReport
import TelemetryLab
import TestSupport
import Testing

/// What the status server answers, over the Unix socket and TCP alike.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct StatusServerTests {
    private static let places = [StatusClient.Place.unix, .tcp]

    private static func agent(in sandbox: Sandbox, extra: String = "") throws -> AgentFixture {
        try AgentFixture(
            in: sandbox, program: AgentUnderTest.program,
            configuration: AgentFixture.configuration(extra: StatusClient.Place.configuration + "\n" + extra))
    }

    @Test func `/status equals the command's output, and /healthz is 503 with reasons until all is well`() async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox)
            for place in Self.places {
                let unready = try StatusClient.get("/healthz", over: place)
                #expect(unready.status == 503 && unready.body.contains("collector c1 is empty"))
            }
            let collectors = try agent.registerFour()
            for place in Self.places {
                let status = try StatusClient.get("/status", over: place)
                #expect(status.status == 200 && status.fields.contains("Content-Type: application/json"))
                #expect(status.fields.contains("Content-Length: \(status.body.utf8.count)"))
                let time = #/"time":1[0-9.]+,/#
                #expect(status.body.contains(time))
                let shown = try agent.command(["status", "--json"]).output
                #expect(status.body.replacing(time, with: "") == shown.replacing(time, with: ""))
                #expect(try StatusClient.get("/healthz", over: place).body == "{\"ok\":true,\"reasons\":[]}\n")
            }
            // A finding at level problem: a socket that takes a part of the group's traffic.
            let thief = try InternetSocket.collector(.udp, .v4(0x7f00_0009), port: 4_739)
            #expect(
                waitUntil(.seconds(20)) {
                    let health = try? StatusClient.get("/healthz")
                    return health?.status == 503 && health?.body.contains("\"traffic_stolen: ") == true
                })
            _ = (collectors, thief)
        }
    }

    @Test func `each answer of a running agent is valid by the schema: full, empty, draining, held, with findings`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox)
            let schema = try JSONSchema(path: Checkout.statusSchema)
            func check() throws {
                for (target, definition) in [
                    ("/status", "status"), ("/healthz", "health"), ("/exporters", "exporter_list"),
                    ("/exporters?sort=address&limit=1&offset=1&prefix=10.0.0.0/8&collector=c1", "exporter_list"),
                    ("/exporters/10.0.0.1", "exporter_detail"), ("/exporters/2001:db8::1", "exporter_detail"),
                ] {
                    let answer = try StatusClient.get(target, over: .tcp)
                    try schema.validate(answer.body, as: definition)
                }
            }
            try check()
            var collectors = try agent.registerFour()
            for number in 1...20 as ClosedRange<UInt32> {
                let exporter = try InternetSocket(.udp, bind: .v4(0x0a00_0000 + number))
                try exporter.send([1], to: .v4(0x7f00_0001), 4_739)
            }
            let thief = try InternetSocket.collector(.udp, .v4(0x7f00_0009), port: 4_739)
            #expect(try agent.command(["drain", "--collector", "c1"]).exitCode == 0)
            collectors.removeLast()
            #expect(
                waitUntil(.seconds(20)) {
                    let body = (try? StatusClient.get("/status").body) ?? ""
                    return body.contains("traffic_stolen") && body.contains("hold_left") && body.contains("\"drain\":")
                })
            let areListed = try waitUntil(.seconds(20)) {
                try JSONText.decode(ExporterList.self, from: StatusClient.get("/exporters").body).total >= 20
            }
            #expect(areListed)
            try check()
            for property in ["collector.hold_left", "collector.drain", "finding.text", "exporter.address"] {
                #expect(schema.seen.contains(property), "\(property)")
            }
            _ = thief
        }
    }

    @Test func `HEAD is GET without content; other methods get 405 with Allow, unknown paths 404 with the known ones`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox)
            for place in Self.places {
                let client = try StatusClient(place)
                client.ask("/status", method: "HEAD")
                let head = try client.answer()
                let length = head.fields.first { $0.hasPrefix("Content-Length: ") }
                #expect(head.status == 200 && head.body.isEmpty && length != "Content-Length: 0")
                for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "X"] {
                    let client = try StatusClient(place)
                    client.ask("/status", method: method)
                    let answer = try client.answer()
                    #expect(answer.status == 405 && answer.fields.contains("Allow: GET, HEAD"), "\(method)")
                }
                let unknown = try StatusClient.get("/nothing", over: place)
                #expect(unknown.status == 404)
                #expect(unknown.body.hasPrefix("there is no /nothing; there are /, /status"))
                #expect(try StatusClient.get("/status/", over: place).status == 404)
                let other = try StatusClient.get("/status?pretty=yes", over: place)
                #expect(other.status == 400 && other.body == "/status has no parameter pretty; it takes none\n")
            }
            #expect(agent.process.exitCode == nil)
        }
    }

    @Test func `incomplete, wrong and large requests get 400, 408 after 5 s, 413, 414, 431 or 505`() async throws {
        try await Sandbox.run(.unhurried) { sandbox in
            _ = try Self.agent(in: sandbox)
            for place in Self.places {
                let slow = try StatusClient(place)
                slow.send("GET /status HTTP/1.1\r\n")
                let silent = try StatusClient(place)
                let host = "Host: localhost\r\n"
                let long = String(repeating: "x", count: 9_000)
                for (text, status) in [
                    ("\u{1}garbage\r\n\r\n", 400), ("GET /status", 400), ("GET / HTTP/9\r\n\r\n", 400),
                    ("GET /status HTTP/1.1\r\n\r\n", 400), ("GET /status HTTP/2.0\r\n\(host)\r\n", 505),
                    ("GET /\(long) HTTP/1.1\r\n\(host)\r\n", 414),
                    ("GET / HTTP/1.1\r\n\(host)x: \(long)\r\n\r\n", 431),
                    ("GET /status HTTP/1.1\r\n\(host)Content-Length: 9\r\n\r\nhowdyhowd", 413),
                    ("GET /status HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
                    ("GET /status HTTP/1.0\r\n\r\n", 200),
                    ("GET http://x/status HTTP/1.1\r\n\(host)\r\n", 200),
                    // Bytes after a request aren't read and don't prevent the answer.
                    ("GET /status HTTP/1.1\r\n\(host)\r\n" + String(repeating: long, count: 20), 200),
                ] {
                    #expect(try StatusClient.exchange(text, over: place).status == status, "\(text.prefix(60))")
                }
                #expect(try slow.answer().status == 408)
                waitUntil(.seconds(20)) {
                    silent.readWaiting()
                    return silent.isAtEnd
                }
                #expect(silent.isAtEnd && silent.received.isEmpty)
            }
        }
    }

    @Test func `a browser with a foreign host name gets 421 over TCP, and the status over the socket`()
        async throws
    {
        try await Sandbox.run { sandbox in
            _ = try Self.agent(in: sandbox)
            let request = "GET /status HTTP/1.1\r\nHost: rebound.example:9477\r\n\r\n"
            let refused = try StatusClient.exchange(request, over: .tcp)
            #expect(refused.status == 421 && refused.body.contains("Host is rebound.example"))
            #expect(try StatusClient.exchange(request, over: .unix).status == 200)
            #expect(
                try StatusClient.exchange("GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n", over: .tcp).status == 200)
        }
    }

    @Test func `/exporters lists all senders, sorted, paged and by prefix; a wrong parameter is 400 and named`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox)
            let collectors = try agent.registerFour()
            for number in 1...9 as ClosedRange<UInt32> {
                let exporter = try InternetSocket(.udp, bind: .v4(0x0a00_0000 + number))
                let payload = [UInt8](repeating: 0, count: Int(number) * 10)
                for _ in 0..<number { try exporter.send(payload, to: .v4(0x7f00_0001), 4_739) }
            }
            func list(_ query: String, over place: StatusClient.Place = .unix) throws -> ExporterList {
                let answer = try StatusClient.get("/exporters\(query)", over: place)
                guard answer.status == 200 else { throw LabError("\(answer.status) \(answer.body)") }
                return try JSONText.decode(ExporterList.self, from: answer.body)
            }
            // Asked a moment ago, the answer may be a second old.
            #expect(waitUntil(.seconds(10)) { (try? list("").total) == 9 })
            let all = try list("", over: .tcp)
            #expect(all.pool == "edge" && all.matching == 9 && all.sort == "-bytes" && all.limit == 100)
            #expect(all.exporters.map(\.address) == (1...9).reversed().map { "10.0.0.\($0)" })
            #expect(all.exporters[0].udp.runs == 9 && all.exporters[0].udp.bytes == 9 * 98)
            let page = try list("?sort=runs&limit=2&offset=3")
            #expect(page.exporters.map(\.address) == ["10.0.0.4", "10.0.0.5"] && page.offset == 3)
            let part = try list("?prefix=10.0.0.8%2F31&sort=address")
            #expect(part.total == 9 && part.matching == 2 && part.exporters.map(\.address) == ["10.0.0.8", "10.0.0.9"])
            for (query, text) in [
                ("?limit=0", "limit 0 is not a whole number from 1 to 1000"), ("?sort=size", "there is no sort size"),
                ("?collector=c9", "there is no collector c9; use one of c1, c2, c3, c4"),
                ("?page=2", "no parameter page"),
                ("?prefix=10.0.0.1/8", "write 10.0.0.0/8"), ("?limit", "parameter limit has no value"),
            ] {
                let answer = try StatusClient.get("/exporters\(query)")
                #expect(answer.status == 400 && answer.body.contains(text), "\(query): \(answer.body)")
            }
            _ = collectors
        }
    }

    @Test func `/exporters/ADDRESS has counts and collector, for an unknown exporter its future one, else 400`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try Self.agent(in: sandbox)
            let collectors = try agent.registerFour()
            try InternetSocket(.udp, bind: .v4(0x0a00_0001)).send([1, 2], to: .v4(0x7f00_0001), 4_739)
            func detail(_ address: String) throws -> ExporterDetail {
                let answer = try StatusClient.get("/exporters/\(address)", over: .tcp)
                guard answer.status == 200 else { throw LabError("\(answer.status) \(answer.body)") }
                return try JSONText.decode(ExporterDetail.self, from: answer.body)
            }
            #expect(waitUntil(.seconds(10)) { (try? detail("10.0.0.1").exporter?.udp.runs) == 1 })
            let seen = try detail("10.0.0.1")
            let explained = try agent.command(["explain", "10.0.0.1", "--json"]).output
            #expect(try JSONText.decode(Explanation.self, from: explained) == seen.explanation)
            #expect(try detail("::ffff:10.0.0.1").exporter == seen.exporter && seen.sessions.isEmpty)
            let stranger = try StatusClient.get("/exporters/2001%3adb8::9")
            #expect(
                stranger.body.contains("\"exporter\":null") && stranger.body.contains("\"address\":\"2001:db8::9\""))
            for (address, text) in [
                ("10.0.0", "not an IPv4 or IPv6 address"), ("10.0.0.1/32", "it has a prefix length"),
                ("", "IPv4 or IPv6"),
                ("10.0.0.1%3A80", "it has a port; write 10.0.0.1"),
            ] {
                let answer = try StatusClient.get("/exporters/\(address)")
                #expect(answer.status == 400 && answer.body.contains(text), "\(address): \(answer.body)")
            }
            _ = collectors
        }
    }
}

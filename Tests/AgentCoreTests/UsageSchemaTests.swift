import FoundationEssentials
import PoolModel
import TelemetryLab
import TestSupport
import Testing
import UsageExport

@testable import AgentCore

/// schema/usage-event.schema.json, as far as it is used here, against events.
@Suite struct UsageSchemaTests {
    private struct Schema: Decodable {
        struct Property: Decodable {
            var `enum`: [String]?
            var pattern: String?
            var type: String?
        }
        struct Choice: Decodable {
            struct Constant: Decodable { var const: String }
            var properties: [String: Constant]
            var required: [String]
        }
        var required: [String]
        var additionalProperties: Bool
        var properties: [String: Property]
        var oneOf: [Choice]
    }

    private static func schema() throws -> Schema {
        let path = Checkout.usageSchema
        return try JSONDecoder().decode(Schema.self, from: Data(FileText.readBytes(path) ?? []))
    }

    private struct Member: Decodable {
        var text: String?
        var number: UInt64?
        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            text = try? value.decode(String.self)
            number = try? value.decode(UInt64.self)
        }
    }

    @Test
    func `events of collectors and cgroups use all of the schema's keys, patterns and choices, and no others`()
        throws
    {
        let schema = try Self.schema()
        let series: [UsageSeries] = [
            .collector("c1", group: "ipfix"), .cgroup("/sys/fs/cgroup/a", .egress, .external),
            .cgroup("/sys/fs/cgroup/a", .ingress, .internal),
        ]
        var used: Set<String> = []
        for series in series {
            let event = UsageEvent(
                series, pool: "edge", from: UnixTime(milliseconds: 1), to: UnixTime(milliseconds: 2), value: .max,
                idempotencyKey: "2p9x-42-0")
            let line = try UsageFolder.lines([event])
            let members = try JSONDecoder().decode([String: Member].self, from: Data(line))
            #expect(line.last == UInt8(ascii: "\n") && !line.dropLast().contains(UInt8(ascii: "\n")))
            let decoded = try JSON.decode(UsageEvent.self, from: line)
            #expect(decoded == event)
            #expect(!schema.additionalProperties && Set(schema.required).isSubset(of: members.keys))
            for (name, value) in members {
                let property: Schema.Property = try #require(schema.properties[name], "\(name)")
                used.insert(name)
                if let choices = property.enum { #expect(choices.contains(value.text ?? "")) }
                if let pattern = property.pattern {
                    #expect(try Regex(pattern).wholeMatch(in: value.text ?? "") != nil || pattern == "^/")
                }
                if property.type == "integer" { #expect(value.number == .max) }
            }
            let fitting = schema.oneOf.filter { choice in
                choice.properties.allSatisfy { members[$0.key]?.text == $0.value.const }
                    && choice.required.allSatisfy { members[$0] != nil }
            }
            #expect(fitting.count == 1)
        }
        #expect(used == Set(schema.properties.keys))
    }
}

@Suite struct UsagePostTests {
    @Test func `lines become one object of events`() {
        let body = UsagePost.body(Array("{\"a\":1}\n{\"b\":2}\n".utf8))
        #expect(String(decoding: body, as: UTF8.self) == "{\"events\":[{\"a\":1},{\"b\":2}]}")
    }

    @Test(arguments: [
        (0, "\n200", "delivered"), (0, "\n204", "delivered"), (0, "\n301", "refused"), (0, "\n400", "refused"),
        (0, "\n404", "refused"), (0, "\n413", "refused"), (0, "\n408", "failed"), (0, "\n429", "failed"),
        (0, "\n500", "failed"), (0, "\n503", "failed"), (0, "", "failed"),
        (7 << 8, "curl: (7) Failed to connect\n\n000", "failed"), (9, "", "failed"),
    ])
    func `2xx is delivered; 3xx and 4xx except 408 and 429 need an operator; all else is retried`(
        _ status: Int32, _ text: String, _ verdict: String
    ) {
        #expect("\(UsagePost.verdict(status: status, text: text))".hasPrefix(verdict))
    }

    @Test func `curl reads no .curlrc, follows nothing, and finds headers in a file`() {
        let words = UsagePost.arguments("https://a/b", headers: "/etc/token")
        #expect(words[1] == "-q" && !words.contains("-L") && !words.contains("--location"))
        #expect(words.contains("@/etc/token") && words.suffix(2) == ["--url", "https://a/b"])
    }
}

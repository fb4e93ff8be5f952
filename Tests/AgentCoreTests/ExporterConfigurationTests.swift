import PoolModel
import Testing

@testable import AgentCore

/// The keys exporters and tracking.
@Suite struct ExporterConfigurationTests {
    @Test(arguments: [
        ("{name: a, addresses: 192.0.2.1}", "addresses is not a list"), ("a", "an exporter is not a mapping"),
        ("{name: a, addresses: []}", "addresses is an empty list; write at least one address"),
        ("{addresses: [192.0.2.1]}", "an exporter lacks the key name"),
        ("{name: a}", "an exporter lacks the key addresses"),
        ("{name: a b, addresses: [192.0.2.1]}", "not a usable name"),
        ("{name: 192.0.2.1, addresses: [192.0.2.1]}", "name 192.0.2.1 is an address"),
        ("{name: a, addresses: [host]}", "host is not an address or a prefix"),
        ("{name: a, addresses: [192.0.2.1/33]}", "192.0.2.1/33 is not an address or a prefix"),
        ("{name: a, addresses: [192.0.2.1/24]}", "bits beyond its prefix length; write 192.0.2.0/24"),
        ("{name: a, addresses: [192.0.2.1, 192.0.2.1/32]}", "192.0.2.1 is there twice, for exporter a and for a"),
        (
            "{name: a, addresses: [192.0.2.1], collector: c9}",
            "exporter a is pinned to c9, and there is no such collector"
        ),
        ("{name: a, addresses: [192.0.2.1], colector: c1}", "has no key colector; write collector"),
        ("{name: x, addresses: [198.51.100.1]}", "exporter x is there twice"),
        ("{name: a, addresses: [\"::ffff:198.51.100.7\"]}", "198.51.100.7 is there twice, for exporter x and for a"),
    ])
    func `a wrong exporter is refused`(exporter: String, message: String) throws {
        let text = """
            pool: edge
            collectors: [c1]
            exporters:
              - {name: x, addresses: [198.51.100.7]}
              - \(exporter)
            \(ConfigurationText.groups)
            """
        let failure = try #require(throws: Failure.self) { _ = try ConfigurationText.read(text) }
        #expect(failure.description.contains(message), "\(failure)")
        #expect(failure.description.contains("edge.yaml:5"), "\(failure)")
    }

    @Test func `exporters have aliases, overlapping prefixes and pins; without affinity they are refused`() throws {
        let exporters = """
            exporters:
              - {name: pe1.zrh, addresses: [192.0.2.1, "2001:db8::1"]}
              - {name: net, addresses: [192.0.2.0/24, 192.0.2.0/25], collector: c1}
            """
        let text = "pool: edge\ncollectors: [c1]\n\(ConfigurationText.groups)\n\(exporters)"
        let read = try ConfigurationText.read(text)
        #expect(read.exporters.map(\.name) == ["pe1.zrh", "net"])
        #expect(read.exporters.map(\.collector) == [nil, "c1"])
        #expect(read.exporters[1].prefixes.map(\.description) == ["192.0.2.0/24", "192.0.2.0/25"])
        #expect(
            try ConfigurationText.read("pool: edge\ncollectors: [c1]\n\(ConfigurationText.groups)\nexporters: []")
                .exporters.isEmpty)
        let failure = try #require(throws: Failure.self) {
            _ = try ConfigurationText.read(text + "\nassignment: round-robin")
        }
        #expect(failure.description.contains("assignment round-robin can't use exporters"), "\(failure)")
    }

    @Test(arguments: [
        ("off", Tracking.off), ("{size: 1000}", Tracking(size: 1_000)),
        ("{interval: 2m}", Tracking(interval: .seconds(120))), ("{interval: exact}", Tracking(interval: .zero)),
        ("{size: 64, interval: 1s}", Tracking(size: 64, interval: .seconds(1))),
    ])
    func `tracking is off, or a size and an interval`(text: String, tracking: Tracking) throws {
        let read = try ConfigurationText.read(
            "pool: edge\ncollectors: [c1]\n\(ConfigurationText.groups)\ntracking: \(text)")
        #expect(read.tracking == tracking)
    }

    @Test(arguments: [
        ("on", "tracking on is neither off nor a mapping; write off, or {size: 65536, interval: 10s}"),
        ("{size: 63}", "size 63 is not a whole number from 64 to 1048576"), ("{size: 0}", "size 0 is not a whole"),
        ("{size: 2000000}", "is not a whole number"), ("{interval: 999ms}", "interval 999ms is less than a second"),
        ("{interval: 0s}", "use 1s or more, or exact"), ("{interval: 10}", "interval 10 is not a duration"),
        ("{sizes: 100}", "tracking has no key sizes; write size"), ("[off]", "tracking is not a mapping"),
    ])
    func `any other tracking is refused, with the allowed values`(text: String, problem: String) throws {
        let failure = try #require(throws: Failure.self) {
            _ = try ConfigurationText.read(
                "pool: edge\ncollectors: [c1]\n\(ConfigurationText.groups)\ntracking: \(text)")
        }
        #expect(failure.description.contains(problem) && failure.description.contains("edge.yaml:4:"), "\(failure)")
    }
}

import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import TestSupport
import Testing

@testable import AgentCore

@Suite struct ConfigurationTests {
    private static let groups = ConfigurationText.groups

    @Test func `the shortest configuration has the documented defaults`() throws {
        let read = try ConfigurationText.read("pool: edge\ncollectors: [c1]\n\(Self.groups)\n")
        #expect(read.collectors == [.init(name: "c1")])
        #expect(read.seed == "reuseport-agent")
        #expect(read.restartHold == .seconds(10))
        #expect(read.controlSocket == .init(path: "/run/reuseport-agent/control.sock", mode: 0o660))
        #expect(read.statusSocket == .init(path: "/run/reuseport-agent/status.sock", mode: 0o666))
        #expect(read.bpffs == "/sys/fs/bpf/reuseport-agent")
        #expect(read.onMove == .follow && read.collectorUser == nil)
        #expect(read.collectors[0].recognition == nil)
    }

    @Test func `the example has every default as its value`() throws {
        let example = try PoolConfiguration.load(path: Checkout.examples + "/reuseport-agent.yaml")
        let shortest = PoolConfiguration(
            pool: "edge", collectors: ["c1", "c2", "c3", "c4"].map { .init(name: $0) },
            groups: [
                .init(name: "ipfix", transport: .udp, address: .v4(0), port: 4_739),
                .init(name: "bmp", transport: .tcp, address: .v4(0), port: 1_790),
            ], tableSize: 65_536)
        #expect(example == shortest)
    }

    @Test func `every key is read`() throws {
        let read = try ConfigurationText.read(
            """
            pool: edge
            collectors: [c1, {name: c2, weight: 3}]
            groups:
              - {name: six, protocol: tcp, address: "::", port: 1790, ipv6_only: true}
              - {name: four, protocol: tcp, address: 192.0.2.1, port: 1790}
            assignment: rendezvous
            seed: "other"
            restart_hold: 2m
            on_move: reset
            collector_user: nobody
            control_socket: {path: /run/a.sock, mode: "0600"}
            status_socket: {path: /run/b.sock}
            status_http: 127.0.0.1:9477
            bpffs: /sys/fs/bpf/mine/
            """)
        #expect(read.collectors == [.init(name: "c1"), .init(name: "c2", weight: 3)])
        #expect(
            read.groups[0]
                == ReuseportGroup(name: "six", transport: .tcp, address: .v6(0, 0), port: 1790, ipv6Only: true))
        #expect(read.seed == "other" && read.restartHold == .seconds(120))
        #expect(read.onMove == .reset && read.collectorUser == 65_534)
        #expect(read.controlSocket == .init(path: "/run/a.sock", mode: 0o600))
        #expect(read.statusSocket == .init(path: "/run/b.sock", mode: 0o666))
        #expect(read.statusHTTP == .init(address: .v4(0x7f00_0001), port: 9_477))
        #expect(read.bpffs == "/sys/fs/bpf/mine")
    }

    @Test(arguments: [
        ("", "edge.yaml:1:1: it is empty"), ("# nothing", "it is empty"),
        ("a: [", "edge.yaml:2:1: it is not YAML: did not find expected node content"),
        ("\tpool: x", "it is not YAML"),
        ("just text", "the configuration is not a mapping"), ("- a\n- b", "the configuration is not a mapping"),
        ("pool: a\npool: b", "edge.yaml:2:1: pool is there twice; keep one of them"),
        ("pool: \u{1}", "edge.yaml:1:7: it is not YAML: control characters"),
        ("pool: edge\ncolectors: [a]", "edge.yaml:2:1: the configuration has no key colectors; write collectors"),
        ("pool: edge\nzzzzzz: 1", "has no key zzzzzz; remove it; the keys are pool, "),
        ("collectors: [c1]\n\(groups)", "the configuration lacks the key pool; add it, like pool: edge"),
        ("pool: edge\n\(groups)", "lacks the key collectors; add it, like collectors: [c1, c2]"),
        ("pool: edge\ncollectors: [c1]", "lacks the key groups; add it, like groups: [{name: ipfix, "),
        ("pool:\ncollectors: [c1]\n\(groups)", "pool has no value"),
        (
            "pool: a.b\ncollectors: [c1]\n\(groups)",
            "edge.yaml:1:7: pool \"a.b\" is not a usable name; use 1 to 63 letters"
        ),
        ("pool: a/b\ncollectors: [c1]\n\(groups)", "not a usable name"),
        ("pool: -x\ncollectors: [c1]\n\(groups)", "not a usable name"),
        ("pool: \(String(repeating: "x", count: 64))\ncollectors: [c1]\n\(groups)", "not a usable name"),
        ("pool: [edge]\ncollectors: [c1]\n\(groups)", "pool is not a single value"),
        ("pool: edge\ncollectors: c1\n\(groups)", "edge.yaml:2:13: collectors is not a list"),
        (
            "pool: edge\ncollectors: []\n\(groups)",
            "collectors is an empty list; write at least one name, like [c1, c2]"
        ),
        ("pool: edge\ncollectors: [c1, c1]\n\(groups)", "collector c1 is there twice"),
        ("pool: edge\ncollectors: [{weight: 1}]\n\(groups)", "a collector lacks the key name; add it"),
        ("pool: edge\ncollectors: [{name: c1, wieght: 1}]\n\(groups)", "has no key wieght; write weight"),
        (
            "pool: edge\ncollectors: [{name: c1, [a]: 1}]\n\(groups)",
            "edge.yaml:2:25: a collector has a list or a mapping where a key should be; write the key as a word"
        ),
        ("pool: edge\ncollectors: [c1]\ngroups: []", "groups is an empty list; write at least one: {name: ipfix, "),
        ("pool: edge\ncollectors: [c1]\ngroups: [x]", "a group is not a mapping"),
        (
            "pool: edge\ncollectors: [c1]\nassignment: best\n\(groups)",
            "edge.yaml:3:13: assignment best is not known; write one of rendezvous, maglev, round-robin, kernel"
        ),
        (
            "pool: edge\ncollectors: [c1]\non_move: wait\n\(groups)",
            "edge.yaml:3:10: on_move wait is not known; write one of follow, reset, immediate"
        ),
        (
            "pool: edge\ncollectors: [c1]\ncollector_user: no-such-user\n\(groups)",
            "edge.yaml:3:17: there is no user no-such-user; create the user, or give the uid of collector_user as a number"
        ),
        ("pool: edge\ncollectors: [c1]\ncollector_user: 4294967295\n\(groups)", "4294967295 is not a uid"),
        ("pool: edge\ncollectors: [c1]\ncollector_user: 99999999999\n\(groups)", "99999999999 is not a uid"),
        ("pool: edge\ncollectors: [c1]\ncollector_user: -1\n\(groups)", "there is no user -1"),
        ("pool: edge\ncollectors: [c1]\ncollector_user: \"\"\n\(groups)", "there is no user ; create the user"),
        ("pool: edge\ncollectors: [c1]\ntable_size: 255\n\(groups)", "not a whole number from 256 to 1048576"),
        (
            "pool: edge\ncollectors: [c1]\nassignment: maglev\ntable_size: 65536\n\(groups)",
            "edge.yaml:4:13: table_size 65536 is not a prime, and maglev needs one; use 65537"
        ),
        (
            "pool: edge\ncollectors: [c1]\nassignment: kernel\ntable_size: 1024\n\(groups)",
            "assignment kernel has no table; remove table_size"
        ),
        ("pool: edge\ncollectors: [c1]\nstate_file: x\n\(groups)", "is not an absolute path"),
        ("pool: edge\ncollectors: [c1]\nbpffs: relative\n\(groups)", "is not an absolute path"),
        ("pool: edge\ncollectors: [c1]\nbpffs: /a/../b\n\(groups)", "is not an absolute path"),
        ("pool: edge\ncollectors: [c1]\ncontrol_socket: {path: x}\n\(groups)", "path x is not an absolute path"),
        (
            "pool: edge\ncollectors: [c1]\ncontrol_socket: {mode: \"9\"}\n\(groups)",
            "mode 9 is not a set of permission bits"
        ),
        ("pool: edge\ncollectors: [c1]\ncontrol_socket: {mode: \"7777\"}\n\(groups)", "not a set of permission bits"),
        (
            "pool: edge\ncollectors: [c1]\ncontrol_socket: {path: /\(String(repeating: "x", count: 107))}\n\(groups)",
            "at most 107"
        ),
        ("pool: edge\ncollectors: [c1]\nstatus_http: 127.0.0.1\n\(groups)", "edge.yaml:3:14: status_http 127.0.0.1 is"),
        ("pool: edge\ncollectors: [c1]\nstatus_http: 9477\n\(groups)", "like 127.0.0.1:9477 or \"[::1]:9477\""),
        ("pool: edge\ncollectors: [c1]\nstatus_http: 127.0.0.1:0\n\(groups)", "with a port from 1 to 65535"),
        ("pool: edge\ncollectors: [c1]\nstatus_http: 127.0.0.1:65536\n\(groups)", "is not an address with a port"),
        ("pool: edge\ncollectors: [c1]\nstatus_http: 127.0.0.1:+80\n\(groups)", "is not an address with a port"),
        ("pool: edge\ncollectors: [c1]\nstatus_http: ::1:80\n\(groups)", "is not an IPv4 or IPv6 address"),
        ("pool: edge\ncollectors: [c1]\nstatus_http: \"[127.0.0.1]:80\"\n\(groups)", "is not an IPv4 or IPv6 address"),
        ("pool: edge\ncollectors: [c1]\nstatus_http: localhost:80\n\(groups)", "is not an IPv4 or IPv6 address"),
        ("pool: edge\ncollectors: [c1]\nstatus_http: \"[::ffff:127.0.0.1]:80\"\n\(groups)", "write 127.0.0.1:80"),
        ("pool: edge\ncollectors: [c1]\nstatus_http: {port: 80}\n\(groups)", "status_http is not a single value"),
        (
            "pool: edge\ncollectors: [c1]\ngroups: [{name: b, protocol: tcp, address: 0.0.0.0, port: 1790}]\n"
                + "status_http: 127.0.0.1:1790",
            "edge.yaml:4:14: status_http 127.0.0.1:1790 overlaps with group b (tcp 0.0.0.0:1790); give it a port of its own"
        ),
        (
            "pool: edge\ncollectors: [c1]\ncontrol_socket: {path: /run/reuseport-agent/status.sock}\n\(groups)",
            "have the same path"
        ),
        ("pool: edge\ncollectors: [c1]\nseed: &a b\n\(groups)", "edge.yaml:3:7: it has an anchor or an alias"),
        ("pool: edge\ncollectors: [c1]\nseed: *a\n\(groups)", "an anchor or an alias"),
        (String(repeating: "[", count: 100_000), "nested too deep"),
        (String(repeating: "- ", count: 1_000) + "a", "nested too deep"),
        ("pool: edge\n---\npool: other", "it holds more than one document; write one"),
        (
            "pool: edge\ncollectors: [c1]\ncontrol_socket: /run/c.sock\n\(groups)",
            "control_socket is not a mapping; write {path: /run/c.sock}"
        ),
    ])
    func `is refused with file, line, cause and remedy`(text: String, message: String) throws {
        let failure = try #require(throws: Failure.self) { _ = try ConfigurationText.read(text) }
        #expect(failure.kind == .usage)
        #expect(failure.description.hasPrefix("cannot use edge.yaml"))
        #expect(failure.description.contains(message), "\(failure)")
    }

    @Test(arguments: [
        "0", "-1", "1.5", "1001", "99999999999999999999", "x", "01", "+1", "0x10", "\"\"", "[1]", "1e3", "~",
    ])
    func `a weight must be a whole number from 1 to 1000`(weight: String) throws {
        let text = "pool: edge\ncollectors: [c1, {name: c2, weight: \(weight)}]\n\(Self.groups)"
        let failure = try #require(throws: Failure.self) { _ = try ConfigurationText.read(text) }
        #expect(failure.description.contains("weight"), "\(failure)")
        #expect(failure.description.contains("edge.yaml:2:"), "\(failure)")
    }

    @Test(arguments: ["10", "-5s", "1.5s", "s", "10 s", "25h", "999999999999s", "1d", "", "10S"])
    func `a duration without unit, negative, fractional or above a day is refused`(hold: String) throws {
        let text = "pool: edge\ncollectors: [c1]\nrestart_hold: \"\(hold)\"\n\(Self.groups)"
        let failure = try #require(throws: Failure.self) { _ = try ConfigurationText.read(text) }
        #expect(failure.description.contains("restart_hold"), "\(failure)")
    }

    @Test func `257 collectors exceed the slots; 256 don't`() throws {
        func text(_ count: Int) -> String {
            "pool: edge\ncollectors: [\((1...count).map { "c\($0)" }.joined(separator: ", "))]\n\(Self.groups)"
        }
        #expect(try ConfigurationText.read(text(256)).collectors.count == 256)
        let failure = try #require(throws: Failure.self) { _ = try ConfigurationText.read(text(257)) }
        #expect(failure.description.contains("257 collectors are more than a pool can have, 256"))
    }

    @Test func `a file may start with a byte order mark`() throws {
        let path = "/tmp/reuseport-agent-\(getpid()).yaml"
        try FileText.write("\u{feff}pool: edge\ncollectors: [c1]\n\(Self.groups)\n", to: path)
        defer { unlink(path) }
        #expect(try PoolConfiguration.load(path: path).pool == "edge")
    }

    @Test func `quoted text may look like an alias, and comments may contain anything`() throws {
        let read = try ConfigurationText.read(
            "pool: edge # *a &b [[[[\ncollectors: [c1]\nseed: \"*x &y\"\n\(Self.groups)\n")
        #expect(read.seed == "*x &y")
    }
}

import PoolModel
import Testing

@testable import AgentCore

@Suite struct UsageConfigurationTests {
    private static func read(_ text: String) throws(Failure) -> PoolConfiguration {
        let start = """
            pool: edge
            collectors: [c1]
            groups: [{name: ipfix, protocol: udp, address: 0.0.0.0, port: 4739}]

            """
        return try ConfigurationReader(text: start + text, file: "edge.yaml").read()
    }

    @Test func `usage defaults to a minute, 64 MiB and the pool's folder`() throws {
        let read = try Self.read("usage: {to: {file: /var/lib/usage.jsonl}}\n")
        #expect(
            read.usage
                == UsageSettings(
                    interval: .seconds(60), target: .file("/var/lib/usage.jsonl"),
                    folder: "/var/lib/reuseport-agent/edge-usage", limit: 67_108_864))
        #expect(read.meter == nil)
        #expect(try Self.read("").usage == nil)
    }

    @Test func `every key of usage and meter is read`() throws {
        let read = try Self.read(
            """
            usage:
              interval: 5s
              to: {url: "https://billing.example/v1/usage", headers: /etc/token}
              queue: {folder: /srv/queue/, limit: 128KiB}
            meter: {cgroup: /sys/fs/cgroup/system.slice, internal: [10.0.0.0/8, "fd00::/8"]}
            """)
        #expect(
            read.usage
                == UsageSettings(
                    interval: .seconds(5), target: .url("https://billing.example/v1/usage", headers: "/etc/token"),
                    folder: "/srv/queue", limit: 131_072))
        #expect(
            read.meter
                == MeterSettings(
                    cgroup: "/sys/fs/cgroup/system.slice",
                    internalPrefixes: [
                        try AddressPrefix(parsing: "10.0.0.0/8"), try AddressPrefix(parsing: "fd00::/8"),
                    ]))
        let command = try Self.read("usage: {to: {command: [/usr/bin/logger, -t, usage]}}\n")
        #expect(command.usage?.target == .command(["/usr/bin/logger", "-t", "usage"]))
    }

    @Test(arguments: [
        ("usage: {}", "edge.yaml:4", "usage lacks the key to; add it, like to: {file: "),
        (
            "usage: {to: {}}", "edge.yaml:4",
            "to of usage names no receiver; write one of file, command and url"
        ),
        ("usage: {to: {file: /a, url: \"http://b\"}}", "edge.yaml:4", "to of usage names 2 receivers; keep one of"),
        ("usage: {to: {file: a}}", "edge.yaml:4", "not an absolute path"),
        ("usage: {to: {command: [logger]}}", "edge.yaml:4", "PATH isn't searched"),
        (
            "usage: {to: {command: []}}", "edge.yaml:4",
            "command is an empty list; write the path of a program and its arguments, like ["
        ),
        ("usage: {to: {url: \"ftp://a\"}}", "edge.yaml:4", "not an HTTP URL"),
        ("usage: {to: {url: \"http:///a\"}}", "edge.yaml:4", "not an HTTP URL"),
        ("usage: {to: {url: \"http://a b\"}}", "edge.yaml:4", "not an HTTP URL"),
        ("usage: {to: {url: \"https://me:secret@a/\"}}", "edge.yaml:4", "a password"),
        (
            "usage: {to: {file: /a, headers: /b}}", "edge.yaml:4",
            "headers requires url; remove headers, or add url"
        ),
        ("usage: {to: {file: /a}, interval: 99ms}", "edge.yaml:4", "100ms to 1h"),
        ("usage: {to: {file: /a}, interval: 2h}", "edge.yaml:4", "100ms to 1h"),
        ("usage: {to: {file: /a}, queue: {limit: 1KiB}}", "edge.yaml:4", "64KiB to 16GiB"),
        ("usage: {to: {file: /a}, queue: {limit: 64MB}}", "edge.yaml:4", "not a size"),
        ("usage: {to: {file: /a/b}, queue: {folder: /a}}", "edge.yaml:4", "in the queue's folder"),
        ("usage: {to: {file: /a}, queue: {folder: /a/}}", "edge.yaml:4", "/a is the queue's folder"),
        (
            "usage: {to: {file: /a/u}, queue: {folder: /a/u/q}}", "edge.yaml:4",
            "the queue's folder /a/u/q is below the file /a/u; give the file or the folder another path"
        ),
        ("usage: {to: {file: /a/./b//c}, queue: {folder: /a/b}}", "edge.yaml:4", "in the queue's folder"),
        ("usage: {to: {file: /a}, intervall: 1s}", "edge.yaml:4", "write interval"),
        ("meter: {cgroup: /sys/fs/cgroup}", "edge.yaml:4", "the configuration asks for none; add the key usage"),
        ("usage: {to: {file: /a}}\nmeter: {}", "edge.yaml:5", "meter lacks the key cgroup"),
        ("usage: {to: {file: /a}}\nmeter: {cgroup: /c, internal: [10.0.0.1/8]}", "edge.yaml:5", "10.0.0.0/8"),
        ("usage: {to: {file: /a}}\nmeter: {cgroup: /c, internal: [\"::/0\", \"::/0\"]}", "edge.yaml:5", "there twice"),
    ])
    func `an unusable value is refused with its line and a remedy`(_ text: String, _ place: String, _ words: String) {
        let error = #expect(throws: Failure.self) { try Self.read(text + "\n") }
        #expect(error?.kind == .usage)
        #expect("\(error!)".contains(place) && "\(error!)".contains(words), "\(error!)")
    }
}

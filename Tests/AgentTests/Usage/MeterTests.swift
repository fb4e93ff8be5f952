import Glibc
import TelemetryLab
import Testing
import TestSupport

@testable import AgentCore

/// The meter of a cgroup, against packets of known sizes.
@Suite(.serialized, .enabled(if: MeterFixture.isThere, "needs root, cgroup2 and python3")) struct MeterTests {
    @Test func `the meter counts each byte in its class, for IPv4 and IPv6, across a kill of the agent`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let meter = try MeterFixture(in: sandbox)
            defer { meter.end() }
            let fixture = try UsageFixture(
                in: sandbox, extra: meter.configuration(internal: "10.0.0.0/8, \"fd00::/8\""))
            // 100 datagrams of 72 bytes: 100 of IPv4, 120 of IPv6.
            try meter.send(100, 72, from: "10.1.1.1", to: "10.2.2.2")
            try meter.send(100, 72, from: "10.1.1.1", to: "192.0.2.9")
            try fixture.agent.kill()
            try meter.send(100, 72, from: "fd00::1", to: "fd00::2")
            try fixture.agent.restart()
            try meter.send(100, 72, from: "fd00::1", to: "2001:db8::9")
            try meter.receive(50, 72, from: "192.0.2.9", to: "10.1.1.1")
            try meter.receive(50, 72, from: "fd00::2", to: "fd00::1")
            try expect(
                fixture, meter,
                [
                    "egress internal": 100 * 100 + 100 * 120, "egress external": 100 * 100 + 100 * 120,
                    "ingress external": 50 * 100, "ingress internal": 50 * 120,
                ])
        }
    }

    @Test func `a reload to other prefixes or another cgroup, or a recreated cgroup, loses and repeats no byte`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let (meter, other) = (try MeterFixture(in: sandbox), try MeterFixture(in: sandbox))
            defer {
                meter.end()
                other.end()
            }
            let fixture = try UsageFixture(in: sandbox, extra: meter.configuration(internal: "10.0.0.0/8"))
            try meter.send(10, 72, from: "10.1.1.1", to: "10.2.2.2")
            try fixture.configure(extra: meter.configuration(internal: "10.2.0.0/24"))
            try meter.send(10, 72, from: "10.1.1.1", to: "10.2.2.2")
            // The cgroup goes, with its sockets, and another of its name comes.
            meter.end()
            try meter.begin()
            let isMetered = waitUntil(.seconds(10)) {
                FileText.names(in: "/sys/fs/bpf/reuseport-agent/edge/meter") == [meter.identity]
            }
            #expect(isMetered, "\(fixture.agent.process.errorOutput)")
            try meter.send(10, 72, from: "10.1.1.1", to: "10.2.2.2")
            try expect(fixture, meter, ["egress internal": 10 * 100, "egress external": 20 * 100])
            try fixture.configure(extra: other.configuration(internal: "10.0.0.0/8"))
            try meter.send(10, 72, from: "10.1.1.1", to: "10.2.2.2")
            try other.send(10, 72, from: "10.1.1.1", to: "10.2.2.2")
            try expect(fixture, other, ["egress internal": 10 * 100])
            try expect(fixture, meter, ["egress internal": 10 * 100, "egress external": 20 * 100])
            fixture.agent.process.send(SIGTERM)
            try fixture.agent.process.wait()
            #expect(try fixture.agent.command(["unload", "--pool", "edge"]).exitCode == 0)
            #expect(FileText.names(in: "/sys/fs/bpf/reuseport-agent").isEmpty)
            // Nothing is attached any more: the cgroup goes at once.
            try other.send(1, 72, from: "10.1.1.1", to: "10.2.2.2")
        }
    }

    @Test
    func `bytes of removed meters that can't be stored survive a kill of the agent`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let (meter, other) = (try MeterFixture(in: sandbox), try MeterFixture(in: sandbox))
            defer {
                meter.end()
                other.end()
            }
            let disk = try SmallDisk(in: sandbox)
            let fixture = try UsageFixture(in: sandbox, folder: disk.folder, extra: meter.configuration(internal: ""))
            let pins = "/sys/fs/bpf/reuseport-agent/edge/meter"
            disk.fill()
            try meter.send(10, 72, from: "10.1.1.1", to: "10.2.2.2")
            try fixture.configure(extra: other.configuration(internal: ""))
            try other.send(7, 72, from: "10.1.1.1", to: "10.2.2.2")
            try fixture.configure()
            #expect(waitUntil(.seconds(10)) { fixture.agent.process.errorOutput.contains("ENOSPC") })
            #expect(FileText.names(in: pins).count == 2)
            // Stopped is stopped.
            try meter.send(3, 72, from: "10.1.1.1", to: "10.2.2.2")
            try fixture.agent.kill()
            try fixture.agent.restart()
            disk.empty()
            try expect(fixture, meter, ["egress external": 10 * 100])
            try expect(fixture, other, ["egress external": 7 * 100])
            #expect(waitUntil(.seconds(10)) { access(pins, F_OK) != 0 })
        }
    }

    @Test func `a path that isn't a cgroup v2 is refused with a remedy; the agent waits for a missing one`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let meter = try MeterFixture(in: sandbox)
            defer { meter.end() }
            let fixture = try UsageFixture(in: sandbox)
            let refused = #expect(throws: LabError.self) {
                try fixture.configure(extra: "meter: {cgroup: \(sandbox.folder)}\n")
            }
            #expect("\(refused!)".contains("no cgroup of version 2"), "\(refused!)")
            meter.end()
            try fixture.configure(extra: meter.configuration(internal: ""))
            #expect(waitUntil(.seconds(5)) { fixture.agent.process.errorOutput.contains("can't be opened") })
            try meter.begin()
            #expect(waitUntil(.seconds(10)) { fixture.agent.process.errorOutput.contains("is metered") })
            try meter.send(5, 72, from: "10.1.1.1", to: "10.2.2.2")
            try expect(fixture, meter, ["egress external": 5 * 100])
        }
    }

    @Test func `without CAP_NET_ADMIN the meter is refused with the missing capability, and check reports it`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let meter = try MeterFixture(in: sandbox)
            defer { meter.end() }
            let launcher = ["setpriv", "--bounding-set=-net_admin,-sys_admin", "--inh-caps=-net_admin,-sys_admin"]
            let configuration = AgentFixture.configuration(
                extra: "usage: {to: {file: \(sandbox.folder)/u.jsonl}, queue: {folder: \(sandbox.folder)/q}}\n"
                    + meter.configuration(internal: ""))
            let refused = #expect(throws: LabError.self) {
                try AgentFixture(
                    in: sandbox, program: AgentUnderTest.program, configuration: configuration, launcher: launcher)
            }
            #expect("\(refused!)".contains("no program may be attached to it"), "\(refused!)")
            #expect("\(refused!)".contains("give the agent CAP_NET_ADMIN"))
            let file = sandbox.newPath("edge.yaml")
            try FileText.write(configuration, to: file)
            let check = try ChildProcess(launcher + [AgentUnderTest.program, "check", "--config", file], in: sandbox)
            #expect(try check.wait() == 6)
            #expect(
                check.output.contains("✗ meter: attaching to a cgroup: CAP_NET_ADMIN is missing"), "\(check.output)")
            #expect(check.output.contains("✓ usage: queue"))
        }
    }

    private func expect(_ fixture: UsageFixture, _ meter: MeterFixture, _ sums: [String: UInt64]) throws {
        func found() throws -> [String: UInt64] {
            try fixture.fileEvents().filter { $0.cgroup == meter.folder }.reduce(into: [:]) {
                $0["\($1.direction) \($1.network!)", default: 0] += $1.value
            }
        }
        try waitUntil(.seconds(20)) { try found() == sums }
        fixture.waitForStillness(fixture.fileEvents)
        #expect(try found() == sums, "\(fixture.agent.process.errorOutput)")
    }
}

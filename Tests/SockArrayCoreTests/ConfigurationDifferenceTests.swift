import Testing

@testable import PoolModel
@testable import PoolReport
@testable import SockArrayCore

@Suite struct ConfigurationDifferenceTests {
    private static let edge = PoolConfiguration(
        pool: "edge", collectors: [.init(name: "c1"), .init(name: "c2")],
        groups: [.init(name: "ipfix", transport: .udp, address: .v4(0), port: 4_739)])

    private static func differences(_ change: (inout PoolConfiguration) -> Void) -> [String] {
        var later = edge
        change(&later)
        return edge.differences(to: later)
    }

    @Test func `another tracking size or interval, or none, is reported with both values`() {
        #expect(
            Self.differences { $0.tracking.size = 1_024 } == [
                "tracking: 65536 -> 1024 exporters; new counts start at 0, "
                    + "and the previous ones are added to those of untracked exporters"
            ])
        #expect(Self.differences { $0.tracking.interval = .zero } == ["tracking interval: 10s -> exact"])
        #expect(Self.differences { $0.tracking = .off }[0].hasPrefix("tracking: 65536 exporters -> off; "))
        var off = Self.edge
        off.tracking = .off
        #expect(off.differences(to: Self.edge) == ["tracking: off -> 65536 exporters"])
    }

    @Test func `differences of usage and meter cover off, on and each setting`() throws {
        var usage = UsageSettings(target: .file("/var/x.jsonl"), folder: "/var/q")
        #expect(Self.differences { $0.usage = usage } == ["usage: off -> to file /var/x.jsonl"])
        var before = Self.edge
        before.usage = usage
        usage.interval = .milliseconds(2_500)
        usage.target = .url("https://billing.example/v1", headers: nil)
        usage.limit = 1 << 20
        var after = Self.edge
        after.usage = usage
        after.meter = MeterSettings(
            cgroup: "/sys/fs/cgroup/c", internalPrefixes: [try AddressPrefix(parsing: "10.0.0.0/8")])
        #expect(
            before.differences(to: after) == [
                "usage: to file /var/x.jsonl -> to url https://billing.example/v1", "usage interval: 60s -> 2500ms",
                "usage queue limit: 67108864 bytes -> 1048576 bytes",
                "meter: off -> /sys/fs/cgroup/c, internal 10.0.0.0/8",
            ])
        before.usage = usage
        after.usage?.target = .url("https://billing.example/v1", headers: "/etc/h")
        #expect(before.differences(to: after).first == "usage headers: none -> /etc/h")
    }

    @Test func `a url's query and a command's arguments aren't shown, and a change of them alone is reported`() {
        func differences(_ before: UsageSettings.Target, _ after: UsageSettings.Target) -> [String] {
            var (old, new) = (Self.edge, Self.edge)
            old.usage = UsageSettings(target: before, folder: "/var/q")
            new.usage = UsageSettings(target: after, folder: "/var/q")
            return old.differences(to: new)
        }
        let url = "https://billing.example/v1"
        #expect(
            differences(.url("\(url)?token=s3cret", headers: nil), .command(["/bin/bill", "--token", "s3cret"])) == [
                "usage: to url https://billing.example/v1 -> to command /bin/bill"
            ])
        #expect(
            differences(.url("\(url)?token=s3cret", headers: nil), .url("\(url)?token=0ther", headers: nil)) == [
                "usage: changed query of url https://billing.example/v1"
            ])
        #expect(
            differences(.command(["/bin/bill", "s3cret"]), .command(["/bin/bill"])) == [
                "usage: changed arguments of command /bin/bill"
            ])
        #expect(differences(.command(["/bin/bill", "s3cret"]), .command(["/bin/bill", "s3cret"])) == [])
        #expect(
            Self.differences { $0.usage = UsageSettings(target: .url("\(url)#s3cret", headers: nil), folder: "/q") }
                == ["usage: off -> to url https://billing.example/v1"])
    }

    @Test
    func `differences name hold, on_move, users, files and recognition, and leave weights and names to the table`() {
        let texts = Self.differences {
            $0.restartHold = .milliseconds(500)
            $0.onMove = .reset
            $0.collectorUser = 990
            $0.stateFile = "/var/s.json"
            $0.collectors = [.init(name: "c1", weight: 2, recognition: .pidFile("/run/c1.pid")), .init(name: "c3")]
        }
        #expect(
            texts == [
                "restart_hold: 10s -> 500ms", "on_move: follow -> reset", "collector_user: not set -> 990",
                "state_file: /var/lib/reuseport-agent/edge.json -> /var/s.json",
                "recognition of collector c1: none -> pid_file /run/c1.pid",
            ])
    }

    @Test func `plan and reload report differences beside the rows, and say so if nothing changes`() {
        func notes(_ after: PoolConfiguration) -> [String] {
            MovePlan(from: AssignmentPlan(Self.edge), to: AssignmentPlan(after), tracked: []).notes
        }
        #expect(notes(Self.edge) == ["the configuration is unchanged"])
        var later = Self.edge
        later.tracking.interval = .seconds(60)
        #expect(notes(later) == ["tracking interval: 10s -> 60s"])
    }

    @Test func `for a pins folder that the agent's user may not use the remedy is root or the unit`() {
        let denied = PoolError.call(KernelError(operation: "mkdir /sys/fs/bpf/reuseport-agent", errno: 13))
        let text = "\(denied.failure(act: "run pool edge", pool: "edge"))"
        #expect(text.contains("mkdir /sys/fs/bpf/reuseport-agent was not permitted (EACCES); run it as root, or by"))
        #expect(text.contains("gives the folder of pins to the agent's user"))
    }
}

import Glibc
import TelemetryLab
import Testing

@testable import AgentCore

/// Usage events of a real agent: their sum is what the collectors' sockets got.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasPrivilege, "needs root")) struct UsageEventTests {
    @Test func `with 20 agents killed at random moments the events' sum is the bytes sent, and no key repeats`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let fixture = try UsageFixture(in: sandbox)
            for _ in 1...20 {
                try fixture.send(for: .milliseconds(Int.random(in: 150...500)))
                try fixture.agent.kill()
                try fixture.send(for: .milliseconds(50))
                try fixture.agent.restart()
            }
            try fixture.send(for: .milliseconds(100))
            try fixture.expectExactly(events: fixture.fileEvents)
        }
    }

    @Test func `with a kill at each step of storing and delivering the sum is the bytes sent, and no key repeats`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let fixture = try UsageFixture(in: sandbox)
            var missed: [String] = []
            // Steps of the thread that stores events, of the one that reads and appends, and between the threads.
            let keeping = ["mkdir", "openat", "write", "fsync", "rename", "openat:2", "fsync:2", "unlink", "write:2"]
            let appending = ["openat", "fstat,newfstatat", "pread64", "write", "fsync"]
            let between = ["pread64"] + (1...3).map { "clone3,clone:\($0)" }
            let steps = (keeping + between).map { ($0, [String]()) } + appending.map { ($0, ["-P", fixture.file]) }
            for (step, path) in steps {
                let tracer = try fixture.ending(atCall: step, options: path)
                try fixture.send(for: .milliseconds(10))
                if !waitBriefly(.seconds(20), { fixture.agent.process.exitCode != nil }) {
                    missed.append("\(step)\(path.first ?? "")")
                    try fixture.agent.kill()
                }
                tracer.send(SIGTERM)
                try tracer.wait()
                try fixture.agent.restart()
            }
            #expect(missed.isEmpty)
            try fixture.expectExactly(events: fixture.fileEvents)
        }
    }

    @Test func `a full disk under queue and file loses nothing and repeats nothing once there is room`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let disk = try SmallDisk(in: sandbox)
            let fixture = try UsageFixture(in: sandbox, folder: disk.folder)
            try fixture.send(for: .milliseconds(300))
            disk.fill()
            try fixture.send(for: .milliseconds(800))
            #expect(waitUntil(.seconds(10)) { fixture.agent.process.errorOutput.contains("ENOSPC") })
            let status = try fixture.agent.command(["status", "--json"]).output
            #expect(status.contains("\"last_error\":") && status.contains("ENOSPC"), "\(status)")
            // An agent that starts while the disk is full continues from the same state.
            try fixture.agent.kill()
            try fixture.agent.restart()
            try fixture.send(for: .milliseconds(300))
            disk.empty()
            try fixture.expectExactly(events: fixture.fileEvents)
            #expect(fixture.agent.process.errorOutput.contains("again"))
        }
    }

    @Test
    func `bytes of a removed group that can't be stored survive a kill of the agent`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let disk = try SmallDisk(in: sandbox)
            let fixture = try UsageFixture(in: sandbox, folder: disk.folder)
            try fixture.send(for: .milliseconds(300))
            disk.fill()
            try fixture.send(for: .milliseconds(300))
            try fixture.configure(groups: "groups:\n  - {name: bmp, protocol: tcp, address: 0.0.0.0, port: 1790}\n")
            #expect(waitUntil(.seconds(10)) { fixture.agent.process.errorOutput.contains("ENOSPC") })
            try fixture.agent.kill()
            try fixture.agent.restart()
            disk.empty()
            try fixture.expectExactly(events: fixture.fileEvents)
            let departed = "/sys/fs/bpf/reuseport-agent/edge/departed"
            #expect(waitUntil(.seconds(10)) { access(departed, F_OK) != 0 })
        }
    }

    @Test
    func `SIGTERM takes a last reading, which is in the file when the agent has ended`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let fixture = try UsageFixture(in: sandbox, interval: "1h")
            try fixture.send(for: .milliseconds(200))
            fixture.agent.process.send(SIGTERM)
            #expect(try fixture.agent.process.wait() == 0)
            let sum = try fixture.fileEvents().reduce(0) { $0 + $1.value }
            #expect(sum == fixture.bytes && sum > 0)
        }
    }

    @Test func `a renamed events file is created again at its path, and no event is in both`() async throws {
        try await Sandbox.run(.unhurried) { sandbox in
            let fixture = try UsageFixture(in: sandbox)
            for step in 1...4 {
                try fixture.send(for: .milliseconds(300))
                try #require(rename(fixture.file, "\(fixture.file).\(step)") == 0)
                if step % 2 == 0 {
                    try fixture.agent.kill()
                    try fixture.agent.restart()
                }
            }
            try fixture.send(for: .milliseconds(300))
            try fixture.expectExactly {
                try [".1", ".2", ".3", ".4", ""].flatMap {
                    try UsageFixture.events(FileText.read(fixture.file + $0) ?? "")
                }
            }
        }
    }

    @Test
    func `a command that fails gets the same events with the same keys again, and none after success`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let script = sandbox.newPath("take.sh")
            let taken = sandbox.newPath("taken")
            // The first two end with an error, having read all; then it is taken.
            try FileText.write(
                """
                #!/bin/sh
                echo x >> \(taken).count
                if [ $(wc -l < \(taken).count) -le 2 ]; then cat > \(taken).first; echo not yet >&2; exit 3; fi
                cat >> \(taken)
                """, to: script)
            chmod(script, 0o755)
            let fixture = try UsageFixture(in: sandbox, target: "command: [\(script)]")
            try fixture.send(for: .milliseconds(200))
            #expect(waitUntil(.seconds(10)) { fixture.agent.process.errorOutput.contains("ended with 3: not yet") })
            try fixture.send(for: .milliseconds(200))
            try fixture.expectExactly { try UsageFixture.events(FileText.read(taken) ?? "") }
            let first = try UsageFixture.events(FileText.read(taken + ".first") ?? "").map(\.idempotencyKey)
            let all = try UsageFixture.events(FileText.read(taken) ?? "").map(\.idempotencyKey)
            #expect(!first.isEmpty && Array(all.prefix(first.count)) == first)
        }
    }

    @Test(.enabled(if: UsageReceiver.isThere, "needs curl and python3"))
    func `a POST target that is down and then answers 503 gets every event once, in order`() async throws {
        try await Sandbox.run(.unhurried) { sandbox in
            let receiver = try UsageReceiver(in: sandbox)
            let fixture = try UsageFixture(in: sandbox, target: "url: \"\(receiver.url)\"")
            try fixture.send(for: .milliseconds(400))
            #expect(waitUntil(.seconds(20)) { fixture.agent.process.errorOutput.contains("can't be delivered") })
            try fixture.agent.kill()
            try fixture.agent.restart()
            try fixture.send(for: .milliseconds(400))
            #expect(
                try waitUntil(.seconds(10)) {
                    try fixture.agent.command(["status", "--json"]).output.contains(
                        "\"last_error\":\"usage events can't")
                })
            try receiver.start(refusing: 2)
            try fixture.expectExactly(events: receiver.events)
            let numbers = try receiver.events().map { $0.idempotencyKey.split(separator: "-")[1] }.compactMap {
                Int($0)
            }
            #expect(numbers == numbers.sorted() && numbers.count > 1)
        }
    }

    @Test(.enabled(if: UsageReceiver.isThere, "needs curl and python3"))
    func
        `a POST target that answers 400, or a redirect: said aloud, nothing is dropped, and delivered when it is mended`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let receiver = try UsageReceiver(in: sandbox)
            try receiver.start(refusing: 0, path: "/other")
            let fixture = try UsageFixture(in: sandbox, target: "url: \"\(receiver.url)\"")
            try fixture.send(for: .milliseconds(200))
            #expect(waitUntil(.seconds(20)) { fixture.agent.process.errorOutput.contains("are refused, and wait in") })
            #expect(fixture.agent.process.errorOutput.contains("the answer was 400"))
            try fixture.configure(target: "url: \"\(receiver.base)/moved\"")
            #expect(
                waitUntil(.seconds(20)) { fixture.agent.process.errorOutput.contains("redirects are not followed") })
            #expect(try receiver.events().isEmpty)
            try fixture.configure(target: "url: \"\(receiver.base)/other\"")
            try fixture.expectExactly(events: receiver.events)
        }
    }

    @Test func `with collectors and groups that come and go by reload and restart the sum is the bytes sent`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            let fixture = try UsageFixture(in: sandbox)
            let other = "groups:\n  - {name: ipfix, protocol: udp, address: 0.0.0.0, port: 4739}\n"
            for round in 1...3 {
                try fixture.send(for: .milliseconds(150))
                // bmp leaves, and c4.
                try fixture.configure(collectors: ["c1", "c2", "c3"], groups: other)
                try fixture.send(for: .milliseconds(150))
                if round == 2 {
                    try fixture.agent.kill()
                    try fixture.agent.restart()
                }
                try fixture.configure()
                try fixture.registerAll()
            }
            try fixture.send(for: .milliseconds(150))
            try fixture.expectExactly(events: fixture.fileEvents)
            let collectors = Set(try fixture.fileEvents().compactMap(\.collector))
            #expect(collectors == ["c1", "c2", "c3", "c4"])
        }
    }

    @Test func `60 intervals through a command leave no descriptor, no child and under 1 MiB behind`() async throws {
        try await Sandbox.run(.unhurried) { sandbox in
            let taken = sandbox.newPath("taken")
            let fixture = try UsageFixture(in: sandbox, target: "command: [/bin/sh, -c, \"cat >> \(taken)\"]")
            func isQuiet() -> Bool {
                FileText.read("/proc/\(fixture.agent.process.pid)/task/\(fixture.agent.process.pid)/children") == ""
            }
            for _ in 1...20 { try fixture.send(for: .milliseconds(100)) }
            try fixture.expectExactly { try UsageFixture.events(FileText.read(taken) ?? "") }
            let before = try AgentFootprint.atRest(fixture.agent)
            for _ in 1...60 { try fixture.send(for: .milliseconds(100)) }
            try fixture.expectExactly { try UsageFixture.events(FileText.read(taken) ?? "") }
            let after = try AgentFootprint.atRest(fixture.agent)
            #expect(after.descriptors == before.descriptors && isQuiet(), "\(before), \(after)")
            #expect(after.residentKiB < before.residentKiB + 1_024, "\(before), \(after)")
        }
    }

    @Test func `a queue that is full at 64 KiB merges 20 more intervals into the last one, and the sum is exact`()
        async throws
    {
        try await Sandbox.run(.unhurried) { sandbox in
            // The target takes no events until the end.
            let gate = try UsageGate(in: sandbox)
            let fixture = try UsageFixture(in: sandbox, target: gate.target, limit: "64KiB")
            try fixture.fillQueue(to: 64 << 10)
            for _ in 1...20 { try fixture.send(for: .milliseconds(100)) }
            #expect(fixture.queueSize < 72 << 10, "\(fixture.queueSize)")
            try gate.open()
            fixture.agent.process.send(SIGHUP)
            try fixture.expectExactly(within: .seconds(90), events: gate.events)
        }
    }
}

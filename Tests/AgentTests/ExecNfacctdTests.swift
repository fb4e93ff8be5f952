import Glibc
import SockArrayCore
import TelemetryLab
import Testing
import TestSupport

/// A real nfacctd under `exec`: it binds BMP at once and its UDP port some 5 s later.
@Suite(.serialized, .enabled(if: AgentUnderTest.hasNfacctd, "needs root and the Debian package pmacct"))
struct ExecNfacctdTests {
    @Test func `nfacctd with daemonize: true under --wait is exit 4, with the remedy, and no nfacctd stays behind`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(collectors: ["c1"]))
            var configuration = NfacctdConfiguration.example
            try configuration.set([
                "pidfile": sandbox.newPath("pid"), "logfile": sandbox.newPath("log"),
                "nfacctd_templates_file": sandbox.newPath("templates"),
                "print_output_file[flows]": sandbox.newPath("flows"),
                "bmp_daemon_msglog_file": sandbox.newPath("bmp"), "daemonize": "true",
            ])
            let path = sandbox.newPath("conf")
            try FileText.write(configuration.text, to: path)
            let exec = try Exec([NfacctdCollector.program, "-f", path], in: sandbox, options: ["--wait", "60"])
            #expect(try exec.process.wait(.seconds(40)) == 4)
            #expect(exec.said.contains("it went to the background"), "\(exec.said)")
            #expect(exec.said.contains("(nfacctd), which is terminated;") && exec.said.contains("daemonize: false"))
            let names = FileText.names(in: "/proc").map { FileText.read("/proc/\($0)/comm") }
            #expect(!names.contains("nfacctd\n"))
            #expect(try !agent.isActive())
        }
    }

    @Test func `an unmodified nfacctd is registered within 1 s of its last bind, TERM ends both, and it works again`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(collectors: ["c1"]))
            var times: [Duration] = []
            for round in 0..<3 {
                let collector = try NfacctdCollector(
                    "c1", in: sandbox, startingAfresh: true,
                    launcher: [AgentUnderTest.program, "exec", "--collector", "c1", "--"])
                let exec = collector.process
                // Beside the agent's own socket there, from the first registration on.
                let isBound = waitUntil(.seconds(20), every: .milliseconds(2)) {
                    let sockets = (FileText.read("/proc/\(exec.pid)/net/udp") ?? "").occurrences(of: ":1283 ")  // 4739
                    return sockets == 1 + min(round, 1)
                }
                #expect(isBound)
                let bound = ContinuousClock.now
                #expect(
                    waitUntil(.seconds(10), every: .milliseconds(2)) {
                        exec.errorOutput.contains("c1 is registered: ")
                    }, "\(exec.errorOutput)")
                times.append(ContinuousClock.now - bound)
                // Itself and not its print plugin, which has inherited the BMP listener.
                #expect(try agent.ownerPid() == ProcessFacts.descendants(of: exec.pid)[0])
                // Its plugin is ready some ms after the last bind. Before, it loses what comes, and
                // SIGTERM may end it by another exit code.
                #expect(collector.waitUntilReady())
                if round == 1 {
                    let isCounted = try (UInt32(1)...12).contains { number in
                        try Exporter(.v4(0xc000_0201)).sendStream(number)
                        return waitBriefly(.seconds(5)) { collector.packetsByExporter()["192.0.2.1"] != nil }
                    }
                    #expect(isCounted)
                }
                exec.send(SIGTERM)
                // As nfacctd ends by itself.
                let exitCode = try exec.wait()
                #expect(exitCode == 0, "round \(round): \(exec.errorOutput)")
                #expect(ProcessFacts.descendants(of: exec.pid).isEmpty)
            }
            // A single time says more of the machine's load than of exec.
            #expect(times.min()! < .seconds(1) && times.allSatisfy { $0 < .seconds(10) }, "\(times)")
        }
    }
}

import AgentCore
import Glibc
import PoolModel
import TelemetryLab

/// Collectors and exporters on one machine, first without the agent, then with it.
struct Demo {
    /// The collectors that received an exporter's streams.
    struct Outcome {
        let exporter: IPAddress
        /// Collectors that received its IPFIX or NetFlow; empty if it sends none.
        let ipfix: [String]
        /// Collectors that received its BMP; empty if it has none.
        let bmp: [String]

        /// Whether one collector received all of the exporter's streams.
        var met: Bool { Set(ipfix + bmp).count == 1 }
    }

    private let sandbox: Sandbox
    private let captures: [Capture]
    private let generatedCount: Int
    private let usesNfacctd: Bool
    private let names = ["c1", "c2", "c3", "c4"]
    private let program = "/proc/self/exe"

    init(_ options: DemoOptions) throws {
        sandbox = try Sandbox(asFirstProcess: ())
        captures = try Capture.all(in: options.folder)
        generatedCount = options.exporters
        usesNfacctd = NfacctdCollector.isInstalled && !options.builtIn
        guard !captures.isEmpty || generatedCount > 0 else {
            throw Failure(
                .usage, act: "run the demo", cause: "there are no captures in \(options.folder) and no exporters",
                remedy: "give --captures FOLDER or --exporters N")
        }
        try Output.write(
            "\(usesNfacctd ? "4 nfacctd processes" : "4 built-in collectors (nfacctd is not used)"), "
                + "\(captures.count) captures of routers, \(generatedCount) generated exporters")
    }

    func round(withAgent: Bool) throws -> [Outcome] {
        try Output.write(withAgent ? "\nWith the agent" : "\nWithout the agent")
        try Output.write(
            "  starting the collectors on udp 0.0.0.0:4739 and tcp 0.0.0.0:1790\(usesNfacctd ? " (nfacctd takes 5 s)" : "")"
        )
        let collectors = try startCollectors()
        let agent = withAgent ? try startAgent(registering: collectors) : nil
        try Output.write("  sending IPFIX, NetFlow and BMP")
        let exporters = try sendEverything()
        try Output.write("  reading what each collector received")
        waitWhileItChanges(collectors)
        let outcomes = exporters.map { exporter in
            let name = "\(exporter.address)"
            return Outcome(
                exporter: exporter.address, ipfix: collectors.filter { $0.ipfixSources.contains(name) }.map(\.name),
                bmp: collectors.filter { $0.bmpSources.contains(name) }.map(\.name))
        }
        exporters.forEach { $0.closeSession() }
        agent?.send(SIGTERM)
        _ = try agent?.wait()
        for collector in collectors { try collector.stop() }
        return outcomes
    }

    private func startCollectors() throws -> [any Collector] {
        let collectors = try names.map { name -> any Collector in
            if usesNfacctd { return try NfacctdCollector(name, in: sandbox, startingAfresh: true) }
            return try BuiltInCollector(name, command: [program, "demo-collector"], in: sandbox)
        }
        for collector in collectors where !collector.waitUntilReady(.seconds(60)) {
            throw Failure(
                .conflict, act: "start collector \(collector.name)",
                cause: "it did not become ready: \(collector.process.errorOutput.suffix(500))",
                remedy: "try the built-in collectors: --built-in")
        }
        return collectors
    }

    private func startAgent(registering collectors: [any Collector]) throws -> ChildProcess {
        try Output.write("  starting the agent and registering the collectors")
        // Every path is the demo's own: the default ones may be those of an agent of this machine.
        let configuration = sandbox.newPath("edge.yaml")
        let control = sandbox.newPath("control.sock")
        try FileText.write(
            """
            pool: edge
            collectors: [\(names.joined(separator: ", "))]
            groups:
              - {name: ipfix, protocol: udp, address: 0.0.0.0, port: 4739}
              - {name: bmp, protocol: tcp, address: 0.0.0.0, port: 1790}
            control_socket: {path: \(control)}
            status_socket: {path: \(sandbox.newPath("status.sock"))}
            state_file: \(sandbox.newPath("edge.json"))
            bpffs: /sys/fs/bpf/demo

            """, to: configuration)
        let agent = try ChildProcess([program, "run", "--config", configuration, "--log-format", "human"], in: sandbox)
        guard waitUntil(.seconds(20), { agent.errorOutput.contains("is ready") || agent.exitCode != nil }),
            agent.exitCode == nil
        else {
            // The agent's own message says what is missing.
            Output.complain(agent.errorOutput)
            throw Failure(
                .privilege, act: "run the demo", cause: "the agent did not start", remedy: "see: reuseport-agent check")
        }
        for collector in collectors {
            let command = try ChildProcess(
                [
                    program, "register", "--control", control, "--collector", collector.name, "--pid",
                    "\(collector.process.pid)", "--wait", "20",
                ],
                in: sandbox)
            guard try command.wait(.seconds(30)) == 0 else {
                throw Failure(
                    .conflict, act: "register \(collector.name)", cause: command.errorOutput,
                    remedy: "run the demo again")
            }
        }
        return agent
    }

    private func sendEverything() throws -> [Exporter] {
        var exporters: [Exporter] = []
        for capture in captures {
            let exporter = Exporter(capture.exporter)
            try exporter.replay(capture)
            exporters.append(exporter)
        }
        for index in 0..<UInt32(generatedCount) {
            let exporter = Exporter(.v4(0xc612_0001 + index))  // 198.18.0.0/15, RFC 2544
            for stream in 0..<UInt32(4) { try exporter.sendStream(index * 4 + stream + 1) }
            try exporter.openSession(BMPSession(systemName: "generated-\(index)").opening(routes: [0x0a01_0000]))
            exporters.append(exporter)
        }
        return exporters
    }

    /// Waits until nothing new arrives: nfacctd writes once a second, so 2.5 s without a change suffice.
    private func waitWhileItChanges(_ collectors: [any Collector]) {
        var (last, since) = (-1, ContinuousClock.now)
        waitUntil(.seconds(30), every: .milliseconds(250)) {
            let now = collectors.reduce(0) { $0 + $1.ipfixSources.count + $1.bmpSources.count }
            if now != last { (last, since) = (now, ContinuousClock.now) }
            return ContinuousClock.now - since > .milliseconds(usesNfacctd ? 2_500 : 500)
        }
    }
}

import ArgumentParser
import Foundation
import Glibc
import TelemetryLab

/// A stage, as the first process of its namespaces.
struct StageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "stage", shouldDisplay: false)

    @Option var channel: Int32
    @Argument var setting: String

    func run() throws {
        guard getpid() == 1 else { throw ValidationError("stage is a part of the benchmarks") }
        let channel = Channel(channel)
        do {
            let setting = try JSONDecoder().decode(StageSetting.self, from: Data(setting.utf8))
            let sandbox = try Sandbox(asFirstProcess: ())
            let collectors = try Collectors(setting, in: sandbox)
            let balancer = try Balancer(setting, collectors, in: sandbox)
            let run = LoadRun(setting, collectors, balancer)
            try channel.send(StageAnswer.ready)
            while let order = try channel.receive(LoadOrder.self) {
                try channel.send(StageAnswer.outcome(try run.outcome(of: order)))
            }
        } catch {
            try channel.send(StageAnswer.failed("\(error)"))
        }
    }
}

/// One collector: it inherits its socket.
struct CollectorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "collector", shouldDisplay: false)

    @Option var ledger: String
    @Flag var streams = false

    static let socket: Int32 = 10

    func run() throws {
        let ledger = try Ledger(path: ledger)
        if streams { try StreamCollector(Self.socket, ledger).serve() }
        try DatagramCollector.serve(Self.socket, ledger)
    }
}

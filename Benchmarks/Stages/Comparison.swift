/// Several subjects with the same loads, in turn.
struct Comparison {
    struct Contestant {
        let name: String
        let setting: StageSetting
    }

    struct Workload {
        let name: String
        let order: LoadOrder
    }

    let contestants: [Contestant]
    let workloads: [Workload]

    /// Measures every workload with every subject in each round, each time with another subject first.
    ///
    /// - Parameter tell: reports the progress.
    func measure(_ options: BenchOptions, into results: inout Results, tell: (String) -> Void) throws {
        let rounds = options.rounds
        let workloads = workloads.filter { options.workload.map($0.name.contains) ?? true }
        let contestants = contestants.filter { options.subject.map($0.name.contains) ?? true }
        if workloads.isEmpty || contestants.isEmpty { return }
        let stages = try contestants.map { contestant in
            do { return try Stage(contestant.setting) } catch {
                throw BenchmarkError(description: "\(contestant.name): \(error)")
            }
        }
        for round in 0...rounds {
            for (number, workload) in workloads.enumerated() {
                var order = workload.order
                if round == 0 { order.seconds = 0.2 }  // warms up
                for step in stages.indices {
                    let index = (step + round + number) % stages.count
                    tell("round \(round) of \(rounds): \(workload.name), \(contestants[index].name)")
                    let outcome = try stages[index].run(order)
                    if round > 0 { note(outcome, of: contestants[index].name, under: workload, in: &results) }
                }
            }
        }
        results.order(contestants.map(\.name))
    }

    private func note(_ outcome: LoadOutcome, of name: String, under workload: Workload, in results: inout Results) {
        func add(_ figure: Figure, _ value: Double) { results.add(value, figure, of: name, under: workload.name) }
        let perSecond = Double(outcome.windowReceived) / outcome.windowSeconds
        let received = max(1, Double(outcome.windowReceived))
        switch workload.order.kind {
        case .datagrams, .messages:
            add(.deliveredShare, Double(outcome.received) / Double(max(1, outcome.sent)) * 100)
            add(.messagesPerSecond, perSecond)
            add(.unevenness, outcome.unevenness)
            add(.split, Double(outcome.split) / Double(max(1, outcome.seen)) * 100)
            add(.median, outcome.latencies[0])
            add(.ninetyNinth, outcome.latencies[1])
            add(.last, outcome.latencies[2])
        case .connections: add(.connectionsPerSecond, perSecond)
        case .bulk: add(.mebibytesPerSecond, perSecond / 1_048_576)
        }
        let units = workload.order.kind == .bulk ? received / 1_048_576 : received
        add(.processorTime, outcome.busyMicroseconds / units)
        add(.switches, outcome.switches / units)
        add(.balancerTime, outcome.balancerMicroseconds / units)
        add(.balancerMemory, outcome.balancerKibibytes / 1_024)
    }
}

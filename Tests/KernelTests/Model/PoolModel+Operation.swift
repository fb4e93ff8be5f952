extension PoolModel {
    /// The visible result of an operation.
    enum Answer: Equatable {
        case done
        case refused
        /// The fate of a session's SYN.
        case sent(Outcome)
    }

    mutating func carryOut(_ operation: PoolOperation) -> Answer {
        let answer = act(operation)
        settle()
        for (source, session) in sessions where !isStillIntact(session) { sessions[source]!.isIntact = false }
        return answer
    }

    private mutating func act(_ operation: PoolOperation) -> Answer {
        switch operation {
        case .register(let name, let replacing, let workers):
            let process = launch(name, workers: workers)
            let result = register(name, processes[process]!.sockets, replacing: replacing)
            return result == .done ? .done : .refused
        case .registerTaken(let name, _):
            _ = launch(name)
            return .refused
        case .mend(let name):
            let process = registered(name)!
            for stream in Stream.allCases where processes[process]!.sockets[stream.rawValue].isEmpty {
                processes[process]!.sockets[stream.rawValue] = [openSocket(stream)]
            }
            return register(name, processes[process]!.sockets, replacing: false) == .done ? .done : .refused
        case .join(let name):
            let process = registered(name)!
            for stream in Stream.allCases { processes[process]!.sockets[stream.rawValue].append(openSocket(stream)) }
            return register(name, processes[process]!.sockets, replacing: true) == .done ? .done : .refused
        case .unregister(let name): unregister(name)
        case .endProcess(let process): end(process)
        case .loseSocket(let process, let socket):
            close(socket)
            for stream in Stream.allCases { processes[process]!.sockets[stream.rawValue].removeAll { $0 == socket } }
        case .leaveOrphan(let process): leaveOrphan(of: process)
        case .drain(let name): drain(name)
        case .undrain(let name): undrain(name)
        case .configure(let collectors):
            apply(collectors)
            keepGroups()
        case .killAgent: killAgent()
        case .startAgent: startAgent()
        case .wait(let time): now += time
        case .openSession(let source):
            let outcome = run(of: source, .tcp)
            if case .delivered(let name) = outcome {
                sessions[source] = Session(collector: name, process: registered(name)!)
            }
            return .sent(outcome)
        case .endSession(let source): sessions[source] = nil
        case .nothing: break
        }
        return .done
    }

    /// The agent removes the remaining sockets of a process that was registered.
    private mutating func leaveOrphan(of process: Int) {
        let name = processes[process]!.collector
        let isRegistered = places[name] != nil && registered(name) == process
        end(process, keeping: .tcp)
        guard isRegistered else { return }
        if places[name]!.clock == nil, places[name]!.registrations > 0 { places[name]!.clock = .since(now) }
        places[name]!.sockets = [[], []]
    }

    private func isStillIntact(_ session: Session) -> Bool {
        session.isIntact && places[session.collector] != nil && isUsable(session.collector)
            && registered(session.collector) == session.process
    }
}

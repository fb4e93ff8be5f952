/// An operation on a pool, or an event that happens to it.
enum PoolOperation {
    /// A new process of the collector registers with sockets of its own, so many in each group.
    case register(String, replacing: Bool, workers: Int)
    /// A collector registers with a TCP socket that the kernel refuses, because another array has it.
    case registerTaken(String, replacing: Bool)
    /// The process that lost its last socket in a group opens a new one and registers again.
    case mend(String)
    /// The process opens another socket in each group and registers again.
    case join(String)
    case unregister(String)
    case endProcess(Int)
    /// A process closes one of its sockets.
    case loseSocket(Int, PoolModel.Socket)
    /// The process ends, and a child keeps its listener.
    case leaveOrphan(Int)
    case drain(String)
    case undrain(String)
    case configure([String: Int])
    case killAgent
    case startAgent
    case wait(Int)
    case openSession(Int)
    case endSession(Int)
    case nothing
}

/// An operation and the sources that send after it.
struct PoolStep {
    let operation: PoolOperation
    /// The order of the two streams: datagrams or connections first.
    let order: [PoolModel.Stream]
    let senders: [Int]
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same sequence for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

extension PoolStep {
    static let mostCollectors = 6
    /// Of a process, in each group, when it starts.
    static let mostWorkers = 3

    /// Picks a random operation that is possible in the model's state.
    static func random(_ model: PoolModel, using generator: inout SeededGenerator) -> PoolStep {
        var choices = model.hasAgent ? withAgent(model, &generator) : withoutAgent(model, &generator)
        choices += always(model, &generator)
        let total = choices.reduce(0) { $0 + $1.weight }
        var pick = Int.random(in: 0..<total, using: &generator)
        let operation = choices.first { choice in
            pick -= choice.weight
            return pick < 0
        }!.operation
        let all = Array(model.sources)
        let senders: [Int] =
            switch Int.random(in: 0..<10, using: &generator) {
            case 0...5: all
            case 6...7: Array(all.shuffled(using: &generator).prefix(3))
            default: []
            }
        return PoolStep(
            operation: operation, order: PoolModel.Stream.allCases.shuffled(using: &generator), senders: senders)
    }

    private typealias Choice = (weight: Int, operation: PoolOperation)

    private static func withAgent(_ model: PoolModel, _ generator: inout SeededGenerator) -> [Choice] {
        let names = model.collectors.keys.sorted()
        let name = names.randomElement(using: &generator)!
        let workers = Int.random(in: 1...mostWorkers, using: &generator)
        var choices: [Choice] = [
            (6, .register(name, replacing: false, workers: workers)),
            (3, .register(name, replacing: true, workers: workers)),
            (1, .registerTaken(name, replacing: Bool.random(using: &generator))),
            (3, .unregister(name)), (3, .drain(name)),
            (4, .killAgent), (1, .configure(model.collectors)),
        ]
        if let away = names.filter({ !model.isUsable($0) }).randomElement(using: &generator) {
            choices.append((14, .register(away, replacing: false, workers: workers)))
        }
        if let half = names.filter({ isHalf($0, model) }).randomElement(using: &generator) {
            choices.append((8, .mend(half)))
        }
        let growing = names.filter { name in
            model.isUsable(name)
                && model.registered(name).map { model.openSockets(of: $0).count < 2 * mostWorkers } == true
        }
        if let growing = growing.randomElement(using: &generator) { choices.append((6, .join(growing))) }
        if let draining = names.filter({ model.places[$0]!.drain != nil }).randomElement(using: &generator) {
            choices.append((6, .undrain(draining)))
        }
        if let process = model.processes.keys.sorted().randomElement(using: &generator),
            !model.processes[process]!.sockets[1].isEmpty
        {
            choices.append((3, .leaveOrphan(process)))
        }
        return choices + [(6, .configure(changed(model, &generator)))]
    }

    private static func withoutAgent(_ model: PoolModel, _ generator: inout SeededGenerator) -> [Choice] {
        [(12, .startAgent)]
    }

    private static func always(_ model: PoolModel, _ generator: inout SeededGenerator) -> [Choice] {
        var choices: [Choice] = [
            (4, .wait(40)), (5, .wait(120)), (1, .nothing),
        ]
        if let process = model.processes.keys.sorted().randomElement(using: &generator) {
            choices.append((10, .endProcess(process)))
            if let socket = model.openSockets(of: process).randomElement(using: &generator) {
                choices.append((10, .loseSocket(process, socket)))
            }
        }
        let source = model.sources.randomElement(using: &generator)!
        choices.append((14, model.sessions[source] == nil ? .openSession(source) : .endSession(source)))
        return choices
    }

    /// Whether the collector has sockets in its slot for one of the groups only.
    private static func isHalf(_ name: String, _ model: PoolModel) -> Bool {
        guard let process = model.registered(name) else { return false }
        return model.processes[process]!.sockets.count(where: \.isEmpty) == 1
            && PoolModel.Stream.allCases.count { model.sockets(name, $0).isEmpty } == 1
    }

    /// The configuration with one name more or less, or with another weight.
    private static func changed(_ model: PoolModel, _ generator: inout SeededGenerator) -> [String: Int] {
        var collectors = model.collectors
        let names = collectors.keys.sorted()
        let others = (1...8).map { "c\($0)" }.filter { collectors[$0] == nil }
        switch Int.random(in: 0..<5, using: &generator) {
        case 0...1 where names.count < mostCollectors: collectors[others.randomElement(using: &generator)!] = 1
        case 2...3 where names.count > 2: collectors[names.randomElement(using: &generator)!] = nil
        default: collectors[names.randomElement(using: &generator)!] = Int.random(in: 1...4, using: &generator)
        }
        return collectors
    }
}

/// The steps of a trial of the agent's start, in this order. Each step runs the code
/// that `run` uses for it.
public enum TrialStep: String, CaseIterable, Sendable, Codable {
    /// Calls bpf(2): a seccomp filter may kill the caller.
    case systemCalls
    /// All maps of the pool, in the sizes of the configuration.
    case maps
    /// Both programs of each group.
    case programs
    /// Memory for later operations of the agent.
    case memory
    /// Lists of the groups' sockets, and events of sockets that close (sock_diag).
    case socketDiag
    /// A socket of each group's protocol and address, at a port that the kernel chooses.
    case groupSockets
    /// A descriptor by pidfd_getfd(2).
    case borrowing

    /// The steps of one set depend on each other, in this order; the sets are independent.
    public static let sets: [[TrialStep]] = [
        [.systemCalls, .maps, .programs, .memory], [.socketDiag], [.groupSockets], [.borrowing],
    ]

    /// `make the maps`.
    public var description: String {
        switch self {
        case .systemCalls: "call bpf(2)"
        case .maps: "make the maps"
        case .programs: "load the programs"
        case .memory: "take memory for the agent's own work"
        case .socketDiag: "list sockets by sock_diag"
        case .groupSockets: "open sockets like the groups'"
        case .borrowing: "borrow a descriptor by pidfd_getfd"
        }
    }
}

/// The results of the steps.
public struct TrialFacts: Equatable, Sendable, Codable {
    public var mapCount: Int?
    /// Bytes that the kernel accounts for these maps.
    public var mapBytes: UInt64?
    /// Names of the programs of each group: `select_collector`.
    public var programs: [String]?
    /// Waiting connections of a closing listener can migrate to another one.
    public var canMigrate: Bool?
    /// Maps count as locked memory, and not for a control group.
    public var countsLockedMemory: Bool?
    /// Limit of locked memory in bytes, if there is one and maps count.
    public var lockedMemory: UInt64?
    /// Groups whose address this network namespace does not have.
    public var absentAddresses: [String]?

    public init() {}

    package mutating func add(_ other: TrialFacts) {
        mapCount = other.mapCount ?? mapCount
        mapBytes = other.mapBytes ?? mapBytes
        programs = other.programs ?? programs
        canMigrate = other.canMigrate ?? canMigrate
        countsLockedMemory = other.countsLockedMemory ?? countsLockedMemory
        lockedMemory = other.lockedMemory ?? lockedMemory
        absentAddresses = other.absentAddresses ?? absentAddresses
    }
}

/// The outcome of a trial.
public struct TrialReport: Equatable, Sendable {
    public private(set) var facts = TrialFacts()
    /// The errors of failed steps; a step without a result or an error was not reached.
    public private(set) var failures: [TrialStep: Failure] = [:]
    public private(set) var passed: Set<TrialStep> = []

    public init() {}

    public mutating func note(_ step: TrialStep, _ outcome: Result<TrialFacts, Failure>) {
        switch outcome {
        case .success(let found):
            passed.insert(step)
            facts.add(found)
        case .failure(let failure):
            failures[step] = failure
        }
    }

    /// The first error, in the steps' order.
    public var firstFailure: Failure? { TrialStep.allCases.lazy.compactMap { failures[$0] }.first }
}

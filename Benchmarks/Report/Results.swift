/// The measurements of one part, as Benchmarks/results stores them.
struct Results: Codable {
    var part: String
    /// The date of the run (RFC 3339, UTC).
    var date: String
    var machine: Machine
    var measurements: [Measurement] = []

    struct Measurement: Codable {
        let workload, subject, figure: String
        /// One value for each round.
        var values: [Double] = []
    }

    init(part: String, date: String, machine: Machine) {
        (self.part, self.date, self.machine) = (part, date, machine)
    }

    mutating func add(_ value: Double, _ figure: Figure, of subject: String, under workload: String) {
        let place = place(figure, subject, workload)
        if let place {
            measurements[place].values.append(value)
        } else {
            measurements.append(
                Measurement(workload: workload, subject: subject, figure: figure.rawValue, values: [value]))
        }
    }

    func values(_ figure: Figure, of subject: String, under workload: String) -> [Double] {
        place(figure, subject, workload).map { measurements[$0].values } ?? []
    }

    private func place(_ figure: Figure, _ subject: String, _ workload: String) -> Int? {
        measurements.firstIndex {
            $0.figure == figure.rawValue && $0.subject == subject && $0.workload == workload
        }
    }

    /// For each round, the subject's figure divided by the reference's.
    func ratios(_ figure: Figure, of subject: String, to reference: String, under workload: String) -> [Double] {
        pairs(figure, subject, reference, workload).filter { $1 > 0 }.map { $0 / $1 }
    }

    /// For each round, the subject's figure minus the reference's.
    func differences(
        _ figure: Figure, of subject: String, from reference: String, under workload: String
    ) -> [Double] {
        pairs(figure, subject, reference, workload).map { $0 - $1 }
    }

    private func pairs(
        _ figure: Figure, _ subject: String, _ reference: String, _ workload: String
    ) -> [(Double, Double)] {
        Array(zip(values(figure, of: subject, under: workload), values(figure, of: reference, under: workload)))
    }

    /// Puts the subjects into this order, independent of the order of measurement.
    mutating func order(_ subjects: [String]) {
        let places = Dictionary(uniqueKeysWithValues: subjects.enumerated().map { ($1, $0) })
        let workloads = Dictionary(uniqueKeysWithValues: self.workloads.enumerated().map { ($1, $0) })
        measurements = measurements.enumerated().sorted { left, right in
            func key(_ one: (offset: Int, element: Measurement)) -> (Int, Int, Int) {
                (workloads[one.element.workload]!, places[one.element.subject] ?? subjects.count, one.offset)
            }
            return key(left) < key(right)
        }.map(\.element)
    }

    /// The workloads in the order of their measurement.
    var workloads: [String] { Self.unique(measurements.map(\.workload)) }

    func subjects(under workload: String) -> [String] {
        Self.unique(measurements.filter { $0.workload == workload }.map(\.subject))
    }

    private static func unique(_ names: [String]) -> [String] {
        var seen: Set<String> = []
        return names.filter { seen.insert($0).inserted }
    }
}

/// A measured quantity with its unit.
enum Figure: String, Codable {
    case deliveredShare = "delivered, %"
    case messagesPerSecond = "messages/s"
    case processorTime = "CPU, us"
    case switches = "context switches"
    case balancerTime = "balancer's CPU, us"
    case balancerMemory = "balancer, MiB"
    case split = "exporters split, %"
    case unevenness = "most by mean of a socket"
    case median = "p50, us"
    case ninetyNinth = "p99, us"
    case last = "p99.9, us"
    case connectionsPerSecond = "connections/s"
    case mebibytesPerSecond = "MiB/s"
    case nanoseconds = "ns/run"
    case hash = "ns/hash"
    case milliseconds = "ms"
    case mebibytes = "MiB"
    case processorShare = "% of a core"
}

/// Metrics of one name, with what they mean: a block of Prometheus's text format.
public struct MetricFamily: Equatable, Sendable {
    public enum Kind: String, Sendable {
        /// Only goes up, but for a new pool.
        case counter
        case gauge
    }

    public struct Sample: Equatable, Sendable {
        public var labels: [Label]
        /// As the text has it.
        public var value: String
    }

    public struct Label: Equatable, Sendable {
        public var name: String
        public var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    public let name: String
    public let kind: Kind
    public let help: String
    public private(set) var samples: [Sample] = []

    package init(_ name: String, _ kind: Kind, _ help: String) {
        self.name = name
        self.kind = kind
        self.help = help
    }

    package init(_ name: String, _ kind: Kind, _ help: String, _ value: some MetricValue) {
        self.init(name, kind, help)
        add([], value)
    }

    package mutating func add(_ labels: [Label], _ value: some MetricValue) {
        samples.append(Sample(labels: labels, value: value.metricText))
    }

    /// The same with one more label at the front of each sample.
    func labelled(_ label: Label) -> MetricFamily {
        var family = self
        for index in samples.indices { family.samples[index].labels.insert(label, at: 0) }
        return family
    }
}

/// Numbers of the text format: whole ones exactly, others with as many digits as it takes.
package protocol MetricValue { var metricText: String { get } }

extension Int: MetricValue { package var metricText: String { description } }
extension UInt64: MetricValue { package var metricText: String { description } }
extension Bool: MetricValue { package var metricText: String { self ? "1" : "0" } }

extension Double: MetricValue {
    package var metricText: String { self == rounded() && magnitude < 0x1p53 ? "\(Int64(self))" : description }
}

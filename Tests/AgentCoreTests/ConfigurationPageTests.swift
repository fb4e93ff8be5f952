import PoolModel
import TelemetryLab
import TestSupport
import Testing

@testable import AgentCore

/// docs/configuration.md beside the reader.
@Suite struct ConfigurationPageTests {
    /// A row of one of the page's tables of keys.
    private struct Row: Equatable, CustomStringConvertible {
        let path, type, standard, limits: String

        var description: String { "| `\(path)` | \(type) | \(standard) | \(limits) |" }
    }

    private static func rows() throws -> [Row] {
        let page = try #require(FileText.read(Checkout.docs + "/configuration.md"))
        return page.split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|").map { $0.trimming(" ") }
            guard line.hasPrefix("| `"), cells.count == 5, !cells[0].dropFirst().dropLast().contains("`") else {
                return nil
            }
            return Row(path: cells[0].trimming("`"), type: cells[1], standard: cells[2], limits: cells[3])
        }
    }

    @Test func `the page documents each key with type, default and limits, and no other key`() throws {
        let written = try Self.rows()
        let read = ConfigurationKey.all.map {
            Row(path: $0.path, type: $0.type, standard: $0.standard, limits: $0.limits)
        }
        let paths = Set(read.map(\.path))
        #expect(paths.count == read.count)
        for row in read {
            #expect(written.contains(row), "the page lacks \(row)")
        }
        for row in written { #expect(read.contains(row), "the reader does not know \(row)") }
        #expect(written.count == read.count)
    }

    /// The shortest file, with one key more.
    private static func configuration(_ path: String, _ value: String) throws(Failure) -> PoolConfiguration {
        let parts = path.split(separator: ".").map(String.init)
        func mapping(_ keys: [String: String]) -> String {
            "{\(keys.map { "\($0): \($1)" }.sorted().joined(separator: ", "))}"
        }
        var collector = ["name": "c1"]
        var group = ["name": "g", "protocol": "tcp", "address": "0.0.0.0", "port": "4739"]
        var top = ["pool": "POOL"]
        switch parts[0] {
        case "collectors[]": collector[parts[1]] = value
        case "groups[]": group[parts[1]] = value
        case "usage" where parts.count == 3: top["usage"] = "{to: {file: /f}, \(parts[1]): {\(parts[2]): \(value)}}"
        case "usage" where parts.count == 2: top["usage"] = "{to: {file: /f}, \(parts[1]): \(value)}"
        case "meter" where parts.count == 2:
            top["usage"] = "{to: {file: /f}}"
            top["meter"] = mapping(["cgroup": "/sys/fs/cgroup/a"].merging([parts[1]: value]) { $1 })
        default: top[parts[0]] = parts.count == 2 ? "{\(parts[1]): \(value)}" : value
        }
        top["collectors"] = "[\(mapping(collector))]"
        top["groups"] = "[\(mapping(group))]"
        let text = top.map { "\($0): \($1)" }.sorted().joined(separator: "\n")
        return try ConfigurationReader(text: text, file: "edge.yaml").read()
    }

    @Test func `a key with its default changes nothing`() throws {
        var tried = 0
        for row in try Self.rows() where row.standard.hasPrefix("`") || Int(row.standard) != nil {
            let value = row.standard.trimming("`")
            let isOfUsage = row.path.hasPrefix("usage") || row.path.hasPrefix("meter")
            let isOfMeter = row.path.hasPrefix("meter")
            var without = try Self.configuration("pool", "POOL")
            if isOfUsage { without = try Self.configuration("usage", "{to: {file: /f}}") }
            if isOfMeter { without = try Self.configuration("meter.cgroup", "/sys/fs/cgroup/a") }
            #expect(try Self.configuration(row.path, value) == without, "\(row)")
            tried += 1
        }
        #expect(tried > 12)
    }

    @Test func `both ends of each range are accepted, and nothing beyond them`() throws {
        var tried = 0
        for row in try Self.rows() {
            let words = row.limits.split { ";,".contains($0) }.first?.split(separator: " ") ?? []
            guard words.count == 3, words[1] == "to", row.type != "list", let first = Number(words[0]),
                let last = Number(words[2])
            else { continue }
            for value in [first, last] { _ = try Self.configuration(row.path, value.text(0)) }
            #expect(throws: Failure.self, "\(row)") { _ = try Self.configuration(row.path, last.text(1)) }
            if first.value > 0 {
                #expect(throws: Failure.self, "\(row)") { _ = try Self.configuration(row.path, first.text(-1)) }
            }
            tried += 1
        }
        #expect(tried == 9)
    }

    /// A number with its unit, of which one more or less can be written.
    private struct Number {
        let value: Int
        /// In which the value counts.
        let unit: String

        init?(_ text: Substring) {
            let digits = text.prefix { $0.isNumber }
            guard let number = Int(digits) else { return nil }
            let smaller: [Substring: (Int, String)] = [
                "": (1, ""), "ms": (1, "ms"), "s": (1_000, "ms"), "h": (3_600_000, "ms"), "KiB": (1 << 10, ""),
                "MiB": (1 << 20, ""), "GiB": (1 << 30, ""),
            ]
            guard let (factor, unit) = smaller[text.dropFirst(digits.count)] else { return nil }
            value = number * factor
            self.unit = unit
        }

        func text(_ difference: Int) -> String { "\(value + difference)\(unit)" }
    }
}

extension StringProtocol {
    fileprivate func trimming(_ character: Character) -> String {
        var text = self[...]
        while text.first == character { text = text.dropFirst() }
        while text.last == character { text = text.dropLast() }
        return String(text)
    }
}

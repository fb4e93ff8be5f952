import PoolModel

/// A YAML mapping, and the keys that it can have.
struct Section {
    private let pairs: [(key: YAMLNode, value: YAMLNode)]
    private let file: String
    private let title: String
    private let mark: YAMLMark

    init(_ node: YAMLNode, file: String, title: String) throws(Failure) {
        guard case .mapping(let pairs) = node.content else {
            throw Value(node: node, file: file, key: title).problem(
                "\(title) is not a mapping", "write it as keys and values, like name: value")
        }
        self.pairs = pairs
        self.file = file
        self.title = title
        mark = node.mark
    }

    /// - Throws: an error for the first unknown key, with the known key that was probably meant.
    func allowOnly(_ known: [String]) throws(Failure) {
        for (key, _) in pairs {
            guard let name = key.text else {
                throw Value(node: key, file: file, key: title).problem(
                    "\(title) has a list or a mapping where a key should be",
                    "write the key as a word, like \(known[0]): value")
            }
            if known.contains(name) { continue }
            let guess = name.nearest(among: known).map { "write \($0), or remove it" }
            throw Value(node: key, file: file, key: name).problem(
                "\(title) has no key \(name)", guess ?? "remove it; the keys are \(known.joined(separator: ", "))")
        }
    }

    func optional(_ key: String) throws(Failure) -> Value? {
        for (name, node) in pairs where name.text == key {
            let value = Value(node: node, file: file, key: key)
            if case .scalar(let text, isPlain: true) = node.content, ["", "~", "null"].contains(text) {
                throw value.problem("\(key) has no value", "give it one, or remove the key")
            }
            return value
        }
        return nil
    }

    /// - Parameter example: an example of the key with its value.
    func required(_ key: String, like example: String? = nil) throws(Failure) -> Value {
        if let value = try optional(key) { return value }
        throw Failure(
            .usage, act: "use \(file):\(mark)", cause: "\(title) lacks the key \(key)",
            remedy: "add it" + (example.map { ", like \($0)" } ?? ""))
    }
}

extension String {
    /// The known word that was probably meant: few letters differ, or the word was cut short.
    package func nearest(among known: [String]) -> String? {
        if let near = known.min(by: { $0.editDistance(to: self) < $1.editDistance(to: self) }),
            near.editDistance(to: self) <= 2
        {
            return near
        }
        return utf8.count < 3 ? nil : known.first { $0.hasPrefix(self) }
    }

    /// The Levenshtein distance: insertions, deletions and replacements.
    func editDistance(to other: String) -> Int {
        let (source, target) = (Array(utf8.prefix(64)), Array(other.utf8.prefix(64)))
        var previous = Array(0...target.count)
        for (row, byte) in source.enumerated() {
            var current = [row + 1]
            for (column, otherByte) in target.enumerated() {
                current.append(
                    Swift.min(
                        previous[column] + (byte == otherByte ? 0 : 1), previous[column + 1] + 1, current[column] + 1))
            }
            previous = current
        }
        return previous[target.count]
    }
}

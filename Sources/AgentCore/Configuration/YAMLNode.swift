/// A value of a YAML document, with its position in the file.
struct YAMLNode: Sendable {
    enum Content: Sendable {
        /// `isPlain` means without quotes, and not a block of text.
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        /// In the order of the file; no two keys have the same text.
        case mapping([(key: YAMLNode, value: YAMLNode)])
    }

    let content: Content
    let mark: YAMLMark

    /// The text of a scalar; nil for a list or a mapping.
    var text: String? {
        if case .scalar(let text, _) = content { return text }
        return nil
    }
}

/// A position in a file. Lines and columns count from 1; a column is one character.
struct YAMLMark: Sendable, CustomStringConvertible {
    var line = 1
    var column = 1

    var description: String { "\(line):\(column)" }
}

/// The reason why a text can't be a configuration, with its position.
struct YAMLError: Error {
    let mark: YAMLMark
    let cause: String
    let remedy: String
}

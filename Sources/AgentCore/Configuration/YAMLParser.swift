import CYAML

/// Composes one document from the events of libyaml (yaml.h).
///
/// The parser refuses deep nesting and aliases, because a few lines of them can stand for gigabytes
/// and a configuration needs neither. The parser ignores tags.
struct YAMLParser: ~Copyable {
    /// Maximum nesting of lists and mappings.
    static let depthLimit = 32

    private let parser: UnsafeMutablePointer<yaml_parser_t>
    /// The text, which libyaml reads during the whole parse.
    private let input: UnsafeMutableBufferPointer<UInt8>

    /// - Throws: `YAMLError` with the position of the first error.
    static func document(_ text: String) throws(YAMLError) -> YAMLNode {
        let parser = YAMLParser(text)
        return try parser.document()
    }

    private init(_ text: String) {
        let bytes = Array(text.utf8)
        // Never empty, because libyaml requires a valid pointer.
        input = .allocate(capacity: bytes.count + 1)
        input.initialize(repeating: 0)
        _ = input.update(from: bytes)
        parser = .allocate(capacity: 1)
        precondition(yaml_parser_initialize(parser) == 1, "no memory for a YAML parser")
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, input.baseAddress, bytes.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
        input.deallocate()
    }

    private borrowing func document() throws(YAMLError) -> YAMLNode {
        _ = try next()
        guard case .documentStart = try next().kind else {
            throw YAMLError(
                mark: YAMLMark(), cause: "it is empty", remedy: "write at least pool, collectors and groups")
        }
        let root = try node(try next(), depth: 0)
        _ = try next()
        let end = try next()
        guard case .streamEnd = end.kind else {
            throw YAMLError(
                mark: end.mark, cause: "it holds more than one document",
                remedy: "write one: remove --- and what is after it")
        }
        return root
    }

    private borrowing func node(_ event: Event, depth: Int) throws(YAMLError) -> YAMLNode {
        if event.isAnchored {
            throw YAMLError(
                mark: event.mark, cause: "it has an anchor or an alias",
                remedy: "write the value out, or put it in quotes")
        }
        guard depth <= Self.depthLimit else {
            throw YAMLError(
                mark: event.mark, cause: "it is nested too deep", remedy: "a configuration needs 4 levels")
        }
        switch event.kind {
        case .sequenceStart: return YAMLNode(content: .sequence(try sequence(depth)), mark: event.mark)
        case .mappingStart: return YAMLNode(content: .mapping(try mapping(depth)), mark: event.mark)
        case .scalar(let text, let isPlain):
            return YAMLNode(content: .scalar(text, isPlain: isPlain), mark: event.mark)
        case .documentStart, .streamEnd, .end, .other: preconditionFailure("libyaml gives a node here (yaml.h)")
        }
    }

    private borrowing func sequence(_ depth: Int) throws(YAMLError) -> [YAMLNode] {
        var entries: [YAMLNode] = []
        while true {
            let event = try next()
            if case .end = event.kind { return entries }
            entries.append(try node(event, depth: depth + 1))
        }
    }

    private borrowing func mapping(_ depth: Int) throws(YAMLError) -> [(key: YAMLNode, value: YAMLNode)] {
        var pairs: [(key: YAMLNode, value: YAMLNode)] = []
        var names: Set<String> = []
        while true {
            let event = try next()
            if case .end = event.kind { return pairs }
            let key = try node(event, depth: depth + 1)
            if let name = key.text, !names.insert(name).inserted {
                throw YAMLError(mark: key.mark, cause: "\(name) is there twice", remedy: "keep one of them")
            }
            pairs.append((key, try node(try next(), depth: depth + 1)))
        }
    }
}

extension YAMLParser {
    private struct Event {
        enum Kind {
            case documentStart
            case scalar(String, isPlain: Bool)
            case sequenceStart
            case mappingStart
            /// The end of a list or a mapping.
            case end
            case streamEnd
            case other
        }

        let kind: Kind
        let mark: YAMLMark
        /// Whether the event is an alias, or a node with an anchor.
        let isAnchored: Bool
    }

    /// The next event in the file's order.
    private borrowing func next() throws(YAMLError) -> Event {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw failure }
        defer { yaml_event_delete(&event) }
        let data = event.data
        var isAnchored = false
        let kind: Event.Kind
        switch event.type {
        case YAML_DOCUMENT_START_EVENT: kind = .documentStart
        case YAML_ALIAS_EVENT:
            isAnchored = true
            kind = .other
        case YAML_SCALAR_EVENT:
            isAnchored = data.scalar.anchor != nil
            let bytes = UnsafeBufferPointer(start: data.scalar.value, count: data.scalar.length)
            kind = .scalar(
                String(decoding: bytes, as: UTF8.self), isPlain: data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        case YAML_SEQUENCE_START_EVENT:
            isAnchored = data.sequence_start.anchor != nil
            kind = .sequenceStart
        case YAML_MAPPING_START_EVENT:
            isAnchored = data.mapping_start.anchor != nil
            kind = .mappingStart
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: kind = .end
        case YAML_STREAM_END_EVENT: kind = .streamEnd
        default: kind = .other
        }
        return Event(kind: kind, mark: YAMLMark(event.start_mark), isAnchored: isAnchored)
    }

    /// The reason why libyaml returned no event.
    private var failure: YAMLError {
        let state = parser.pointee
        let problem = state.problem.map { String(cString: $0) } ?? "there is no memory for it"
        let mark =
            state.error == YAML_READER_ERROR
            ? YAMLMark(ofByte: state.problem_offset, in: input) : YAMLMark(state.problem_mark)
        return YAMLError(
            mark: mark, cause: "it is not YAML: \(problem)", remedy: "look at that line and the one before it")
    }
}

extension YAMLMark {
    /// libyaml counts lines and columns from 0.
    fileprivate init(_ mark: yaml_mark_t) { self.init(line: Int(mark.line) + 1, column: Int(mark.column) + 1) }

    /// The position of a byte that libyaml refuses to read, which has no mark yet.
    fileprivate init(ofByte offset: Int, in text: UnsafeMutableBufferPointer<UInt8>) {
        let before = text.prefix(offset)
        let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        self.init(
            line: before.count { $0 == UInt8(ascii: "\n") } + 1,
            column: String(decoding: before[lineStart...], as: UTF8.self).count + 1)
    }
}

import TelemetryLab

/// A JSON Schema (draft 2020-12), as far as the schemas of this package need one. A
/// keyword that isn't known here is an error, not passed over.
package final class JSONSchema {
    package struct Problem: Error, CustomStringConvertible { package let description: String }

    private let root: JSONValue
    /// `status.pool` and so on: properties that something valid had.
    package private(set) var seen: Set<String> = []

    package init(path: String) throws {
        guard let text = FileText.read(path) else { throw Problem(description: "there is no \(path)") }
        root = try JSONValue(parsing: text)
    }

    /// Names of all definitions, and `definition.property` of all their properties.
    package var definitions: Set<String> { Set(root["$defs"]?.members.map { Array($0.keys) } ?? []) }
    package var properties: Set<String> {
        Set(
            definitions.flatMap { name in
                (root["$defs"]?[name]?["properties"]?.members ?? [:]).keys.map { "\(name).\($0)" }
            })
    }

    /// - Parameter definition: its name in `$defs`.
    /// - Throws: where the text isn't valid, and why.
    package func validate(_ text: String, as definition: String) throws {
        try check(try JSONValue(parsing: text), by: try found("#/$defs/\(definition)"), definition, definition)
    }

    private func found(_ reference: String) throws -> JSONValue {
        let prefix = "#/$defs/"
        guard reference.hasPrefix(prefix), let schema = root["$defs"]?[String(reference.dropFirst(prefix.count))] else {
            throw Problem(description: "there is no \(reference)")
        }
        return schema
    }

    private func check(_ value: JSONValue, by schema: JSONValue, _ place: String, _ definition: String) throws {
        func fail(_ text: String) -> Problem { Problem(description: "\(place): \(text)") }
        guard let keywords = schema.members else { throw fail("the schema is not an object") }
        for (keyword, argument) in keywords {
            switch keyword {
            case "description", "title", "properties": break
            case "$ref":
                let reference = argument.string ?? ""
                try check(value, by: found(reference), place, String(reference.split(separator: "/").last ?? ""))
            case "type":
                let isRight = argument.string == value.type || argument.string == "number" && value.type == "integer"
                guard isRight else { throw fail("it is \(value.type), not \(argument)") }
            case "enum": guard argument.elements!.contains(value) else { throw fail("\(value) is none of \(argument)") }
            case "minimum":
                guard value.number! >= argument.number! else { throw fail("\(value) is less than \(argument)") }
            case "maximum":
                guard value.number! <= argument.number! else { throw fail("\(value) is more than \(argument)") }
            case "minLength":
                guard Double(value.string!.count) >= argument.number! else { throw fail("it is too short") }
            case "maxItems":
                guard Double(value.elements!.count) <= argument.number! else { throw fail("there are too many") }
            case "pattern":
                guard try value.string!.firstMatch(of: Regex(argument.string!)) != nil else {
                    throw fail("\(value) doesn't match \(argument)")
                }
            case "required":
                for key in argument.elements!.map({ $0.string! }) where value[key] == nil {
                    throw fail("\(key) is missing")
                }
            case "items":
                for (index, element) in (value.elements ?? []).enumerated() {
                    try check(element, by: argument, "\(place)[\(index)]", definition)
                }
            case "anyOf":
                let isValid = argument.elements!.contains { (try? check(value, by: $0, place, definition)) != nil }
                guard isValid else { throw fail("it is nothing of \(argument)") }
            case "additionalProperties": break
            default: throw fail("the schema has \(keyword), which this test doesn't know")
            }
        }
        try checkMembers(of: value, by: schema, place, definition)
    }

    private func checkMembers(of value: JSONValue, by schema: JSONValue, _ place: String, _ definition: String) throws {
        for (key, member) in value.members ?? [:] {
            if let property = schema["properties"]?[key] {
                seen.insert("\(definition).\(key)")
                try check(member, by: property, "\(place).\(key)", definition)
            } else if let others = schema["additionalProperties"] {
                guard others != .bool(false) else {
                    throw Problem(description: "\(place): \(key) is not in the schema")
                }
                try check(member, by: others, "\(place).\(key)", definition)
            }
        }
    }
}

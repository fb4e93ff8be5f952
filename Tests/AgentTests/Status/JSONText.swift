@testable import AgentCore

/// JSON that the status server has answered.
enum JSONText {
    static func decode<Value: Decodable>(_ type: Value.Type, from text: String) throws -> Value {
        try JSON.decode(type, from: Array(text.utf8))
    }
}

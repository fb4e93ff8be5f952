import Glibc
import TelemetryLab

@testable import AgentCore

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Headless Chromium in a sandbox, driven by chromedriver over HTTP (W3C WebDriver).
/// All that it writes is in the sandbox's tmpfs, and the sandbox ends its processes.
final class Browser {
    private static let port = 9_515
    private let sandbox: Sandbox
    private let driver: ChildProcess
    private let profile: String
    private var session = ""
    /// Chromium's messages for all opened pages.
    private(set) var messages: [Message] = []

    static let isInstalled = ["/usr/bin/chromedriver", "/usr/bin/chromium"].allSatisfy { (path: String) in
        access(path, X_OK) == 0
    }

    struct Message: Decodable {
        let level: String
        let message: String
    }

    init(in sandbox: Sandbox, width: Int = 1_440, height: Int = 900) throws {
        self.sandbox = sandbox
        let home = sandbox.newPath("browser")
        mkdir(home, 0o700)
        profile = "\(home)/profile"
        driver = try ChildProcess(
            ["chromedriver", "--port=\(Self.port)"], in: sandbox,
            environment: ["HOME": home, "TMPDIR": home, "XDG_CONFIG_HOME": home, "XDG_CACHE_HOME": home, "TZ": "UTC"])
        guard waitUntil(.seconds(30), every: .milliseconds(100), { (try? isReady()) ?? false }) else {
            throw LabError("chromedriver is not ready: \(driver.output) \(driver.errorOutput)")
        }
        let arguments = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            "--disable-background-networking", "--no-first-run", "--window-size=\(width),\(height)",
            "--user-data-dir=\(profile)",
        ]
        let options = """
            {"capabilities": {"alwaysMatch": {"goog:loggingPrefs": {"browser": "ALL"}, "timeouts": {"script": 60000},
            "goog:chromeOptions": {"args": \(try JSON.text(arguments))}}}}
            """
        struct Session: Decodable { let sessionId: String }
        session = try value(Session.self, "POST", "/session", options).sessionId
        try command("Emulation.setDeviceMetricsOverride", Self.metrics(width, height))
    }

    /// Ends Chromium and chromedriver, and waits for them.
    func quit() throws {
        _ = try request("DELETE", "/session/\(session)", nil)
        driver.send(SIGTERM)
        try driver.wait()
    }

    func open(_ address: String) throws { try post("/url", "{\"url\": \(try JSON.text(address))}") }

    /// The value of a script's `return`, a string.
    func text(_ script: String) throws -> String { try value(String.self, "POST", path("/execute/sync"), body(script)) }

    /// The value of a script's `return`, as JSON.
    func evaluate<Value: Decodable>(_ type: Value.Type, _ script: String) throws -> Value {
        try value(type, "POST", path("/execute/sync"), body(script))
    }

    func evaluate<Value: Decodable>(_ script: String) throws -> Value { try evaluate(Value.self, script) }

    /// Keys as a keyboard sends them, to what has the focus.
    func type(_ keys: String) throws {
        let actions = keys.flatMap { key in
            ["keyDown", "keyUp"].map { "{\"type\": \"\($0)\", \"value\": \((try? JSON.text("\(key)")) ?? "")}" }
        }
        try post(
            "/actions",
            "{\"actions\": [{\"type\": \"key\", \"id\": \"keyboard\", \"actions\": [\(actions.joined(separator: ", "))]}]}"
        )
    }

    /// WebDriver's names of keys that no letter stands for.
    enum Key {
        static let enter = "\u{e007}"
        static let tab = "\u{e004}"
        static let escape = "\u{e00c}"
        static let space = " "
    }

    /// A command of the Chrome DevTools Protocol.
    func command(_ name: String, _ parameters: String = "{}") throws {
        try post("/goog/cdp/execute", "{\"cmd\": \"\(name)\", \"params\": \(parameters)}")
    }

    func command<Value: Decodable>(_ type: Value.Type, _ name: String, _ parameters: String = "{}") throws -> Value {
        try value(
            type, "POST", path("/goog/cdp/execute"), "{\"cmd\": \"\(name)\", \"params\": \(parameters)}")
    }

    func resize(width: Int, height: Int) throws {
        try command("Emulation.setDeviceMetricsOverride", Self.metrics(width, height))
    }

    /// - Parameter scheme: light or dark.
    func prefer(_ scheme: String) throws {
        try command(
            "Emulation.setEmulatedMedia",
            "{\"features\": [{\"name\": \"prefers-color-scheme\", \"value\": \"\(scheme)\"}]}")
    }

    /// The visible part of the page as PNG, in base64.
    func screenshot() throws -> String { try value(String.self, "GET", path("/screenshot"), nil) }

    /// The console's messages since the last call: errors, refused requests, violated policies.
    func readConsole() throws -> [Message] {
        let new = try value([Message].self, "POST", path("/se/log"), "{\"type\": \"browser\"}")
        messages += new
        return new
    }

    private static func metrics(_ width: Int, _ height: Int) -> String {
        "{\"width\": \(width), \"height\": \(height), \"deviceScaleFactor\": 1, \"mobile\": false}"
    }

    private func body(_ script: String) throws -> String { "{\"script\": \(try JSON.text(script)), \"args\": []}" }

    private func path(_ end: String) -> String { "/session/\(session)\(end)" }

    private func post(_ end: String, _ body: String) throws { _ = try request("POST", path(end), body) }

    private func isReady() throws -> Bool {
        struct Status: Decodable { let ready: Bool }
        return try value(Status.self, "GET", "/status", nil).ready
    }

    private func value<Value: Decodable>(
        _ type: Value.Type, _ method: String, _ path: String, _ body: String?
    ) throws -> Value {
        let answer = try request(method, path, body)
        do {
            return try JSONDecoder().decode(BrowserReply<Value>.self, from: Data(answer.utf8)).value
        } catch {
            throw LabError("\(method) \(path): \(answer.prefix(2_000))")
        }
    }

    private func request(_ method: String, _ path: String, _ body: String?) throws -> String {
        var arguments = ["curl", "-s", "--noproxy", "*", "--max-time", "90", "-X", method]
        if let body {
            let file = sandbox.newPath("body")
            try FileText.write(body, to: file)
            defer { unlink(file) }
            arguments += ["-H", "Content-Type: application/json", "--data-binary", "@\(file)"]
            return try output(arguments + ["http://127.0.0.1:\(Self.port)\(path)"])
        }
        return try output(arguments + ["http://127.0.0.1:\(Self.port)\(path)"])
    }

    private func output(_ arguments: [String]) throws -> String {
        let curl = try ChildProcess(arguments, in: sandbox)
        guard try curl.wait(.seconds(100)) == 0 else { throw LabError("chromedriver does not answer: \(arguments)") }
        let output = curl.output
        if output.hasPrefix("{\"value\":{\"error\"") { throw LabError("\(arguments.last!): \(output.prefix(2_000))") }
        return output
    }
}

private struct BrowserReply<Value: Decodable>: Decodable {
    let value: Value
}

import Glibc
import TelemetryLab
import Testing
import TestSupport

@testable import AgentCore

/// An agent with traffic, and its page in Chromium.
enum PageFixture {
    static let names = ["c1", "c2", "c3"]

    static func agent(in sandbox: Sandbox, hold: String = "10s") throws -> AgentFixture {
        try AgentFixture(
            in: sandbox, program: AgentUnderTest.program,
            configuration: AgentFixture.configuration(
                collectors: names, hold: hold, extra: StatusClient.Place.configuration))
    }

    static func collectors(in sandbox: Sandbox, with agent: AgentFixture) throws -> [BuiltInCollector] {
        try names.map { try .registered($0, with: agent) }
    }

    /// 12 exporters that send 20, 30, … datagrams of different lengths, and connect.
    static func send() throws -> [Exporter] {
        let exporters = (0..<12).map { Exporter(.v4(0xc633_6401 + UInt32($0))) }
        for (index, exporter) in exporters.enumerated() {
            let datagram = [UInt8](repeating: UInt8(index), count: 100 + 40 * index)
            try exporter.send(Array(repeating: datagram, count: 20 + 10 * index), pause: 50)
            try exporter.openSession([3, 0, 0, 0, 6, 4])
        }
        return exporters
    }

    static func open(in sandbox: Sandbox, fragment: String = "") throws -> PageReader {
        let page = PageReader(browser: try Browser(in: sandbox))
        try page.browser.open(PageReader.address + fragment)
        return page
    }

    /// The page asks every 2 s.
    static func expect(
        _ what: String, within limit: Duration = .seconds(30), _ condition: () throws -> Bool,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        var problem = ""
        let happened = waitUntil(limit, every: .milliseconds(200)) {
            do { return try condition() } catch { problem = "\(error)" }
            return false
        }
        #expect(happened, "\(what) \(problem)", sourceLocation: sourceLocation)
    }

    /// The browser's errors, without /healthz, which answers 503 when something is wrong.
    static func complaints(_ page: PageReader) throws -> [String] {
        _ = try page.browser.readConsole()
        return page.browser.messages.filter { $0.level == "SEVERE" && !$0.message.contains("/healthz") }.map(\.message)
    }
}

import Glibc
import TelemetryLab
import TestSupport
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Makes docs/page-light.png and docs/page-dark.png, from routers' captures:
/// PAGE_SCREENSHOTS=docs swift test --filter PageScreenshots
@Suite(
    .enabled(if: getenv("PAGE_SCREENSHOTS") != nil && AgentUnderTest.hasChromium, "only with PAGE_SCREENSHOTS=FOLDER"))
struct PageScreenshots {
    private static let names = (1...6).map { "c\($0)" }

    @Test func `6 collectors receive the captures' routers for 2 minutes, then one ends`() async throws {
        let given = getenv("PAGE_SCREENSHOTS").map { String(cString: $0) } ?? ""
        // A thread that was in a sandbox comes back to the root folder.
        let folder = given.hasPrefix("/") ? given : Checkout.root + given
        let captures = try Capture.all(in: Checkout.captures)
        let pictures = try await Sandbox.run { sandbox in
            let agent = try AgentFixture(
                in: sandbox, program: AgentUnderTest.program,
                configuration: AgentFixture.configuration(
                    collectors: Self.names, hold: "20s", extra: StatusClient.Place.configuration))
            let collectors = try Self.names.map { try BuiltInCollector.registered($0, with: agent) }
            let browser = try Browser(in: sandbox, width: 1_400, height: 840)
            try browser.prefer("light")
            try browser.open(PageReader.address + "#203.0.113.90")
            let routers = captures.map { Exporter($0.exporter) }
            for (router, capture) in zip(routers, captures) where !capture.stream.isEmpty {
                try router.openSession(capture.stream)
            }
            let generated = (0..<30).map { Exporter(.v4(0xc633_6401 + UInt32($0))) }
            try Self.send(from: zip(routers, captures).map { ($0, $1) }, and: generated, for: .seconds(120))
            let light = try browser.screenshot()
            try collectors[3].stop()
            try browser.prefer("dark")
            try Self.send(from: zip(routers, captures).map { ($0, $1) }, and: generated, for: .seconds(9))
            let dark = try browser.screenshot()
            try browser.quit()
            return ["light": light, "dark": dark]
        }
        for (scheme, picture) in pictures {
            let bytes = try #require(Data(base64Encoded: picture))
            #expect(bytes.count < 200_000, "\(scheme): \(bytes.count) bytes")
            try bytes.write(to: URL(filePath: "\(folder)/page-\(scheme).png"))
        }
    }

    /// All datagrams of the captures again and again, and single ones of the others.
    private static func send(
        from routers: [(Exporter, Capture)], and others: [Exporter], for time: Duration
    ) throws {
        let end = ContinuousClock.now + time
        while ContinuousClock.now < end {
            for (index, (router, capture)) in routers.enumerated() where !capture.datagrams.isEmpty {
                try router.send(capture.datagrams.prefix(120).map(\.payload), pause: 400)
                for step in 0..<6 {
                    let other = others[(6 * index + step) % others.count]
                    let datagram = [UInt8](repeating: 0, count: 600 + 60 * step)
                    try other.send(Array(repeating: datagram, count: 8), pause: 300)
                }
            }
        }
    }
}

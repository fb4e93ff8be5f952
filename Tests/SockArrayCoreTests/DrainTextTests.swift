import Testing

@testable import PoolModel
@testable import PoolReport

/// What `drain --wait` says when its time is over.
@Suite struct DrainTextTests {
    private static func progress(
        sessions: [(peer: String, silentFor: Double)] = [], rows: Int = 0, takers: Int? = 1
    ) -> DrainProgress {
        var progress = DrainProgress()
        progress.setSessions(
            sessions.map { .init(peer: $0.peer, peerPort: 41_000, group: "bmp", silentFor: $0.silentFor) })
        progress.rows = rows
        progress.takers = takers
        return progress
    }

    @Test func `sessions in the way are named by router, port and group, the longest silent first`() {
        let progress = Self.progress(
            sessions: [("192.0.2.1", 3.9), ("2001:db8::1", 600), ("192.0.2.3", 90_000), ("192.0.2.4", 260_000)], rows: 4
        )
        #expect(
            progress.text == "4 BMP sessions (192.0.2.4:41000 in group bmp, silent for 3 days; "
                + "192.0.2.3:41000 in group bmp, silent for 25 h; [2001:db8::1]:41000 in group bmp, silent for 10 min; "
                + "and 1 more)")
        let one = Self.progress(sessions: [("192.0.2.1", 0)], rows: 1)
        #expect(one.text == "1 BMP session (192.0.2.1:41000 in group bmp, silent for 0 s)")
    }

    @Test func `at most 8 sessions are listed, and all are counted`() {
        let progress = Self.progress(sessions: (1...20).map { ("192.0.2.\($0)", Double($0)) })
        #expect(progress.sessions == 20 && progress.longestSilent?.count == 8)
        #expect(progress.longestSilent?.first?.peer == "192.0.2.20" && progress.text.contains("and 17 more"))
    }

    @Test func `with live sessions, the remedy is their end, not the registration of a collector`() {
        let remedy = Self.progress(sessions: [("192.0.2.1", 1)], rows: 5, takers: 3).remedy(for: "c1")
        #expect(remedy.hasPrefix("it continues to drain; exporters leave when their sessions end"))
        #expect(!remedy.contains("register"))
        #expect(
            remedy.hasSuffix(
                "wait longer (--timeout), or to stop draining, run: reuseport-agent undrain --collector c1"))
    }

    @Test func `only without another registered collector the remedy is to register one`() {
        for sessions in [[], [("192.0.2.1", 1.0)]] {
            let remedy = Self.progress(sessions: sessions, rows: 5, takers: 0).remedy(for: "c1")
            #expect(remedy.contains("no other collector can take its exporters: register one"))
            #expect(!remedy.contains("wait longer"))
        }
        let held = Self.progress(rows: 5, takers: 1).remedy(for: "c1")
        #expect(held.contains("next collector is absent: they leave when it registers or its hold ends"))
        #expect(!held.contains("no other collector"))
    }

    @Test func `queued data is counted in bytes and connections`() {
        var progress = Self.progress()
        #expect(progress.isEmpty && progress.text == "")
        (progress.queuedBytes, progress.queuedConnections) = (512, 1)
        #expect(progress.text == "512 bytes and 1 connection to read" && !progress.isEmpty)
        #expect(!progress.remedy(for: "c1").contains("register"))
    }
}

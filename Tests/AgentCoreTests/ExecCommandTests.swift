import CBPFShim
import Glibc
import PoolModel
import Testing

@testable import AgentCore

/// What `exec` gives its command, and what the command's end means: decided without a process.
@Suite struct ExecCommandTests {
    private static func changes(_ variables: [String: String]) -> [String: CommandEnvironment.Value] {
        CommandEnvironment(pid: 77) { variables[$0] }.changes
    }

    private static let noMPTCP = CommandEnvironment.Value.text("multipathtcp=0")

    @Test func `LISTEN_PID and WATCHDOG_PID that name exec name the command; those of others stay`() {
        let both = ["LISTEN_FDS": "2", "LISTEN_PID": "77", "LISTEN_PIDFDID": "9", "WATCHDOG_PID": "77"]
        #expect(
            Self.changes(both) == [
                "LISTEN_PID": .commandPid, "LISTEN_PIDFDID": .absent, "WATCHDOG_PID": .commandPid,
                "GODEBUG": Self.noMPTCP,
            ])
        for variables in [
            [:], ["LISTEN_PID": "77"], ["LISTEN_FDS": "2", "LISTEN_PID": "78", "LISTEN_PIDFDID": "9"],
            ["WATCHDOG_PID": "78"], ["WATCHDOG_PID": "", "LISTEN_FDS": "2", "LISTEN_PID": "x"],
        ] {
            #expect(Self.changes(variables) == ["GODEBUG": Self.noMPTCP], "\(variables)")
        }
    }

    @Test func `GODEBUG gets multipathtcp=0 beside other settings, and keeps a multipathtcp of its own`() {
        #expect(Self.changes(["GODEBUG": ""]) == ["GODEBUG": Self.noMPTCP])
        #expect(
            Self.changes(["GODEBUG": "http2client=0,x=1"]) == [
                "GODEBUG": .text("http2client=0,x=1,multipathtcp=0")
            ])
        for own in ["multipathtcp=1", "http2client=0,multipathtcp=2", "multipathtcp=0,x=1"] {
            #expect(Self.changes(["GODEBUG": own]).isEmpty, "\(own)")
        }
    }

    @Test func `an environment passes other variables byte for byte, with room for a pid in the changed ones`() throws {
        var inherited: [UnsafeMutablePointer<CChar>?] = ["A=\u{e9}=b", "LISTEN_PID=7", "GODEBUG=a=1"].map {
            (text: String) in
            strdup(text)
        }
        // Not UTF-8, and without a name.
        inherited.append(strdup("RAW=??"))
        inherited[3]![4] = CChar(bitPattern: 0xff)
        inherited += [strdup("odd"), nil]
        defer { inherited.forEach { free($0) } }
        let change = CommandEnvironment(pid: 7) { ["LISTEN_FDS": "1", "LISTEN_PID": "7", "GODEBUG": "a=1"][$0] }
        inherited.withUnsafeMutableBufferPointer { list in
            let block = EnvironmentBlock(list.baseAddress!, changedBy: change)
            #expect(block.entries.count == 6 && block.entries.last! == nil)
            #expect(Array(block.entries[..<3]) == [list[0], list[3], list[4]])
            #expect(String(cString: block.entries[3]!) == "GODEBUG=a=1,multipathtcp=0")
            let text = String(cString: block.entries[4]!)
            #expect(text.hasPrefix("LISTEN_PID=") && text.utf8.count == 11 + Int(RPA_PID_TEXT) - 1)
            #expect(block.pidTexts == [block.entries[4]! + 11, nil])
        }
    }

    private static func end(
        status: Int32 = 0, asked: Bool = false, collector: Bool = false, left: [Int32] = [812]
    ) -> CommandEnd {
        CommandEnd(
            status: status, wasAskedToEnd: asked, wasCollector: collector,
            left: left.map { .init(pid: $0, name: "nfacctd") })
    }

    @Test func `a command went to the background if it ended well by itself, unregistered, and left a process`() {
        #expect(Self.end().wentToBackground)
        #expect(!Self.end(status: 1 << 8).wentToBackground && !Self.end(status: SIGTERM).wentToBackground)
        #expect(!Self.end(asked: true).wentToBackground)
        #expect(!Self.end(collector: true).wentToBackground)
        #expect(!Self.end(left: []).wentToBackground)
    }

    @Test func `a command that went to the background is named with what it left, its fate and the remedy`() {
        let failure = Self.end().failure(of: "nfacctd", .terminated)
        #expect(failure.exitCode == 4)
        #expect(
            "\(failure)" == "cannot supervise nfacctd: it went to the background: its first process ended with exit "
                + "code 0 and left process 812 (nfacctd), which is terminated; start it in the foreground, without -D "
                + "or a similar option (pmacct: daemonize: false)")
        let left = "\(Self.end(left: [812, 813]).failure(of: "nfacctd", .unsupervised))"
        #expect(left.contains("left processes 812 (nfacctd), 813 (nfacctd), which are still running without"))
        #expect(left.contains("; end what is left; start it in the foreground"))
    }

    @Test func `what a command left gets SIGTERM once each, SIGKILL after 10 s, and is given up after 20 s`() {
        let start = ContinuousClock.now
        var ending = ProcessEnding(start: start)
        func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }
        func step(_ processes: [Int32], _ seconds: Double) -> ProcessEnding.Step {
            ending.step(processes, at: at(seconds))
        }
        #expect(step([5], 0) == .signal([5], kills: false, next: at(10)))
        // Its child, which lost its parent.
        #expect(step([5, 6], 1) == .signal([6], kills: false, next: at(10)))
        #expect(step([6], 2) == .signal([], kills: false, next: at(10)))
        #expect(step([6], 10) == .signal([6], kills: true, next: at(10) + .milliseconds(100)))
        #expect(step([], 11) == .ended)
        #expect(step([6], 20) == .failed)
    }

    @Test func `exec asks for a longer hold every 250 ms while exporters are held and sockets are missing`() {
        let start = ContinuousClock.now
        var requests = HoldRequests()
        func isDue(_ milliseconds: Int) -> Bool { requests.takeDue(at: start + .milliseconds(milliseconds)) }
        #expect(!isDue(0))
        requests.isHeld = true
        #expect(!isDue(0))
        requests.isIncomplete = true
        #expect(isDue(0))
        #expect(!isDue(249))
        #expect(isDue(250))
        requests.noteRefusal(at: start + .seconds(1))
        #expect(!isDue(60_000))
        #expect(isDue(61_000))
        requests.isHeld = false
        #expect(!isDue(90_000))
    }

    @Test func `a replaced process has read its queues when they stay empty for 250 ms, and is named once after 30 s`()
    {
        let start = ContinuousClock.now
        var policy = QueueWaitPolicy(start: start)
        var full = DrainProgress()
        full.queuedBytes = 512
        func step(_ progress: DrainProgress, _ seconds: Double) -> QueueWaitPolicy.Step {
            policy.step(progress, at: start + .seconds(seconds))
        }
        #expect(step(full, 0) == .wait(.milliseconds(10), reports: false))
        #expect(step(DrainProgress(), 1) == .wait(.milliseconds(100), reports: false))
        #expect(step(full, 1.2) == .wait(.milliseconds(100), reports: false))
        #expect(step(full, 30) == .wait(.milliseconds(100), reports: true))
        #expect(step(full, 60) == .wait(.milliseconds(100), reports: false))
        #expect(step(DrainProgress(), 61) == .wait(.milliseconds(100), reports: false))
        #expect(step(DrainProgress(), 61.24) == .wait(.milliseconds(100), reports: false))
        #expect(step(DrainProgress(), 61.25) == .empty)
    }
}

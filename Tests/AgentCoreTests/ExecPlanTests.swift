import CBPFShim
import Glibc
import PoolModel
import SockArrayCore
import Testing

@testable import AgentCore

/// What `exec` reports, when it retries and which signals it forwards: decided without a process.
@Suite struct ExecPlanTests {
    private static let start = ContinuousClock.now
    private static let half = RegistrationOutcome.incomplete(
        Failure(.unfitSocket, act: "register c1", cause: "half", remedy: "wait"))
    private static let noAgent = RegistrationOutcome(
        Failure(.absent, act: "register c1", cause: "no agent answers", errno: ENOENT, remedy: "start it"))

    private static func refused(_ cause: String) -> RegistrationOutcome {
        RegistrationOutcome(Failure(.conflict, act: "register c1", cause: cause, remedy: "look"))
    }

    private static func registered(changed: Bool) throws -> RegistrationOutcome {
        let text = "{\"changed\":\(changed),\"slot\":0,\"groups\":[\"ipfix\",\"bmp\"]}"
        return .registered(try JSON.decode(RegistrationChange.self, from: Array(text.utf8)), pid: 812)
    }

    private var retryPolicy = RegistrationRetryPolicy(collector: "c1", agentPath: "/a.sock", start: Self.start)

    private mutating func note(_ outcome: RegistrationOutcome, after seconds: Double = 0) -> (String?, Duration) {
        let (line, pause) = retryPolicy.note(outcome, at: Self.start + .seconds(seconds))
        return (line, pause)
    }

    @Test mutating func `a registration is logged once and then checked every 5 s without a message`() throws {
        #expect(
            note(try Self.registered(changed: true))
                == ("c1 is registered: groups ipfix, bmp, process 812", .seconds(5)))
        for _ in 0..<3 { #expect(note(try Self.registered(changed: false)) == (nil, .seconds(5))) }
        let text = note(try Self.registered(changed: true)).0
        #expect(text?.hasPrefix("c1 is registered again: groups ipfix, bmp") == true)
    }

    @Test
    mutating func `an incomplete collector is looked for every 20 ms for 30 s, then named once and tried every 200 ms`()
    {
        #expect(note(Self.half, after: 1) == (nil, .milliseconds(20)))
        #expect(note(Self.half, after: 29.9) == (nil, .milliseconds(20)))
        #expect(note(Self.half, after: 30) == ("cannot register c1: half; wait", .milliseconds(200)))
        #expect(note(Self.half, after: 31) == (nil, .milliseconds(200)))
    }

    @Test mutating func `a collector that becomes incomplete is looked for every 20 ms, and named after 2 s`() throws {
        _ = note(try Self.registered(changed: true), after: 100)
        #expect(note(Self.half, after: 105) == (nil, .milliseconds(20)))
        #expect(note(Self.half, after: 106.9) == (nil, .milliseconds(20)))
        #expect(note(Self.half, after: 107) == ("cannot register c1: half; wait", .milliseconds(20)))
        #expect(note(Self.half, after: 134) == (nil, .milliseconds(20)))
        #expect(note(Self.half, after: 135) == (nil, .milliseconds(200)))
        #expect(note(try Self.registered(changed: true)).0?.hasPrefix("c1 is registered again") == true)
    }

    @Test mutating func `a collector that binds anew within 2 s is registered again, without an error before`() throws {
        _ = note(try Self.registered(changed: true), after: 100)
        #expect(note(Self.half, after: 105).0 == nil && note(Self.half, after: 106).0 == nil)
        #expect(note(try Self.registered(changed: true), after: 106.5).0?.hasPrefix("c1 is registered again") == true)
    }

    @Test mutating func `sockets that close after a signal to end are no error for 30 s, nor is a refusal`() throws {
        _ = note(try Self.registered(changed: true), after: 100)
        retryPolicy.noteEndRequest(at: Self.start + .seconds(104))
        #expect(note(try Self.registered(changed: false), after: 104.5).0 == nil)
        #expect(note(Self.refused("half closed"), after: 105).0 == nil)
        #expect(note(Self.half, after: 106) == (nil, .milliseconds(20)))
        #expect(note(Self.half, after: 133.9).0 == nil)
        #expect(note(Self.half, after: 136).0 == "cannot register c1: half; wait")
    }

    @Test mutating func `a command that doesn't heed the signal is named as before once it has registered anew`() throws
    {
        _ = note(try Self.registered(changed: true), after: 100)
        retryPolicy.noteEndRequest(at: Self.start + .seconds(104))
        #expect(retryPolicy.isEnding)
        _ = note(try Self.registered(changed: true), after: 110)
        #expect(!retryPolicy.isEnding && note(Self.half, after: 150).0 == nil)
        #expect(note(Self.half, after: 152).0 == "cannot register c1: half; wait")
    }

    @Test mutating func `a registration in place of another process names that process`() {
        let predecessor = RegistrationChange.Predecessor(process: ProcessIdentity(pid: 7, startTime: 1), cookies: [3])
        let change = RegistrationChange(changed: true, slot: 0, groups: ["ipfix"], predecessor: predecessor)
        #expect(
            note(.registered(change, pid: 812)).0
                == "c1 is registered: groups ipfix, process 812, in place of process 7")
    }

    @Test
    mutating func `an unreachable agent is logged once; retries start at 50 ms to 1 s, at 200 ms once it has answered`()
        throws
    {
        let first = note(Self.noAgent)
        #expect(first.0 == "waiting for the agent at /a.sock: cannot register c1: no agent answers (ENOENT)")
        var pauses = [first.1]
        for _ in 0..<6 {
            let (line, pause) = note(Self.noAgent)
            #expect(line == nil)
            pauses.append(pause)
        }
        #expect(pauses == [50, 100, 200, 400, 800, 1_000, 1_000].map { .milliseconds($0) })
        #expect(note(try Self.registered(changed: true)).0?.hasPrefix("c1 is registered: ") == true)
        #expect(note(Self.noAgent).1 == .milliseconds(200))
        #expect(note(Self.noAgent) == (nil, .milliseconds(200)))
        #expect(note(try Self.registered(changed: false)).0?.hasPrefix("c1 is registered as before: ") == true)
    }

    @Test mutating func `a refusal is logged when its text changes, and retried every second`() {
        #expect(note(Self.refused("a")) == ("cannot register c1: a; look", .seconds(1)))
        #expect(note(Self.refused("a")) == (nil, .seconds(1)))
        #expect(note(Self.refused("b")) == ("cannot register c1: b; look", .seconds(1)))
    }

    @Test func `signals of the terminal to the whole process group aren't forwarded; all others are`() {
        let sharing = SignalForwarding(leadsSession: false, sharesGroup: true, command: 9)
        for signal in [SIGINT, SIGQUIT, SIGTSTP, SIGWINCH, SIGHUP, SIGCONT] {
            #expect(!sharing.forwards(signal, fromKernel: true, sender: 0))
            #expect(sharing.forwards(signal, fromKernel: false, sender: 1))
            #expect(!sharing.forwards(signal, fromKernel: false, sender: 9))
        }
        let apart = SignalForwarding(leadsSession: false, sharesGroup: false, command: 9)
        #expect(apart.forwards(SIGINT, fromKernel: true, sender: 0))
        let leading = SignalForwarding(leadsSession: true, sharesGroup: true, command: 9)
        #expect(leading.forwards(SIGHUP, fromKernel: true, sender: 0))
        #expect(!leading.forwards(SIGINT, fromKernel: true, sender: 0))
        for signal in [SIGTERM, SIGUSR1, SIGUSR2] { #expect(apart.forwards(signal, fromKernel: false, sender: 0)) }
        #expect(!apart.forwards(SIGCHLD, fromKernel: true, sender: 9))
        #expect(sharing.stopsItself(SIGTSTP, fromKernel: true) && !sharing.stopsItself(SIGTSTP, fromKernel: false))
    }

    @Test func `a request to extend a hold names its collector`() throws {
        let text = #"{"extend_hold":{"collector":"c1"}}"#
        let request = try JSON.decode(ControlRequest.self, from: Array(text.utf8))
        #expect(request == .extendHold(collector: "c1") && request.collector == "c1")
    }

    @Test func `a request without has_owner, from an older command, has no owner`() throws {
        let text = #"{"register":{"collector":"c1","labels":["fd 3"]}}"#
        #expect(
            try JSON.decode(ControlRequest.self, from: Array(text.utf8)) == .register(collector: "c1", labels: ["fd 3"])
        )
        let whole = ControlRequest.register(collector: "c1", labels: ["fd 3"], hasOwner: true)
        #expect(try JSON.decode(ControlRequest.self, from: JSON.encode(whole)) == whole)
    }

    @Test func `a passed pidfd names its process while that lives; another descriptor is refused`() throws {
        let own = try WatchedProcess(Descriptor(owning: rpa_pidfd_open(getpid())))
        #expect(own.identity != nil && own.identity == ProcessIdentity(pid: getpid()))
        var child: pid_t = 0
        let arguments = [strdup("true"), nil]
        defer { free(arguments[0]) }
        #expect(posix_spawnp(&child, "true", nil, nil, arguments, environ) == 0)
        let descriptor = Descriptor(owning: rpa_pidfd_open(child))
        waitpid(child, nil, 0)
        #expect(try WatchedProcess(descriptor).identity == nil)
        let file = Descriptor(owning: open("/dev/null", O_RDONLY | O_CLOEXEC))
        do {
            _ = try WatchedProcess(file)
            Issue.record("/dev/null was taken for a process")
        } catch {
            #expect(error.errno == EBADF)
        }
    }
}

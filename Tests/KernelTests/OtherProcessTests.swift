import CBPFShim
import Glibc
import PoolModel
import SockArrayCore
import TelemetryLab
import Testing

@Suite(.serialized, .enabled(if: Privilege.isThere, "needs root: namespaces")) struct OtherProcessTests {
    @Test func `a pidfd of a process that has ended names nobody, even if its pid is in use again`() async throws {
        try await Sandbox.run { sandbox in
            let first = try ChildProcess(["sleep", "600"], in: sandbox)
            let held = OtherProcess(pid: first.pid, pidfd: Descriptor(owning: rpa_pidfd_open(first.outerPid)))
            let (identity, user) = (held.identity, held.user)
            #expect(identity != nil && identity == ProcessIdentity(pid: first.pid) && user == 0)
            first.send(SIGKILL)
            #expect(waitUntil(.seconds(5)) { held.user == nil })
            try first.wait()
            // The next process of the namespace gets the pid.
            let second = try ChildProcess(
                ["sh", "-c", "echo \(first.pid - 1) > /proc/sys/kernel/ns_last_pid; sleep 600 & wait"], in: sandbox)
            #expect(waitUntil(.seconds(5)) { ProcessFacts.parent(of: first.pid) == second.pid })
            #expect(ProcessIdentity(pid: first.pid) != nil && ProcessFacts.user(of: first.pid) == 0)
            let (laterIdentity, laterUser) = (held.identity, held.user)
            #expect(laterIdentity == nil && laterUser == nil)
            var refusal: KernelError?
            do throws(KernelError) { _ = try held.sockets { _ in true } } catch { refusal = error }
            #expect(refusal?.errno == ESRCH)
        }
    }
}

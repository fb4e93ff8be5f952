import PoolModel
import Testing

@Suite struct RecognitionTests {
    private static func command(_ pattern: String, _ arguments: [String]) throws -> Bool {
        Recognition.command(try CommandPattern(pattern), user: nil)
            .matches(ProcessDescription(pid: 7, user: 0, commandLine: arguments))
    }

    @Test(arguments: [
        ("nfacctd", true), ("/usr/sbin/nfacctd", true), ("sbin/nfacctd", true), ("nfacct", false), ("facctd", false),
        ("nfacctd -f", true), ("nfacctd -f /etc/pmacct/c1.conf", true), ("-f /etc/pmacct/c1.conf -d", true),
        ("/usr/sbin/nfacctd -f /etc/pmacct/c1.conf -d", true), ("c1.conf", true), ("pmacct/c1.conf", true),
        ("c1", false), ("1.conf", false), ("c1.con", false), ("/etc/pmacct", false), ("nfacctd -f c1.conf", false),
        ("nfacctd  -f", false), ("-d", true), ("d", false), ("nfacctd -d", false),
        ("nfacctd -f /etc/pmacct/c1.conf -d x", false),
    ])
    func `a command without wildcards matches whole words; the folders before the first may be missing`(
        pattern: String, matches: Bool
    ) throws {
        #expect(try Self.command(pattern, ["/usr/sbin/nfacctd", "-f", "/etc/pmacct/c1.conf", "-d"]) == matches)
    }

    @Test(arguments: [
        ("*nfacctd*", true), ("nfacctd*", false), ("*nfacctd", false), ("*/nfacctd -f */c?.conf", true),
        ("*/nfacctd -f */c?.con", false), ("/usr/sbin/nfacctd -f /etc/pmacct/c1.conf*", true),
        ("/usr/sbin/nfacctd -f /etc/pmacct/c1.conf?", false), ("*-f*c1*", true), ("*c2*", false),
        ("****1.conf", true), ("*a*a*a*a*a*", false), ("?usr?sbin?nfacctd*", true), ("*c1.conf*c1.conf*", false),
    ])
    func `a pattern with wildcards must match the whole command line`(pattern: String, matches: Bool) throws {
        #expect(try Self.command(pattern, ["/usr/sbin/nfacctd", "-f", "/etc/pmacct/c1.conf"]) == matches)
    }

    @Test func `odd command lines match as defined: none, empty, with spaces, newlines or non-ASCII text`() throws {
        #expect(try !Self.command("?*x", []))
        #expect(try !Self.command("kworker", []))
        #expect(try !Self.command("a", [""]))
        #expect(try Self.command("a", ["", "a", ""]))
        #expect(try Self.command("my collector", ["/opt/my collector", "--all"]))
        #expect(try Self.command("collector", ["/opt/my collector", "--all"]))
        #expect(try Self.command("-c*select", ["-c\nselect"]))
        #expect(try Self.command("sh -c a\nb", ["/bin/sh", "-c", "a\nb", "c"]))
        #expect(try !Self.command("b", ["sh", "-c", "a\nb"]))
        #expect(try Self.command("zürich?", ["zürich1"]))
        #expect(try Self.command("nfacctd: Core Process [c1]", ["nfacctd: Core Process [c1]"]))
        #expect(try !Self.command("nfacctd: Core Process [c1]", ["nfacctd: Core Process [c11]"]))
        #expect(try !Self.command("nfacctd: Core Process [c1]", ["nfacctd: Print Plugin [c1]"]))
    }

    @Test func `1,024 stars and letters against 32 KiB take no exponential time`() throws {
        let pattern = Recognition.command(try CommandPattern(String(repeating: "*a", count: 500) + "b"), user: nil)
        let process = ProcessDescription(pid: 7, user: 0, commandLine: [String(repeating: "a", count: 32_768)])
        let time = ContinuousClock().measure { #expect(!pattern.matches(process)) }
        #expect(time < .seconds(20), "\(time)")
    }

    @Test func `patterns are refused if empty, with spaces around, over 1,024 bytes or only wildcards`() {
        for text in ["", " a", "a ", "\na", String(repeating: "a", count: 1_025)] {
            #expect(throws: CommandPattern.Problem.spelling) { try CommandPattern(text) }
        }
        for text in ["*", "?", "* *", "?*?"] {
            #expect(throws: CommandPattern.Problem.matchesAll) { try CommandPattern(text) }
        }
    }

    @Test(arguments: [
        ("nfacctd@c1.service", "/system.slice/system-nfacctd.slice/nfacctd@c1.service", true),
        ("nfacctd@c1", "/system.slice/system-nfacctd.slice/nfacctd@c1.service", true),
        ("nfacctd@c1", "/system.slice/system-nfacctd.slice/nfacctd@c1.service/worker", true),
        ("nfacctd@c1", "/system.slice/system-nfacctd.slice/nfacctd@c11.service", false),
        ("nfacctd@c1", "/system.slice/system-nfacctd.slice/xnfacctd@c1.service", false),
        ("nfacctd@c1", "/user.slice/user-1000.slice/user@1000.service/app.slice/nfacctd@c1.service", false),
        ("app.slice", "/user.slice/user-1000.slice/user@1000.service/app.slice/nfacctd@c1.service", false),
        ("user@1000", "/user.slice/user-1000.slice/user@1000.service/app.slice/nfacctd@c1.service", true),
        ("user-1000.slice", "/user.slice/user-1000.slice/user@1000.service/init.scope", true),
        ("session-3.scope", "/user.slice/user-1000.slice/session-3.scope", true),
        ("nfacctd", "/system.slice/user@home.slice/nfacctd.service", true),
        ("nfacctd", "/system.slice/nfacctd@c1.service", false), ("c1", "/", false), ("c1", "", false),
        (#"net-flow@edge\x2d1"#, #"/system.slice/net-flow@edge\x2d1.service"#, true),
        (#"net-flow@edge\x2d1"#, "/system.slice/net-flow@edge-1.service", false),
        ("docker-12ab.scope", "/system.slice/docker-12ab.scope", true),
        ("collect.slice", "/collect.slice/a.service", true),
        // cg_escape() of systemd.
        ("cpu", "/system.slice/_cpu.service", true), ("_c1", "/system.slice/__c1.service", true),
        ("_c1", "/system.slice/_c1.service", false), ("service", "/system.slice/service.service", true),
    ])
    func `a unit is a component of the control group's path, before that of a user's manager`(
        name: String, path: String, matches: Bool
    ) throws {
        let recognition = Recognition.unit(try UnitName(name))
        let process = ProcessDescription(pid: 7, user: 0, cgroups: ["/", path])
        #expect(recognition.matches(process) == matches)
    }

    @Test func `unit names that are templates, of other types, with other letters or of 256 bytes are refused`() {
        #expect(throws: UnitName.Problem.template) { try UnitName("nfacctd@") }
        #expect(throws: UnitName.Problem.template) { try UnitName("nfacctd@.service") }
        #expect(throws: UnitName.Problem.type("timer")) { try UnitName("a.timer") }
        for text in ["", "a b", "a/b", "ä", "@a", String(repeating: "a", count: 248)] {
            #expect(throws: UnitName.Problem.spelling) { try UnitName(text) }
        }
        #expect(throws: Never.self) { try UnitName(String(repeating: "a", count: 247)) }
    }

    @Test func `command and user must both match; a user alone matches all its processes, a pid file none`() throws {
        let process = ProcessDescription(pid: 7, user: 1_000, commandLine: ["collect", "c1"], cgroups: ["/"])
        let pattern = try CommandPattern("c1")
        #expect(Recognition.command(pattern, user: nil).matches(process))
        #expect(Recognition.command(pattern, user: 1_000).matches(process))
        #expect(!Recognition.command(pattern, user: 1_001).matches(process))
        #expect(!Recognition.command(try CommandPattern("c2"), user: 1_000).matches(process))
        #expect(Recognition.user(1_000).matches(process))
        #expect(!Recognition.user(0).matches(process))
        #expect(!Recognition.pidFile("/run/c1.pid").matches(process))
    }

    @Test func `the ancestor of all others comes first, for any pids and any processes between`() {
        // 50 → 9 → 20 → 60: 9 is a shell that doesn't match. 70 is 1's.
        let parents: [Int32: Int32] = [50: 1, 9: 50, 20: 9, 60: 20, 70: 1, 1: 0]
        #expect(Recognition.ancestorsFirst([60, 20, 50]) { parents[$0] } == [50, 20, 60])
        #expect(Recognition.ancestorsFirst([20, 50, 70, 10]) { parents[$0] } == [50, 10, 70, 20])
        #expect(Recognition.ancestorsFirst([]) { parents[$0] } == [])
        #expect(Recognition.ancestorsFirst([3, 4]) { [3: 4, 4: 3][$0] } == [3, 4], "a circle ends")
    }
}

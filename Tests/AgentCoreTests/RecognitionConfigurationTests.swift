import PoolModel
import Testing

@testable import AgentCore

/// The keys that name a collector's process.
@Suite struct RecognitionConfigurationTests {
    @Test func `a collector is recognized by unit, pid file, command, user, or command and user`() throws {
        let read = try ConfigurationText.read(
            """
            pool: edge
            collectors:
              - {name: c1, unit: nfacctd@c1}
              - {name: c2, pid_file: /run/nfacctd-c2.pid, weight: 2}
              - {name: c3, command: "nfacctd: Core Process [c3]"}
              - {name: c4, user: nobody}
              - {name: c5, user: 1005, command: "*/collect --name=c5 *"}
            \(ConfigurationText.groups)
            """)
        #expect(
            read.collectors.map(\.recognition) == [
                .unit(try UnitName("nfacctd@c1.service")), .pidFile("/run/nfacctd-c2.pid"),
                .command(try CommandPattern("nfacctd: Core Process [c3]"), user: nil), .user(65_534),
                .command(try CommandPattern("*/collect --name=c5 *"), user: 1_005),
            ])
        #expect(read.collectors[1].weight == 2)
    }

    @Test(arguments: [
        (
            "unit: a, command: b",
            "edge.yaml:4:34: collector c2 has unit and command, and unit must stand alone; keep one of them"
        ),
        ("unit: a, pid_file: /b", "has unit and pid_file"), ("unit: a, user: root", "has unit and user"),
        ("pid_file: /b, user: root", "has pid_file and user"), ("pid_file: /b, command: c", "has pid_file and command"),
        ("pid_file: b", "pid_file b is not an absolute path"), ("unit: \"\"", "unit \"\" is not the name of a unit"),
        ("unit: a/b", "unit \"a/b\" is not the name of a unit; write it like nfacctd@c1.service"),
        ("unit: nfacctd@.service", "is a template, and a process runs only in an instance"),
        ("unit: nfacctd.socket", "is a socket, in which no process runs; name the service, scope or slice"),
        ("command: \"\"", "command \"\" is empty"), ("command: \" a\"", "has spaces around it"),
        (
            "command: \"*\"",
            "command * matches every process; write a part of the command line that only this collector has"
        ),
        ("command: \"?* *\"", "matches every process"), ("command: [a]", "command is not a single value"),
        ("user: no-such-user", "there is no user no-such-user"), ("unti: a", "has no key unti; write unit"),
        (
            "unit: c1.service",
            "collectors c1 and c2 are both recognized by unit c1.service; give each a key that matches only"
        ),
        ("user: ~", "user has no value"),
    ])
    func `a wrong recognition is refused`(keys: String, message: String) throws {
        let text =
            "pool: edge\ncollectors:\n  - {name: c1, unit: c1}\n  - {name: c2, \(keys)}\n\(ConfigurationText.groups)"
        let failure = try #require(throws: Failure.self) { _ = try ConfigurationText.read(text) }
        #expect(failure.description.contains(message), "\(failure)")
        #expect(failure.description.contains("edge.yaml:4"), "\(failure)")
    }

    @Test func `two collectors with the same recognition are refused; with different users they are not`() throws {
        func read(_ first: String, _ second: String) throws(Failure) -> PoolConfiguration {
            try ConfigurationText.read(
                "pool: edge\ncollectors:\n  - {name: a, \(first)}\n  - {name: b, \(second)}\n\(ConfigurationText.groups)"
            )
        }
        for same in ["pid_file: /run/a.pid", "command: a", "user: 1000", "command: a, user: 1000"] {
            let failure = try #require(throws: Failure.self) { _ = try read(same, same) }
            #expect(failure.description.contains("edge.yaml:4:5: collectors a and b are both recognized by"))
        }
        let nobody = try #require(throws: Failure.self) { _ = try read("user: nobody", "user: 65534") }
        #expect(nobody.description.contains("both recognized by user 65534"))
        #expect(try read("command: a, user: 1000", "command: a, user: 1001").collectors.count == 2)
        #expect(try read("command: a", "command: a, user: 1000").collectors.count == 2)
    }
}

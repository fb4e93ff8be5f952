import Glibc
import TelemetryLab
import Testing

@testable import AgentCore

@Suite struct FileTests {
    @Test(arguments: [("/run/a/b", "/run/a"), ("/run", "/"), ("/", "/"), ("state", "/")])
    func `the folder of a path`(path: String, folder: String) { #expect(DirectoryPath.of(path) == folder) }
}

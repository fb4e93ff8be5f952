import CLabShim
import Glibc
import TelemetryLab
import Testing

/// The program that these tests run: built beside them.
enum AgentUnderTest {
    static let program: String = {
        let bundle = String(cString: lab_executed_path())
        return String(bundle[..<(bundle.lastIndex(of: "/") ?? bundle.startIndex)] + "/reuseport-agent")
    }()

    /// With CI=true what is missing is a failure: the tests run, and fail.
    static let mustRun = getenv("CI").map { String(cString: $0) } == "true"
    static var hasPrivilege: Bool {
        precondition(access(program, X_OK) == 0, "\(program) is not built")
        return geteuid() == 0 || mustRun
    }
    static var hasChromium: Bool { hasPrivilege && (Browser.isInstalled || mustRun) }
    static var hasNfacctd: Bool { hasPrivilege && (NfacctdCollector.isInstalled || mustRun) }
}

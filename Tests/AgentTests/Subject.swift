import Glibc
import SockArrayCore
import TelemetryLab
import Testing

/// The program that these tests run: built beside them.
enum Subject {
    static let program: String = {
        var buffer = [CChar](repeating: 0, count: 4_096)
        let length = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        let path = String(decoding: buffer.prefix(max(0, length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let beside = path[..<(path.lastIndex(of: "/") ?? path.startIndex)] + "/reuseport-agent"
        return String(beside)
    }()

    /// With CI=true what is missing is a failure: the tests run, and fail.
    static let mustRun = getenv("CI").map { String(cString: $0) } == "true"
    static var hasPrivilege: Bool {
        // Asked outside of any sandbox, where /proc/self is ours: the place to find it.
        precondition(access(program, X_OK) == 0, "\(program) is not built")
        return geteuid() == 0 || mustRun
    }
    static var hasChromium: Bool { hasPrivilege && (Browser.isInstalled || mustRun) }
    static var hasNfacctd: Bool { hasPrivilege && (NfacctdCollector.isInstalled || mustRun) }
}

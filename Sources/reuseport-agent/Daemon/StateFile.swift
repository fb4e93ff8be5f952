import Glibc
import SockArrayCore

/// What the agent was told at run time and keeps over its restarts: pins that
/// `plan --rebalance --apply` made. One JSON object, replaced as a whole.
struct StateFile {
    let path: String
    let pool: String

    private struct Content: Codable {
        static let version = 1
        var version: Int
        var pool: String
        var pins: [Pin]
    }

    private static let sizeLimit = 64 << 20

    /// The pins; none where there is no file. A file that can't be used is set
    /// aside, and `report` told so.
    func read(report: (String) -> Void) -> [Pin] {
        let number = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard number >= 0 else {
            if errno != ENOENT {
                report("state file \(path) could not be opened (\(errnoName)): no pins are taken from it")
            }
            return []
        }
        let file = Descriptor(owning: number)
        guard let bytes = Self.content(of: file) else {
            report("state file \(path) could not be read: no pins are taken from it")
            return []
        }
        do {
            let content = try JSON.decode(Content.self, from: bytes)
            if content.version == Content.version, content.pool == pool { return content.pins }
            setAside(
                "is of version \(content.version) and pool \(content.pool), not \(Content.version) and \(pool)", report)
        } catch {
            setAside("is not whole", report)
        }
        return []
    }

    /// Replaces the file at once: after a crash there is the old or the new one.
    func write(_ pins: [Pin], act: String) throws(Failure) {
        func failure(_ cause: String) -> Failure {
            Failure(
                .privilege, act: act, cause: cause, errno: errno,
                remedy: "make \(folder) writable for the agent, or set state_file in its configuration")
        }
        makeFolder()
        guard let bytes = try? JSON.encode(Content(version: Content.version, pool: pool, pins: pins), pretty: true)
        else { fatalError("pins are plain text") }
        let temporary = path + ".new"
        let number = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard number >= 0 else { throw failure("\(temporary) could not be made") }
        let file = Descriptor(owning: number)
        var written = 0
        while written < bytes.count {
            let length = bytes[written...].withUnsafeBytes { Glibc.write(file.number, $0.baseAddress, $0.count) }
            guard length > 0 else {
                let failure = failure("\(temporary) could not be written")
                unlink(temporary)
                throw failure
            }
            written += length
        }
        guard fsync(file.number) == 0, rename(temporary, path) == 0 else {
            throw failure("\(path) could not be replaced")
        }
    }

    private func setAside(_ cause: String, _ report: (String) -> Void) {
        let other = path + ".unusable"
        if rename(path, other) == 0 {
            report("state file \(path) \(cause): it was set aside as \(other), and no pins are taken from it")
        } else {
            report("state file \(path) \(cause), and could not be set aside (\(errnoName)): no pins are taken from it")
        }
    }

    private var folder: String { path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "/" }
    private var errnoName: String { ErrnoName.of(errno) }

    private func makeFolder() {
        var made = ""
        for part in folder.split(separator: "/") {
            made += "/\(part)"
            mkdir(made, 0o755)
        }
    }

    /// Nil: not a regular file, too large, or unreadable.
    private static func content(of file: borrowing Descriptor) -> [UInt8]? {
        var facts = stat()
        guard fstat(file.number, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG, facts.st_size <= sizeLimit else {
            return nil
        }
        var bytes = [UInt8](repeating: 0, count: Int(facts.st_size))
        var filled = 0
        while filled < bytes.count {
            let length = bytes[filled...].withUnsafeMutableBytes { Glibc.read(file.number, $0.baseAddress, $0.count) }
            guard length >= 0 else { return nil }
            if length == 0 { break }
            filled += length
        }
        return Array(bytes[..<filled])
    }
}

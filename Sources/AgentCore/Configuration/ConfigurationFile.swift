import Glibc
import PoolModel
import SockArrayCore

extension PoolConfiguration {
    /// Maximum size of a configuration file, in bytes: 100,000 exporters need about 10 MB.
    static let fileLimit = 16 << 20

    /// Reads and checks a configuration file, without side effects.
    ///
    /// - Throws: `.usage` with file, line, cause and remedy.
    package static func load(path: String) throws(Failure) -> PoolConfiguration {
        let act = "read the configuration \(path)"
        func unreadable(_ cause: String, _ number: Int32? = nil, _ remedy: String) -> Failure {
            Failure(.usage, act: act, cause: cause, errno: number, remedy: remedy)
        }
        let number = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard number >= 0 else {
            if let failure = Failure.openFiles(act: act, errno: errno) { throw failure }
            throw unreadable("it could not be opened", errno, "give the path of a readable YAML file with --config")
        }
        let file = Descriptor(owning: number)
        var facts = stat()
        guard fstat(file.number, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
            throw unreadable("it is not a regular file", nil, "give the path of a YAML file with --config")
        }
        guard facts.st_size <= fileLimit else {
            throw unreadable(
                "it has \(facts.st_size) bytes, more than \(fileLimit)", nil,
                "give the agent's configuration, which is a short YAML file")
        }
        var bytes = [UInt8](repeating: 0, count: Int(facts.st_size))
        var filled = 0
        while filled < bytes.count {
            let length = bytes[filled...].withUnsafeMutableBytes { Glibc.read(file.number, $0.baseAddress, $0.count) }
            guard length >= 0 else { throw unreadable("it could not be read", errno, "check the file system") }
            if length == 0 { break }
            filled += length
        }
        // Editors on other systems write a byte order mark before the text.
        let mark = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
        guard let text = String(validating: bytes[mark..<filled], as: UTF8.self) else {
            throw unreadable("it is not UTF-8 text", nil, "write it as UTF-8")
        }
        return try ConfigurationReader(text: text, file: path).read()
    }
}

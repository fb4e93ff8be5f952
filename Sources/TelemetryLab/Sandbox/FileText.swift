import Glibc
import SockArrayCore

/// Whole small files.
public enum FileText {
    public static func read(_ path: String) -> String? {
        let number = open(path, O_RDONLY | O_CLOEXEC)
        return number < 0 ? nil : read(Descriptor(owning: number))
    }

    public static func readBytes(_ path: String) -> [UInt8]? {
        let number = open(path, O_RDONLY | O_CLOEXEC)
        return number < 0 ? nil : readBytes(Descriptor(owning: number))
    }

    public static func write(_ text: String, to path: String) throws {
        let number = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        let file = Descriptor(owning: number)
        let bytes = Array(text.utf8)
        guard number >= 0, Glibc.write(file.number, bytes, bytes.count) == bytes.count else {
            throw LabError("cannot write \(path): errno \(errno)")
        }
    }

    /// Names in a folder, none if it can't be read.
    public static func names(in folder: String) -> [String] {
        Directory.names(in: folder).filter { !$0.hasPrefix(".") }
    }

    static func read(_ file: consuming Descriptor) -> String? {
        readBytes(file).map { String(decoding: $0, as: UTF8.self) }
    }

    private static func readBytes(_ file: consuming Descriptor) -> [UInt8]? {
        var text: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65_536)
        while true {
            let length = Glibc.read(file.number, &part, part.count)
            if length < 0 { return nil }
            if length == 0 { return text }
            text += part[..<length]
        }
    }
}

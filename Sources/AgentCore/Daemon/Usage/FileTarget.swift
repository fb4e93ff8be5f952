import Glibc
import SockArrayCore

/// Appends batches to a file, each exactly once: the file's own end tells how much of
/// a batch is there already.
enum FileTarget {
    /// May wait for the disk.
    ///
    /// - Parameters:
    ///   - batch: lines.
    ///   - looksAside: the batch may have been written by an agent before, and the file
    ///     renamed since: it is looked for in the files beside it whose names begin alike.
    /// - Returns: nil, or why it isn't all there; the next attempt goes on from there.
    static func append(_ batch: [UInt8], to path: String, looksAside: Bool) -> String? {
        if looksAside, let other = rotated(from: path, endingWith: batch) {
            return append(batch, to: other, looksAside: false)
        }
        func failed(_ what: String, _ number: Int32) -> String { "\(path) \(what) (\(ErrnoName.of(number)))" }
        let number = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0o640)
        guard number >= 0 else { return failed("could not be opened", errno) }
        let file = Descriptor(owning: number)
        var facts = stat()
        guard fstat(file.number, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
            return "\(path) is not a regular file"
        }
        let size = Int(facts.st_size)
        let tail: UsageTail
        do throws(KernelError) {
            tail = try Self.tail(of: file, size, before: batch)
        } catch {
            return failed("could not be read", error.errno)
        }
        if tail.torn > 0, ftruncate(file.number, off_t(size - tail.torn)) != 0 {
            return failed("could not be cut to whole lines", errno)
        }
        let end = tail.isForeign ? [UInt8(ascii: "\n")] : []
        let error = DurableFile.write(end + batch[tail.written...], to: file)
        guard error == 0 else { return failed("could not be written", error) }
        guard fsync(file.number) == 0 else { return failed("could not be written to the disk", errno) }
        // It may have been made just now.
        _ = DurableFile.settleFolder(of: path)
        return nil
    }

    /// More than a batch: what a crash left of a block.
    private static let margin = 64 << 10

    private static func tail(
        of file: borrowing Descriptor, _ size: Int, before batch: [UInt8]
    ) throws(KernelError) -> UsageTail {
        let start = max(0, size - batch.count - margin)
        return UsageTail(of: try DurableFile.read(file, from: start), isWholeFile: start == 0, before: batch)
    }

    /// A file that was this one, and ends with the batch or a part of it.
    private static func rotated(from path: String, endingWith batch: [UInt8]) -> String? {
        let folder = DirectoryPath.of(path)
        let name = path.dropFirst(folder == "/" ? 1 : folder.utf8.count + 1)
        for other in Directory.names(in: folder) where other != name && other.hasPrefix(name) {
            let number = open("\(folder)/\(other)", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
            guard number >= 0 else { continue }
            let file = Descriptor(owning: number)
            var facts = stat()
            guard fstat(file.number, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else { continue }
            if let tail = try? tail(of: file, Int(facts.st_size), before: batch), tail.written > 0 {
                return "\(folder)/\(other)"
            }
        }
        return nil
    }
}

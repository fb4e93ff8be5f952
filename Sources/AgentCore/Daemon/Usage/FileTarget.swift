import Glibc
import PoolModel
import SockArrayCore
import UsageExport

/// Appends batches to a file, each exactly once: the end of the file shows how much of a batch is
/// already there.
enum FileTarget {
    /// Appends the part of a batch that isn't in the file yet. May wait for the disk.
    ///
    /// - Parameters:
    ///   - batch: the batch as lines.
    ///   - looksAside: whether a previous agent may have written the batch, and the file may have been
    ///     renamed since. If so, the batch is also looked for in the files of the same folder whose
    ///     names start with the file's name.
    /// - Returns: nil, or why the batch isn't complete; the next attempt continues from there.
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
        // The file may be new.
        _ = DurableFile.settleFolder(of: path)
        return nil
    }

    /// Bytes to read beyond the batch: a crash may have left a part of a block.
    private static let margin = 64 << 10

    private static func tail(
        of file: borrowing Descriptor, _ size: Int, before batch: [UInt8]
    ) throws(KernelError) -> UsageTail {
        let start = max(0, size - batch.count - margin)
        return UsageTail(of: try DurableFile.read(file, from: start), isWholeFile: start == 0, before: batch)
    }

    /// The renamed file that ends with the batch or with a part of it; nil if there is none.
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

import CBPFShim
import Glibc
import PoolModel
import SockArrayCore
import UsageExport

/// Delivers the queue's first batch to the target, and repeats the attempt until it succeeds.
final class UsageDelivery {
    private enum Attempt {
        /// A thread reads the batch and, if the target is a file, appends it.
        case onDisk(BackgroundIO<Reading>, for: UsageSettings.Target)
        case child(ChildDelivery, for: UsageSettings.Target)
        /// The target has the batch, and the queue still does, too.
        case settling
    }

    /// The result of `onDisk`.
    private enum Reading: Sendable {
        /// The batch's file is missing or has no events.
        case nothing
        /// Appended to the file, or failed.
        case done(DeliveryVerdict)
        case forChild(arguments: [String], input: [UInt8])
    }

    var target: UsageSettings.Target
    private let store: UsageStore
    private var attempt: Attempt?
    private var backoff = DeliveryBackoff()
    /// A previous agent may have written this batch already.
    private var isFirst = true
    /// The time of the last delivery, in Unix seconds.
    private(set) var lastDelivery: Double?
    /// The error of the last attempt; nil if it succeeded.
    private(set) var error: String?
    /// Called with the outcome of each attempt.
    var report: (DeliveryVerdict) -> Void = { _ in }

    init(_ store: UsageStore, to target: UsageSettings.Target) {
        self.store = store
        self.target = target
    }

    var isBusy: Bool { attempt != nil }

    /// The work of the current attempt; nil while it waits for the queue.
    var work: (any PendingWork)? {
        switch attempt {
        case .onDisk(let job, _): job
        case .child(let child, _): child
        case .settling, nil: nil
        }
    }

    /// When the next attempt may start; nil if nothing waits, or during an attempt or a write of the queue.
    var nextAttempt: ContinuousClock.Instant? {
        isBusy || store.write != nil || store.queue.head == nil ? nil : backoff.next
    }

    /// - Parameter begins: whether a new attempt may start.
    func proceed(now: ContinuousClock.Instant, begins: Bool = true) {
        switch attempt {
        case .onDisk(let job, let target):
            guard let reading = job.take() else { return }
            attempt = nil
            proceed(after: reading, for: target, now: now, begins: begins && target == self.target)
        case .child(let child, let target):
            guard let (status, text) = child.proceed(now: now) else { return }
            end(target.verdict(status: status, text: text), now: now)
        case .settling: settle(now: now)
        case nil: if begins, store.write == nil, backoff.next <= now { begin() }
        }
    }

    /// Retries without a pause, because the target has changed or somebody may have fixed the problem. If
    /// an attempt is in progress, the retry follows it.
    func retryNow() { backoff.retryNow(isBusy: isBusy) }

    private func begin() {
        guard let head = store.queue.head else { return }
        let job = BackgroundIO { [folder = store.folder, target, looksAside = isFirst] () -> Reading in
            do throws(KernelError) {
                guard let lines = try folder.lines(of: head.number) else { return .nothing }
                return switch target {
                case .file(let path): .done(FileTarget.append(lines, to: path, looksAside: looksAside))
                case .command(let words): .forChild(arguments: words, input: lines)
                case .url(let url, let headers):
                    .forChild(arguments: UsagePost.arguments(url, headers: headers), input: UsagePost.body(lines))
                }
            } catch {
                return .done(.failed("\(folder.file(head.number)) can't be read (\(ErrnoName.of(error.errno)))"))
            }
        }
        attempt = .onDisk(job, for: target)
    }

    private func proceed(
        after reading: Reading, for target: UsageSettings.Target, now: ContinuousClock.Instant, begins: Bool
    ) {
        switch reading {
        case .nothing:
            guard let head = store.queue.head else { return }
            store.forget(head.number)
            let lost = "was removed or damaged by another program: its \(head.events) events are not delivered"
            end(.failed("\(store.folder.file(head.number)) \(lost)"), now: now)
        case .done(let verdict): end(verdict, now: now)
        case .forChild(let arguments, let input):
            // The target has nothing of the batch yet.
            guard begins else { return }
            do throws(KernelError) {
                attempt = .child(try ChildDelivery(arguments, input: input, now: now), for: target)
            } catch {
                end(.failed("\(error)"), now: now)
            }
        }
    }

    private func end(_ verdict: DeliveryVerdict, now: ContinuousClock.Instant) {
        attempt = nil
        switch verdict {
        case .delivered:
            attempt = .settling
            settle(now: now)
        case .failed(let text), .refused(let text):
            isFirst = true
            error = String(text.prefix(400))
            backoff.fail(isRefusal: verdict == .refused(text), now: now)
            report(verdict)
        }
    }

    private func settle(now: ContinuousClock.Instant) {
        guard store.write == nil else { return }
        store.settle { [unowned self] error in
            attempt = nil
            isFirst = false
            lastDelivery = WallClock.now
            // The target has the batch, and gets it again with the same keys.
            if let error {
                return end(.failed("the queue could not be written (\(ErrnoName.of(error.errno)))"), now: now)
            }
            backoff = DeliveryBackoff()
            self.error = nil
            report(.delivered)
        }
    }
}

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
    /// - Returns: `.delivered`, or why the batch isn't complete; the next attempt continues from there.
    static func append(_ batch: [UInt8], to path: String, looksAside: Bool) -> DeliveryVerdict {
        if looksAside, let other = rotated(from: path, endingWith: batch) {
            return append(batch, to: other, looksAside: false)
        }
        func failed(_ what: String, _ number: Int32) -> DeliveryVerdict {
            .failed("\(path) \(what) (\(ErrnoName.of(number)))")
        }
        let number = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0o640)
        guard number >= 0 else { return failed("could not be opened", errno) }
        let file = Descriptor(owning: number)
        let (tail, size): (UsageTail, Int)
        do throws(KernelError) {
            (tail, size) = try Self.tail(of: file, before: batch)
        } catch {
            return error.errno == EINVAL
                ? .failed("\(path) is not a regular file") : failed("could not be read", error.errno)
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
        return .delivered
    }

    /// Bytes to read beyond the batch: a crash may have left a part of a block.
    private static let margin = 64 << 10

    /// - Throws: EINVAL if it isn't a regular file.
    private static func tail(
        of file: borrowing Descriptor, before batch: [UInt8]
    ) throws(KernelError) -> (UsageTail, size: Int) {
        let count = batch.count + margin
        let (end, size) = try DurableFile.readEnd(of: file, count: count)
        return (UsageTail(of: end, isWholeFile: size <= count, before: batch), size)
    }

    /// The renamed file that ends with the batch or with a part of it; nil if there is none.
    private static func rotated(from path: String, endingWith batch: [UInt8]) -> String? {
        let folder = DirectoryPath.of(path)
        let name = path.dropFirst(folder == "/" ? 1 : folder.utf8.count + 1)
        for other in Directory.names(in: folder) where other != name && other.hasPrefix(name) {
            let number = open("\(folder)/\(other)", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
            guard number >= 0 else { continue }
            let file = Descriptor(owning: number)
            if let (tail, _) = try? tail(of: file, before: batch), tail.written > 0 { return "\(folder)/\(other)" }
        }
        return nil
    }
}

/// A command that reads a batch from its standard input, and reports success by exit code 0.
final class ChildDelivery: PendingWork {
    /// The process, which leads a process group.
    let pid: Int32
    private let process: Descriptor
    private let output: Descriptor
    /// The first 2,048 bytes of the command's output.
    private var said: [UInt8] = []
    /// When the command's process group is killed.
    private(set) var deadline: ContinuousClock.Instant?
    let refusal: Int32? = nil
    private let limit: Duration
    private var isReaped = false
    private var isClosed = false
    /// The command's limit of open files: select(2) can't handle more.
    private static let openFiles: UInt32 = 1_024

    /// - Throws: the errno of the failed system call; ENOENT if there is no such program.
    init(
        _ arguments: [String], input: [UInt8], now: ContinuousClock.Instant, limit: Duration = .seconds(60)
    ) throws(KernelError) {
        let inputFile = Descriptor(owning: try kernel("memfd_create", rpa_memory_file(input, input.count)))
        var writer: Int32 = -1
        output = Descriptor(owning: try kernel("pipe2", rpa_output_pipe(&writer)))
        let otherEnd = Descriptor(owning: writer)
        let argv = arguments.map { strdup($0) } + [nil]
        defer { argv.forEach { free($0) } }
        pid = try kernel(
            "execve \(arguments[0])", rpa_start_child(argv, inputFile.number, otherEnd.number, Self.openFiles))
        do throws(KernelError) {
            process = Descriptor(owning: try kernel("pidfd_open", rpa_pidfd_open(pid)))
        } catch {
            kill(-pid, SIGKILL)
            waitpid(pid, nil, 0)
            throw error
        }
        self.limit = limit
        deadline = now + limit
    }

    deinit {
        guard !isReaped else { return }
        kill(-pid, SIGKILL)
        waitpid(pid, nil, 0)
    }

    /// The end of the process and its output, which must be read because a full pipe blocks the command.
    var waits: [pollfd] {
        [pollfd(reading: process.number), pollfd(reading: isClosed ? nil : output.number)]
    }

    /// The wait status and the start of the output; nil while the command runs.
    func proceed(now: ContinuousClock.Instant) -> (status: Int32, text: String)? {
        listen()
        if let deadline, now >= deadline {
            self.deadline = nil
            kill(-pid, SIGKILL)
        }
        var status: Int32 = 0
        guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
        isReaped = true
        listen()
        let text = String(decoding: said, as: UTF8.self)
        return (status, deadline == nil ? "it was ended after \(limit)" : text)
    }

    private func listen() {
        var bytes = [UInt8](repeating: 0, count: 4_096)
        // A bound, for a command that never stops writing.
        for _ in 0..<64 where !isClosed {
            let length = read(output.number, &bytes, bytes.count)
            if length == 0 { isClosed = true }
            guard length > 0 else { return }
            said += bytes[..<min(length, max(0, 2_048 - said.count))]
        }
    }
}

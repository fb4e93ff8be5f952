import Glibc
import TelemetryLab

/// A disk of 256 KiB that can be full.
final class SmallDisk {
    let folder: String
    private var ballast: String { folder + "/ballast" }

    init(in sandbox: Sandbox) throws {
        folder = sandbox.folder + "/disk"
        mkdir(folder, 0o755)
        guard mount("none", folder, "tmpfs", 0, "size=256k") == 0 else {
            throw LabError("cannot mount a tmpfs: errno \(errno)")
        }
    }

    func fill() {
        let file = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        let zeros = [UInt8](repeating: 0, count: 1_024)
        while write(file, zeros, zeros.count) > 0 {}
        close(file)
    }

    func empty() { unlink(ballast) }
}

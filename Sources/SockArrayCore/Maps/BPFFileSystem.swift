import CBPFShim
import PoolModel

/// The file system that keeps maps and programs that no process has open.
enum BPFFileSystem {
    /// The standard mount point.
    static let standardMountPoint = "/sys/fs/bpf"

    /// Ensures that the folder can be made in a bpffs. If there is none, mounts one at the
    /// standard place.
    static func prepare(_ folder: String, act: String) throws(Failure) {
        if isMounted(at: folder) { return }
        let isStandard = folder == standardMountPoint || folder.hasPrefix(standardMountPoint + "/")
        let place = isStandard ? standardMountPoint : folder
        let remedy = "mount it as root: mkdir -p \(place) && mount -t bpf bpf \(place)"
        guard isStandard else {
            throw Failure(.privilege, act: act, cause: "no bpffs is mounted at or above \(folder)", remedy: remedy)
        }
        let source = Directory.target(ofLink: "/proc/self/ns/mnt").map(PinLifetime.source) ?? "bpf"
        let result = rpa_mount_bpffs(source, standardMountPoint)
        if result < 0 {
            throw Failure(
                .privilege, act: act, cause: "no bpffs is mounted at \(place), and it could not be mounted",
                errno: -result, remedy: remedy)
        }
    }

    /// Whether the nearest existing folder at or above the path is in a bpffs.
    static func isMounted(at folder: String) -> Bool {
        Directory.upward(from: folder).lazy.map { rpa_is_bpffs($0) }.first { $0 >= 0 } == 1
    }
}

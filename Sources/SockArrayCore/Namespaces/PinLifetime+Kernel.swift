import Glibc
import PoolModel

extension PinLifetime {
    /// Reads /proc. Changes nothing.
    ///
    /// - Parameter bpffs: folder of the pins, which may not exist yet.
    public static func probe(bpffs: String) -> PinLifetime {
        PinLifetime(
            Facts(
                device: BPFFileSystem.isMounted(at: bpffs) ? FileIdentity(nearest: bpffs)?.device : nil,
                standardMountPoint: BPFFileSystem.standardMountPoint,
                namespace: Directory.target(ofLink: "/proc/self/ns/mnt"),
                mounts: MountEntry.ofThisProcess(), hostMounts: MountEntry.ofHost()))
    }
}

extension MountEntry {
    static func ofThisProcess() -> [MountEntry] { read("self") ?? [] }

    /// Of the host's first process. Nil: this process isn't in the initial PID namespace, or may not see it.
    fileprivate static func ofHost() -> [MountEntry]? {
        guard Directory.target(ofLink: "/proc/self/ns/pid") == initialPIDNamespace else { return nil }
        let mounts = read("1")
        return mounts?.isEmpty == false ? mounts : nil
    }

    /// A host of many containers has thousands of mounts.
    private static func read(_ process: String) -> [MountEntry]? {
        SmallFile.read("/proc/\(process)/mountinfo", limit: 32 << 20).map(all)
    }

    /// PROC_PID_INIT_INO in the kernel's proc_ns.h.
    private static let initialPIDNamespace = "pid:[4026531836]"
}

/// A file or folder by its file system and inode.
struct FileIdentity: Hashable {
    /// `MAJOR:MINOR`, as in mountinfo.
    let device: String
    let inode: UInt64

    /// Nil: it can't be reached.
    init?(of path: String) {
        var facts = stat()
        guard stat(path, &facts) == 0 else { return nil }
        let device = UInt64(facts.st_dev)
        // gnu_dev_major(3), gnu_dev_minor(3).
        let major = device >> 8 & 0xfff | device >> 32 & 0xffff_f000
        let minor = device & 0xff | device >> 12 & 0xffff_ff00
        self.device = "\(major):\(minor)"
        inode = UInt64(facts.st_ino)
    }

    /// The nearest existing folder at or above the path.
    init?(nearest path: String) {
        guard let found = Directory.upward(from: path).lazy.compactMap(FileIdentity.init(of:)).first else { return nil }
        self = found
    }
}

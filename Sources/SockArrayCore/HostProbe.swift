import CBPFShim
import Glibc
import PoolModel

extension HostFacts {
    /// Reads capabilities, file systems and permissions. Changes nothing.
    ///
    /// - Parameter bpffs: folder of the pins.
    public static func probe(bpffs: String) -> HostFacts {
        func has(_ capability: rpa_capability) -> Bool { rpa_has_capability(Int32(capability.rawValue)) == 1 }
        var name = utsname()
        uname(&name)
        let release = withUnsafeBytes(of: name.release) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        let nearest = Directory.upward(from: bpffs).first { access($0, F_OK) == 0 } ?? "/"
        return HostFacts(
            kernelRelease: release, mayBorrowSockets: has(RPA_CAP_SYS_PTRACE), mayEndSessions: has(RPA_CAP_NET_ADMIN),
            mayGiveSockets: has(RPA_CAP_CHOWN), user: geteuid(), hasBPFFS: BPFFileSystem.isMounted(at: bpffs),
            mayMount: has(RPA_CAP_SYS_ADMIN), bpffs: bpffs,
            mayWritePins: access(nearest, W_OK) == 0,
            pinLifetime: .probe(bpffs: bpffs), clock: KernelClock.relation)
    }
}

import CBPFShim
import Glibc

extension HostFacts {
    /// Asks the kernel. It makes a map and loads a program, and throws them away.
    ///
    /// - Parameter bpffs: folder of the pins.
    public static func probe(bpffs: String) -> HostFacts {
        func has(_ capability: rpa_capability) -> Bool { rpa_has_capability(Int32(capability.rawValue)) == 1 }
        let isAdministrator = has(RPA_CAP_SYS_ADMIN)
        let mayUseBPF = has(RPA_CAP_BPF) || isAdministrator
        var name = utsname()
        uname(&name)
        let release = withUnsafeBytes(of: name.release) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        return HostFacts(
            kernelRelease: release, hasProgramType: mayUseBPF ? rpa_probe_sk_reuseport() == 1 : nil,
            hasSocketArray: mayUseBPF ? rpa_probe_sockarray() == 1 : nil,
            canMigrate: mayUseBPF ? rpa_probe_migration() == 1 : nil, mayUseBPF: mayUseBPF,
            mayBorrowSockets: has(RPA_CAP_SYS_PTRACE), mayEndSessions: has(RPA_CAP_NET_ADMIN),
            mayGiveSockets: has(RPA_CAP_CHOWN), user: geteuid(), hasBPFFS: BPFFileSystem.isMounted(at: bpffs),
            mayMount: isAdministrator, bpffs: bpffs, mayWritePins: access(nearestFolder(bpffs), W_OK) == 0)
    }

    /// The folder, or the first one above it that exists.
    private static func nearestFolder(_ path: String) -> String {
        var parts = path.split(separator: "/")
        while !parts.isEmpty {
            let folder = "/" + parts.joined(separator: "/")
            if access(folder, F_OK) == 0 { return folder }
            parts.removeLast()
        }
        return "/"
    }
}

import CBPFShim

/// The file system that keeps maps and programs while no process has them.
enum BPFFileSystem {
    /// Where every distribution mounts it.
    static let standardMountPoint = "/sys/fs/bpf"

    /// Sees to it that the folder can be made in a bpffs; mounts one at the
    /// standard place if there is none.
    static func prepare(_ folder: String, act: String) throws(Failure) {
        if isMounted(at: folder) { return }
        let isStandard = folder == standardMountPoint || folder.hasPrefix(standardMountPoint + "/")
        let place = isStandard ? standardMountPoint : folder
        let remedy = "mount it as root: mkdir -p \(place) && mount -t bpf bpf \(place)"
        guard isStandard else {
            throw Failure(.privilege, act: act, cause: "no bpffs is mounted at or above \(folder)", remedy: remedy)
        }
        let result = rpa_mount_bpffs(standardMountPoint)
        if result < 0 {
            throw Failure(
                .privilege, act: act, cause: "no bpffs is mounted at \(place), and it could not be mounted",
                errno: -result, remedy: remedy)
        }
    }

    /// Asks the nearest folder above that exists.
    static func isMounted(at folder: String) -> Bool {
        var parts = folder.split(separator: "/")
        while !parts.isEmpty {
            let result = rpa_is_bpffs("/" + parts.joined(separator: "/"))
            if result >= 0 { return result == 1 }
            parts.removeLast()
        }
        return false
    }
}

import CBPFShim
import Glibc
import PoolModel

/// The pins of one cgroup's meter, in a folder named by the cgroup's number.
struct PinnedMeter {
    let folder: PinFolder

    private static let links = ["ingress", "egress"]

    /// The meter's counts; nil: there are none.
    func counts() throws(KernelError) -> MeterCounts? {
        let number = rpa_open_pin("\(folder.path)/meter")
        if number == -KernelError.noEntry { return nil }
        return try MeterCounts(Descriptor(owning: kernel("bpf_obj_get \(folder.path)/meter", number)))
    }

    /// Path of the cgroup, as a symbolic link: names the metered cgroup when it no longer exists
    /// and no ledger has recorded it.
    var cgroup: String? { Directory.target(ofLink: "\(folder.path)/cgroup") }

    func name(_ cgroup: String) {
        guard self.cgroup != cgroup else { return }
        unlink("\(folder.path)/cgroup")
        symlink(cgroup, "\(folder.path)/cgroup")
    }

    /// Whether no program is attached.
    var isStopped: Bool { Self.links.allSatisfy { access("\(folder.path)/\($0)", F_OK) != 0 && errno == ENOENT } }

    /// Removes the links; the counts stay.
    func stop() {
        guard !isStopped else { return }
        for pin in Self.links {
            // The kernel releases an unpinned link later.
            if let link = try? folder.open(pin) { rpa_detach_link(link.number) }
            unlink("\(folder.path)/\(pin)")
        }
        unlink("\(folder.path)/internal")
    }
}

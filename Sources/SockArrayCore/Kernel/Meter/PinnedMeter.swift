import CBPFShim
import Glibc

/// The pins of one cgroup's meter, in a folder of the cgroup's number.
struct PinnedMeter {
    let folder: PinFolder

    private static let links = ["ingress", "egress"]

    /// Nil: there are none.
    func counts() throws(KernelError) -> MeterCounts? {
        let number = rpa_open_pin("\(folder.path)/meter")
        if number == -KernelError.noEntry { return nil }
        return try MeterCounts(Descriptor(owning: kernel("bpf_obj_get \(folder.path)/meter", number)))
    }

    /// Path of the cgroup, as a symbolic link: whom the meter counts for, when the cgroup
    /// is gone and no ledger has seen it.
    var cgroup: String? {
        var text = [UInt8](repeating: 0, count: 4_096)
        let length = text.withUnsafeMutableBytes {
            readlink("\(folder.path)/cgroup", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
        }
        return length > 0 ? String(decoding: text[..<length], as: UTF8.self) : nil
    }

    func name(_ cgroup: String) {
        guard self.cgroup != cgroup else { return }
        unlink("\(folder.path)/cgroup")
        symlink(cgroup, "\(folder.path)/cgroup")
    }

    /// Nothing is attached.
    var isStopped: Bool { Self.links.allSatisfy { access("\(folder.path)/\($0)", F_OK) != 0 && errno == ENOENT } }

    /// Its counts stay.
    func stop() {
        guard !isStopped else { return }
        for pin in Self.links {
            // The kernel lets go of a link that is unpinned in its own time.
            if let link = try? folder.open(pin) { rpa_detach_link(link.number) }
            rpa_remove_file("\(folder.path)/\(pin)")
        }
        rpa_remove_file("\(folder.path)/internal")
    }
}

import CBPFShim
import Glibc
import PoolModel

/// A folder of pins in a bpffs. Pinned objects outlive the agent.
struct PinFolder {
    let path: String
    /// False: the folder counts as empty, and nothing is pinned. New objects live as long as their descriptors.
    let isPinned: Bool

    init(path: String) { (self.path, isPinned) = (path, true) }

    private init(unpinned path: String) { (self.path, isPinned) = (path, false) }

    /// For a trial: each map is made anew, and disappears with the process.
    static let unpinned = PinFolder(unpinned: "unpinned")

    func subfolder(_ name: String) -> PinFolder {
        let below = "\(path)/\(name)"
        return isPinned ? PinFolder(path: below) : PinFolder(unpinned: below)
    }

    /// Makes the folder and its missing parents.
    func make() throws(KernelError) {
        if isPinned { try Directory.make(path, mode: 0o700) }
    }

    /// The pinned object, or nil if there is none with that name.
    func open(_ name: String) throws(PoolError) -> Descriptor? {
        guard isPinned else { return nil }
        let result = rpa_open_pin("\(path)/\(name)")
        if result == -KernelError.noEntry { return nil }
        return Descriptor(owning: try PoolError.check("bpf_obj_get \(path)/\(name)", result))
    }

    func pin(_ object: borrowing Descriptor, as name: String) throws(PoolError) {
        guard isPinned else { return }
        try PoolError.check("bpf_obj_pin \(path)/\(name)", rpa_pin(object.number, "\(path)/\(name)"))
    }

    /// The pinned map of that name. If there is none, makes and pins one.
    ///
    /// - Parameter template: for a map of maps: a map with the shape of its inner maps.
    /// - Throws: `foreignPin` for a map of another shape.
    func map(
        _ name: String, _ kind: rpa_map_kind, valueSize: Int, entries: Int32, template: Int32 = -1
    ) throws(PoolError) -> Descriptor {
        if let adopted = try open(name) {
            let differs = rpa_map_differs(adopted.number, kind, UInt32(valueSize), UInt32(entries))
            guard differs == 0 else { throw .foreignPin(path: "\(path)/\(name)") }
            return adopted
        }
        let result = rpa_map_create(kind, name, UInt32(valueSize), UInt32(entries), template)
        let made = Descriptor(owning: try PoolError.check("bpf_map_create \(name)", result))
        try pin(made, as: name)
        return made
    }

    /// Names in the folder; none if the folder doesn't exist.
    func names() -> [String] { isPinned ? Directory.names(in: path) : [] }

    /// Removes every pin and folder below, and then the folder itself.
    ///
    /// - Parameter last: the pin to remove after all others.
    func remove(last: String? = nil) throws(KernelError) {
        guard isPinned else { return }
        let names = names()
        for name in names.filter({ $0 != last }) + names.filter({ $0 == last }) {
            let child = "\(path)/\(name)"
            let result = systemCall(unlink(child))
            if result == -KernelError.isFolder || result == -KernelError.notPermitted {
                try PinFolder(path: child).remove()
            } else {
                try kernel("unlink \(child)", result)
            }
        }
        let result = systemCall(rmdir(path))
        if result != -KernelError.noEntry { try kernel("rmdir \(path)", result) }
    }
}

import PoolModel
import Testing

/// Whether pins outlive the agent's mount namespace, from what is seen of mounts.
@Suite struct PinLifetimeTests {
    @Test func `a line of mountinfo gives number, device, place, type, source and propagation`() {
        let lines = """
            22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
            183 163 0:54 / /mnt/b\\040c rw master:3 shared:7 - bpf reuseport-agent@mnt:[4026531841] rw,mode=700
            184 163 0:55 / /x rw - tmpfs
            a line of another form
            """
        #expect(
            MountEntry.all(in: lines) == [
                MountEntry(id: 22, device: "254:0", point: "/", type: "ext4", source: "/dev/root", isShared: true),
                MountEntry(
                    id: 183, device: "0:54", point: "/mnt/b c", type: "bpf",
                    source: "reuseport-agent@mnt:[4026531841]", isShared: true),
            ])
    }

    private static let namespace = "mnt:[4026532300]"

    private static func mount(
        _ id: Int, _ device: String, _ point: String = "/sys/fs/bpf", source: String = "bpf", isShared: Bool = false
    ) -> MountEntry {
        MountEntry(
            id: id, device: device, point: point, type: point == "/" ? "ext4" : "bpf", source: source,
            isShared: isShared)
    }

    private static func lifetime(
        _ device: String?, _ mounts: [MountEntry], host: [MountEntry]? = nil
    ) -> PinLifetime {
        PinLifetime(
            .init(
                device: device, standardMountPoint: "/sys/fs/bpf", namespace: namespace, mounts: mounts,
                hostMounts: host))
    }

    @Test func `pins last if the host's first process has their bpffs, wherever it is mounted`() {
        let own = [Self.mount(20, "0:9", "/"), Self.mount(21, "0:54")]
        let root = Self.mount(1, "0:9", "/")
        #expect(Self.lifetime("0:54", own, host: [root, Self.mount(2, "0:54", "/elsewhere")]) == .host)
        #expect(Self.lifetime("0:54", own, host: [root, Self.mount(2, "0:33")]) == .notOfHost)
        // Another file system with the number isn't possible; a type that isn't bpffs proves nothing.
        #expect(Self.lifetime("0:9", own, host: [root]) == .notOfHost)
    }

    @Test func `without the host's mounts, only an agent's own mount in this namespace is known not to last`() {
        let here = PinLifetime.source(in: Self.namespace)
        #expect(Self.lifetime("0:54", [Self.mount(21, "0:54", source: here)]) == .mountedHere)
        #expect(Self.lifetime("0:54", [Self.mount(21, "0:54")]) == .unknown)
        // The host's agent mounted it, and the container got it by a bind mount.
        let host = PinLifetime.source(in: "mnt:[4026531832]")
        #expect(Self.lifetime("0:54", [Self.mount(21, "0:54", source: host)]) == .unknown)
        #expect(Self.lifetime("0:54", [Self.mount(20, "0:33", source: here), Self.mount(21, "0:54")]) == .unknown)
    }

    @Test func `a bpffs that the agent will mount lasts only in the mount namespace of the host's first process`() {
        let own = [Self.mount(20, "0:9", "/"), Self.mount(21, "0:10", "/sys")]
        #expect(Self.lifetime(nil, own) == .mountedHere)
        #expect(Self.lifetime(nil, own, host: own) == .host)
        #expect(Self.lifetime(nil, own, host: [Self.mount(1, "0:9", "/")]) == .notOfHost)
        let shared = [own[0], Self.mount(21, "0:10", "/sys", isShared: true)]
        #expect(Self.lifetime(nil, shared, host: [Self.mount(1, "0:9", "/")]) == .unknown)
    }

    @Test func `only what is known to end with a namespace is a danger`() {
        #expect(PinLifetime.host.danger == nil && PinLifetime.unknown.danger == nil)
        #expect(PinLifetime.notOfHost.danger?.hasPrefix("this bpffs isn't mounted on the host") == true)
        #expect(PinLifetime.mountedHere.danger?.contains("if that is a container's, all pins are gone") == true)
        #expect(PinLifetime.remedy.contains("hostPath volume with mountPropagation: HostToContainer"))
    }
}

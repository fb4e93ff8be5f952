import CBPFShim

/// The kernel objects of one group: its sockets, its counters, its programs.
package final class GroupPlane {
    let group: ReuseportGroup
    package let sockets: SocketArray
    /// The group's bit and index in what the groups of the pool share.
    let number: Int
    private let trafficMap: Descriptor
    private let lossMap: Descriptor
    /// The program of each generation.
    private let programs: Descriptor
    /// What is attached: it goes on to the program of the generation in force.
    package let dispatcher: Descriptor
    private let cpuCount: Int
    private let canMigrate: Bool
    /// Asked once: it takes loading a program.
    private static let kernelMigrates = rpa_probe_migration() == 1
    /// The agent's own socket in the group, and why there is none.
    private(set) var placeholder: Placeholder?
    private(set) var placeholderRefusal: (user: UInt32, error: KernelError)?

    /// Adopts what is pinned in the folder, and makes and pins what isn't.
    ///
    /// - Parameter registry: gives the group its number.
    init(
        group: ReuseportGroup, pins: PinFolder, settings: borrowing Descriptor, registry: borrowing GroupRegistry
    ) throws(PlaneError) {
        self.group = group
        canMigrate = group.transport == .tcp && Self.kernelMigrates
        cpuCount = try PlaneError.wrap { () throws(KernelError) in
            Int(try kernel("libbpf_num_possible_cpus", rpa_possible_cpus()))
        }
        let sockets = try pins.map("sockets", RPA_MAP_SOCKARRAY, valueSize: 8, entries: RPA_MAX_SLOTS)
        number = try registry.number(of: sockets)
        trafficMap = try pins.map(
            "traffic", RPA_MAP_PERCPU_ARRAY, valueSize: MemoryLayout<rpa_traffic>.size,
            entries: RPA_MAX_SLOTS + 1)
        lossMap = try pins.map(
            "losses", RPA_MAP_PERCPU_ARRAY, valueSize: MemoryLayout<rpa_losses>.size, entries: 1)
        programs = try pins.map("programs", RPA_MAP_PROGRAMS, valueSize: 4, entries: RPA_GENERATIONS)
        if let adopted = try pins.open("dispatcher") {
            dispatcher = adopted
        } else {
            dispatcher = try SelectionProgram.load(
                program: canMigrate ? "dispatch_or_migrate" : "dispatch",
                maps: [("settings", settings.number), ("programs", programs.number)],
                constants: rpa_constants())
            try pins.pin(dispatcher, as: "dispatcher")
        }
        self.sockets = SocketArray(map: sockets)
    }

    /// Gives the group its program of a generation.
    ///
    /// - Parameter poolMaps: those that all groups share.
    func load(_ generation: Generation, poolMaps: [(name: String, number: Int32)]) throws(PlaneError) {
        let program = try generation.program(
            canMigrate ? "select_or_migrate" : "select_collector", group: number, isStream: group.transport == .tcp,
            groupMaps: poolMaps + [
                ("sockets", sockets.map.number), ("traffic", trafficMap.number), ("losses", lossMap.number),
            ])
        try PlaneError.wrap { () throws(KernelError) in
            var number = program.number
            try kernel(
                "bpf_map_update_elem programs", rpa_map_update(programs.number, UInt32(generation.parity), &number))
        }
    }

    func hasProgram(ofParity parity: Int) -> Bool {
        var identifier: UInt32 = 0
        return rpa_map_lookup(programs.number, UInt32(parity), &identifier) == 0
    }

    /// Attaches the dispatcher to the group through any member.
    func attach(through member: borrowing Descriptor) throws(KernelError) {
        try kernel(
            "setsockopt SO_ATTACH_REUSEPORT_EBPF", rpa_attach_reuseport(member.number, dispatcher.number))
    }

    /// Keeps the group, with what is attached, also without a collector. Of no
    /// effect if that is done, or can't be.
    ///
    /// - Parameters:
    ///   - configured: whom its sockets are to belong to; nil: to whom they do.
    ///   - collectors: the users that collectors had when they registered.
    func keep(for configured: UInt32?, collectors: [UInt32]) {
        let users =
            configured.map { [$0] } ?? PlaceholderUsers.inOrder(members: memberUsers, collectors: collectors)
        var refusal: (user: UInt32, error: KernelError)?
        for user in users {
            guard placeholder?.user != user else { return }
            guard let error = keep(for: user) else { return }
            refusal = refusal ?? (user, error)
            // Sockets of another user are there: one of the others, perhaps.
            guard error.errno == KernelError.addressInUse else { break }
        }
        placeholderRefusal = refusal
    }

    /// - Returns: why there is none.
    private func keep(for user: UInt32) -> KernelError? {
        do throws(KernelError) {
            let made = try Placeholder(in: group, user: user)
            try attach(through: made.descriptor)
            _ = made.discardWaiting(of: group.transport)
            placeholder = made
            placeholderRefusal = nil
            return nil
        } catch {
            return error
        }
    }

    private var memberUsers: [UInt32] {
        let members = (try? SocketDump.members(of: group.transport, port: group.port)) ?? []
        return members.filter(group.hasMember).map(\.user)
    }

    /// Sums over all CPUs.
    func traffic(of slot: Slot) throws(KernelError) -> SlotTraffic {
        try traffic(at: UInt32(slot.index))
    }

    /// Runs and bytes of slots whose collectors are no more.
    func retiredTraffic() throws(KernelError) -> SlotTraffic { try traffic(at: UInt32(RPA_RETIRED_TRAFFIC)) }

    /// Moves the slot's counts to the retired ones: the group's totals stay. Only
    /// for a slot that no row names and that holds no socket: it isn't counting.
    func retireTraffic(of slot: Slot) throws(KernelError) {
        let total = try traffic(of: slot) + retiredTraffic()
        try setTraffic(at: UInt32(RPA_RETIRED_TRAFFIC), total)
        try setTraffic(at: UInt32(slot.index), SlotTraffic())
    }

    func losses() throws(KernelError) -> GroupLosses {
        let counts = try perCPU(lossMap, index: 0, of: rpa_losses.self)
        return counts.reduce(into: GroupLosses()) { sum, cpu in
            sum.held += cpu.held
            sum.noCollector += cpu.no_collector
            sum.badPacket += cpu.bad_packet
            sum.probes += cpu.probes
            sum.bytes += cpu.bytes
        }
    }

    private func traffic(at index: UInt32) throws(KernelError) -> SlotTraffic {
        let counts = try perCPU(trafficMap, index: index, of: rpa_traffic.self)
        return counts.reduce(into: SlotTraffic()) { sum, cpu in
            sum += SlotTraffic(selected: cpu.selected, failedOver: cpu.failed_over, bytes: cpu.bytes)
        }
    }

    private func setTraffic(at index: UInt32, _ total: SlotTraffic) throws(KernelError) {
        var values = Array(repeating: rpa_traffic(), count: cpuCount)
        values[0] = rpa_traffic(
            selected: total.selected, failed_over: total.failedOver, bytes: total.bytes, checked: 0)
        try kernel("bpf_map_update_elem traffic", rpa_map_update(trafficMap.number, index, &values))
    }

    /// One value a CPU. Their size is a multiple of 8, so they lie without gaps.
    private func perCPU<Value: BitwiseCopyable>(
        _ map: borrowing Descriptor, index: UInt32, of type: Value.Type
    ) throws(KernelError) -> [Value] {
        let size = MemoryLayout<Value>.size
        var bytes = [UInt8](repeating: 0, count: size * cpuCount)
        try kernel("bpf_map_lookup_elem", rpa_map_lookup(map.number, index, &bytes))
        return bytes.withUnsafeBytes { raw in
            (0..<cpuCount).map { raw.loadUnaligned(fromByteOffset: $0 * size, as: type) }
        }
    }
}

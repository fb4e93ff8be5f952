import CBPFShim

/// The kernel objects of one group: its sockets, its counters, its program.
package final class GroupPlane {
    let group: ReuseportGroup
    package let sockets: SocketArray
    private let trafficMap: Descriptor
    private let lossMap: Descriptor
    package let program: Descriptor
    private let cpuCount: Int

    /// Adopts what is pinned in the folder, and makes and pins what isn't.
    init(
        group: ReuseportGroup, pins: PinFolder, rows: borrowing Descriptor,
        slots: borrowing Descriptor, settings: borrowing Descriptor, constants: rpa_constants
    ) throws(PlaneError) {
        self.group = group
        cpuCount = try PlaneError.wrap { () throws(KernelError) in
            Int(try kernel("libbpf_num_possible_cpus", rpa_possible_cpus()))
        }
        let sockets = try pins.map("sockets", RPA_MAP_SOCKARRAY, valueSize: 8, entries: RPA_MAX_SLOTS)
        trafficMap = try pins.map(
            "traffic", RPA_MAP_PERCPU_ARRAY, valueSize: MemoryLayout<rpa_traffic>.size,
            entries: RPA_MAX_SLOTS + 1)
        lossMap = try pins.map(
            "losses", RPA_MAP_PERCPU_ARRAY, valueSize: MemoryLayout<rpa_losses>.size, entries: 1)
        // Last: a pinned program means that its maps are pinned.
        if let adopted = try pins.open("program") {
            program = adopted
        } else {
            program = try SelectionProgram.load(
                maps: [
                    ("rows", rows.number), ("slots", slots.number), ("settings", settings.number),
                    ("sockets", sockets.number), ("traffic", trafficMap.number), ("losses", lossMap.number),
                ], constants: constants)
            try pins.pin(program, as: "program")
        }
        self.sockets = SocketArray(map: sockets)
    }

    /// Attaches the program to the group through any member.
    func attach(through member: borrowing Descriptor) throws(KernelError) {
        try kernel(
            "setsockopt SO_ATTACH_REUSEPORT_EBPF", rpa_attach_reuseport(member.number, program.number))
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
            selected: total.selected, failed_over: total.failedOver, bytes: total.bytes)
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

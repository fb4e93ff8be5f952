extension DataPlane {
    /// Who owns each row, and who has it now.
    public func tableStatus() throws(Failure) -> TableStatus {
        try attempt("read the rows of pool \(configuration.pool)") { () throws(KernelError) in
            let availability = try self.availability()
            let collectors = collectorsAndSlots().map { collector, slot in
                TableStatus.Collector(name: collector.name, slot: Int(slot.index), standing: availability[slot])
            }
            let hasWaiting = !waiting.isEmpty
            return TableStatus(
                pool: configuration.pool, assignment: table.assignment.rawValue, tableSize: table.tableSize,
                restartHold: configuration.restartHold / .seconds(1), collectors: collectors,
                hasAffinity: table.assignment.hasAffinity, availability
            ) { (generation.row(at: $0), hasWaiting ? waiting[$0] : nil) }
        }
    }
}

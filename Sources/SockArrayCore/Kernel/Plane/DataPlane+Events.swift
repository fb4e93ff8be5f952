/// What the pool's events are made of.
extension DataPlane {
    /// Each collector of the configuration, as it is now.
    public func moments(act: String) throws(Failure) -> [PoolHistory.Moment] {
        try attempt(act) { () throws(KernelError) in
            var moments: [PoolHistory.Moment] = []
            for collector in configuration.collectors {
                guard let slot = allocation[collector.name] else { continue }
                moments.append(
                    .init(
                        name: collector.name, registrations: slots[slot].registrationNumber, state: try state(of: slot))
                )
            }
            return moments
        }
    }

    /// Of the table's rows; nil where the address doesn't decide.
    public func deliveries(act: String) throws(Failure) -> RowDeliveries? {
        guard table.assignment.hasAffinity else { return nil }
        let availability = try attempt(act, availability)
        return RowDeliveries(
            (0..<table.tableSize).map { availability.deliverer(of: generation.row(at: $0), at: $0) }, table.shape)
    }

    /// Another number whenever rows were written.
    public var rowWrites: UInt64 { settings.rowWrites }
}

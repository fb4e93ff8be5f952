import PoolModel

/// Extends running holds while their collectors start, each one within the limit of `HoldExtension`. No hold is
/// started, and none that is over continues.
///
/// Only the agent's memory has the extensions. A hold that was running when the agent started may have been extended
/// by the agent before: it ends when it ends.
final class HoldExtender {
    /// One absence of a collector: it ends with the next registration.
    private struct Absence: Equatable {
        var collector: String
        var registrationNumber: UInt64
    }

    private let pool: ActivePool
    private let adopted: [Slot: Absence]
    private var extensions: [Slot: (absence: Absence, value: HoldExtension)] = [:]

    init(_ pool: ActivePool) {
        self.pool = pool
        var adopted: [Slot: Absence] = [:]
        for (slot, tenant) in pool.maps.tenants.all() {
            let words = pool.maps.slots[slot]
            guard words.downFor != nil else { continue }
            adopted[slot] = Absence(collector: tenant.name, registrationNumber: words.registrationNumber)
        }
        self.adopted = adopted
    }

    /// How long the slot's hold can last from now on, if it was extended; nil: it wasn't.
    func longestHold(of slot: Slot) -> Duration? {
        let words = pool.maps.slots[slot]
        guard let downFor = words.downFor, let known = extensions[slot],
            known.absence.registrationNumber == words.registrationNumber
        else { return nil }
        return max(.zero, pool.deployment.configuration.restartHold - downFor) + known.value.rest
    }

    /// - Returns: nil if the hold stays as it is, or the slot has none.
    func extend(_ slot: Slot, of collector: String) -> HoldExtension.Grant? {
        let words = pool.maps.slots[slot]
        guard let downFor = words.downFor else { return nil }
        let absence = Absence(collector: collector, registrationNumber: words.registrationNumber)
        guard adopted[slot] != absence else { return nil }
        var value = HoldExtension()
        if let known = extensions[slot], known.absence == absence { value = known.value }
        let grant = value.grant(downFor: downFor, hold: pool.deployment.configuration.restartHold)
        extensions[slot] = (absence, value)
        if let grant { pool.maps.slots.postponeDown(slot, by: grant.gain) }
        return grant
    }
}

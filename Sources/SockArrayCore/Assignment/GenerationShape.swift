/// The properties that a generation was made for (rpa_shape).
package struct GenerationShape: Equatable, Sendable {
    var assignment: UInt64 = 0
    var tableSize: UInt64 = 0
    var seedFingerprint: UInt64 = 0
    var exporterDigest: UInt64 = 0
    var rowCount: UInt64 = 0
    var sightingLimit: UInt64 = 0

    /// Whether a change to the other shape moves only the exporters that it names.
    func keepsAssignment(of other: GenerationShape) -> Bool {
        guard assignment == other.assignment else { return false }
        let hasAffinity = Assignment.allCases.contains { $0.code == assignment && $0.hasAffinity }
        return !hasAffinity || tableSize == other.tableSize && seedFingerprint == other.seedFingerprint
    }
}

/// The properties that a generation was made for (rpa_shape).
package struct GenerationShape: Equatable, Sendable {
    package var assignment: UInt64 = 0
    package var tableSize: UInt64 = 0
    package var seedFingerprint: UInt64 = 0
    package var exporterDigest: UInt64 = 0
    package var rowCount: UInt64 = 0
    package var trackedLimit: UInt64 = 0

    package init(
        assignment: UInt64 = 0, tableSize: UInt64 = 0, seedFingerprint: UInt64 = 0, exporterDigest: UInt64 = 0,
        rowCount: UInt64 = 0, trackedLimit: UInt64 = 0
    ) {
        (self.assignment, self.tableSize, self.seedFingerprint) = (assignment, tableSize, seedFingerprint)
        (self.exporterDigest, self.rowCount, self.trackedLimit) = (exporterDigest, rowCount, trackedLimit)
    }

    /// Whether a change to the other shape moves only the exporters that it names.
    package func keepsAssignment(of other: GenerationShape) -> Bool {
        guard assignment == other.assignment else { return false }
        let hasAffinity = Assignment.allCases.contains { $0.code == assignment && $0.hasAffinity }
        return !hasAffinity || tableSize == other.tableSize && seedFingerprint == other.seedFingerprint
    }
}

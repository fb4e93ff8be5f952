import Glibc

/// Whether fixtures make small tables, as the environment's REUSEPORT_TEST_SMALL_TABLES asks:
/// on an emulated processor, unoptimized code takes seconds to fill or read the usual ones.
/// Only for tests that claim nothing about the sizes.
public enum SmallTables {
    public static let areWanted = getenv("REUSEPORT_TEST_SMALL_TABLES") != nil
    public static let rows = 1_021
    /// That tracking has room for.
    public static let exporters = 1_024
}

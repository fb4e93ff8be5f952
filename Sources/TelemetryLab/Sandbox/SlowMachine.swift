import Glibc

/// What fixtures change where the environment's REUSEPORT_TEST_SLOW_MACHINE says that the
/// processors are emulated. Only for tests that claim nothing about sizes and times.
public enum SlowMachine {
    public static let isHere = getenv("REUSEPORT_TEST_SLOW_MACHINE") != nil
    /// Rows of a table: unoptimized code takes seconds to fill or read the usual 65,536.
    public static let rows = 1_021
    /// Exporters that tracking has room for.
    public static let exporters = 1_024
    /// Both, as keys of a configuration.
    static let keys = "table_size: \(rows)\ntracking: {size: \(exporters)}"
    /// How many times longer `waitUntil` waits.
    static let timeoutFactor = isHere ? 6 : 1
}

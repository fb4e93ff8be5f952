import Glibc

/// The changes of fixtures for emulated processors, if REUSEPORT_TEST_SLOW_MACHINE is set. Only for tests
/// without claims about sizes and times.
public enum SlowMachine {
    public static let isHere = getenv("REUSEPORT_TEST_SLOW_MACHINE") != nil
    /// Rows of a table: unoptimized code takes seconds to fill or read the usual 65,536.
    public static let rows = 1_021
    /// The size of tracking.
    public static let exporters = 1_024
    /// Both, as keys of a configuration.
    package static let keys = "table_size: \(rows)\ntracking: {size: \(exporters)}"
    /// The factor by which `waitBriefly` multiplies its limit.
    static let timeoutFactor = isHere ? 6 : 1
}

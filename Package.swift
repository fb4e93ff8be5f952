// swift-tools-version: 6.1
import PackageDescription

// Compiles the BPF programs from their C sources and embeds them, and the
// example configurations that the demo runs, and the page; no binary is committed.
let embedFiles: Target.PluginUsage = .plugin(name: "EmbedFiles")

// Tests start hundreds of agents, and each computes a table of 65,536 rows: without optimization
// that takes six times as long as all the rest of `make test`.
let optimized: [SwiftSetting] = [.unsafeFlags(["-O"], .when(configuration: .debug))]

let package = Package(
    name: "reuseport-agent",
    products: [
        .executable(name: "reuseport-agent", targets: ["reuseport-agent"]),
        .library(name: "SockArrayCore", targets: ["SockArrayCore"]),
    ],
    dependencies: [
        // Commands, their flags and their help.
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        // The daemon's log.
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        .plugin(name: "EmbedFiles", capability: .buildTool()),
        .target(name: "CBPFShim", linkerSettings: [.linkedLibrary("bpf")]),
        // The configuration's parser.
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        // C of sandboxes, for the demo, the tests and the benchmarks.
        .target(name: "CLabShim"),
        // C of the tests and the benchmarks.
        .target(name: "CTestShim", path: "Tests/CTestShim"),
        // Pure: addresses, the assignment, slots, rows, registrations, and what a pool is at one moment.
        .target(name: "PoolModel", swiftSettings: optimized),
        // Pure: JSON, Prometheus, audit and check texts.
        .target(name: "PoolReport", dependencies: ["PoolModel"], swiftSettings: optimized),
        // Usage events.
        .target(name: "UsageExport", dependencies: ["PoolModel"], swiftSettings: optimized),
        // The kernel: maps, programs, sockets, processes, and the engine of a pool.
        .target(
            name: "SockArrayCore", dependencies: ["CBPFShim", "PoolModel"], swiftSettings: optimized,
            plugins: [embedFiles]),
        .target(
            name: "TelemetryLab", dependencies: ["CBPFShim", "CLabShim", "PoolModel", "SockArrayCore"],
            plugins: [embedFiles]),
        // The agent but for its command line.
        .target(
            name: "AgentCore",
            dependencies: [
                "CBPFShim", "CYAML", "PoolModel", "PoolReport", "SockArrayCore", "UsageExport",
                .product(name: "Logging", package: "swift-log"),
            ],
            plugins: [embedFiles]),
        .executableTarget(
            name: "reuseport-agent",
            dependencies: [
                "AgentCore", "CBPFShim", "CLabShim", "PoolModel", "PoolReport", "SockArrayCore", "TelemetryLab",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .target(name: "CLoad", path: "Benchmarks/CLoad"),
        .executableTarget(
            name: "reuseport-bench",
            dependencies: [
                "PoolModel", "PoolReport", "SockArrayCore", "TelemetryLab", "TestSupport", "CBPFShim", "CLabShim",
                "CLoad", "CTestShim",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Benchmarks",
            exclude: [
                "bpf", "charts.py", "CLoad", "results", "RESULTS.md", "TableOnce", "collectors.svg", "sources.svg",
                "tcp.svg", "udp.svg",
            ],
            plugins: [embedFiles]),
        // Processes that the tests of a collector's life start and kill.
        .executableTarget(
            name: "TestProcesses",
            dependencies: ["CBPFShim", "CTestShim", "PoolModel", "SockArrayCore", "TelemetryLab"],
            path: "Tests/TestProcesses"),
        // What several test targets and the benchmarks use.
        .target(
            name: "TestSupport",
            dependencies: ["CBPFShim", "CTestShim", "PoolModel", "SockArrayCore", "TelemetryLab"],
            path: "Tests/TestSupport"),
        // Runs BPF programs instruction by instruction.
        .target(name: "CInterpreter", path: "Tests/CInterpreter", linkerSettings: [.linkedLibrary("bpf")]),
        // Pure: they need no privilege.
        .testTarget(
            name: "SockArrayCoreTests",
            dependencies: ["CBPFShim", "PoolModel", "PoolReport", "SockArrayCore", "UsageExport"]),
        .testTarget(name: "TelemetryLabTests", dependencies: ["PoolModel", "SockArrayCore", "TelemetryLab"]),
        .testTarget(
            name: "AgentCoreTests",
            dependencies: [
                "AgentCore", "CBPFShim", "PoolModel", "PoolReport", "SockArrayCore", "TelemetryLab", "TestSupport",
                "UsageExport",
            ]),
        // On the kernel, in sandboxes.
        .testTarget(
            name: "KernelTests",
            dependencies: [
                "CBPFShim", "CInterpreter", "CLabShim", "PoolModel", "PoolReport", "SockArrayCore", "TelemetryLab",
                "TestSupport",
            ]),
        .testTarget(
            name: "AgentTests",
            dependencies: [
                "AgentCore", "CBPFShim", "CLabShim", "CTestShim", "PoolModel", "PoolReport", "SockArrayCore",
                "TelemetryLab", "TestProcesses", "TestSupport", "reuseport-agent",
            ]),
    ],
    swiftLanguageModes: [.v6]
)

import Foundation
import PackagePlugin

/// Turns files of the package into Swift byte arrays, so that the binary needs
/// nothing beside it: C sources of BPF programs are compiled first, the page is put
/// together, others are taken as they are.
@main
struct EmbedFiles: BuildToolPlugin {
    private struct Embedding {
        /// Path below the package.
        let source: String
        /// The generated constant, `Embedded_<constant>.bytes`.
        let constant: String
        /// Files that the source includes: a change of one embeds it again.
        var headers: [String] = []
    }

    private static let layoutHeader = "Sources/CBPFShim/include/sk_reuseport_layout.h"
    private static let programHeaders = [
        "allocator", "exporter", "maps", "probe", "row", "session", "slot", "tracking", "verifier",
    ].map { "bpf/\($0).bpf.h" }

    /// Those that assemble-page.sh puts together.
    private static let pageModules = [
        "address", "balance", "collector", "collectors", "counters", "dom", "events", "exporters", "format", "grid",
        "groups", "head", "keys", "main", "palette", "poll", "question", "rates", "rows", "strip", "tint",
    ]

    private static let embeddings: [String: [Embedding]] = [
        "SockArrayCore": [
            Embedding(
                source: "bpf/sk_reuseport.c", constant: "skReuseportProgram",
                headers: [layoutHeader] + programHeaders),
            Embedding(
                source: "bpf/meter.c", constant: "meterProgram",
                headers: ["Sources/CBPFShim/include/meter_layout.h", "bpf/verifier.bpf.h"]),
        ],
        "reuseport-bench": [
            Embedding(
                source: "Benchmarks/bpf/reference_programs.c", constant: "referencePrograms",
                headers: [layoutHeader])
        ]
            + ["step", "idea", "hash"].map { name in
                Embedding(
                    source: "Benchmarks/bpf/\(name)_programs.c", constant: "\(name)Programs",
                    headers: [layoutHeader] + programHeaders)
            },
        "AgentCore": [
            Embedding(
                source: "page/page.html", constant: "page",
                headers: ["Plugins/EmbedFiles/assemble-page.sh", "page/page.css"] + pageModules.map { "page/\($0).js" })
        ],
        "TelemetryLab": [
            Embedding(source: "examples/nfacctd.conf", constant: "nfacctdConfiguration")
        ],
    ]

    func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
        let package = context.package.directoryURL
        let script = package.appending(path: "Plugins/EmbedFiles/embed.sh")
        return (Self.embeddings[target.name] ?? []).map { embedding in
            let source = package.appending(path: embedding.source)
            let output = context.pluginWorkDirectoryURL
                .appending(path: "Embedded+\(embedding.constant).swift")
            return .buildCommand(
                displayName: "Embedding \(embedding.source)",
                executable: URL(filePath: "/bin/sh"),
                arguments: [
                    script.path(), source.path(), embedding.constant, output.path(),
                    package.appending(path: Self.layoutHeader).deletingLastPathComponent().path(),
                ],
                inputFiles: [source, script] + embedding.headers.map { package.appending(path: $0) },
                outputFiles: [output])
        }
    }
}

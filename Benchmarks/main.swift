import Glibc
import SockArrayCore
import TelemetryLab

// make bench: figures of the data plane and of the agent, measured in a sandbox
// of namespaces, and of the assignment, which needs none. Ratios are of one run, for times of this machine say little.

let parts = ["program", "lookup", "tracking", "agent", "table"]
let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.count >= 2, arguments[0] == "--agent", Set(arguments.dropFirst(2)).isSubset(of: parts) else {
    print("usage: reuseport-bench --agent PATH-OF-REUSEPORT-AGENT [PART ...]; parts: \(parts.joined(separator: ", "))")
    exit(2)
}
/// All of them if none is named.
func isWanted(_ part: String) -> Bool { arguments.count == 2 || arguments.dropFirst(2).contains(part) }
// Entering a sandbox changes the working directory.
guard let absolute = realpath(arguments[1], nil) else {
    print("reuseport-bench: there is no \(arguments[1]); run: make bench")
    exit(2)
}
let agentProgram = String(cString: absolute)

do {
    if isWanted("program") {
        let count = ProgramCost().totalDatagrams
        print("Cost of a run of the program (256 sources, 4 collectors, \(count) datagrams each)\n")
        try Sandbox.runHere { _ in print(try CostTable(ProgramCost().measure()).text) }
    }
    if isWanted("lookup") {
        print("Cost of configured exporters, looked up in each run\n")
        try Sandbox.runHere { _ in print(try LookupCost().measure()) }
    }
    if isWanted("tracking") {
        print("Cost of keeping track of exporters\n")
        try Sandbox.runHere { _ in print(try TrackingCost().measure()) }
    }
    if isWanted("agent") {
        print("The agent\n")
        try Sandbox.runHere { print(try AgentFigures.measure(agentProgram, in: $0)) }
    }
    if isWanted("table") {
        print("Building a table of \(BucketRow.defaultTableSize) rows; median (least - most) of 9 rounds\n")
        print(try TableBuild.measure())
    }
} catch {
    print("reuseport-bench: \(error)")
    exit(1)
}

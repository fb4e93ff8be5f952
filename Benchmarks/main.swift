import Glibc
import SockArrayCore
import TelemetryLab

// make bench: figures of the data plane and of the agent, measured in a sandbox
// of namespaces, and of the assignment, which needs none. Ratios are of one run, for times of this machine say little.

guard CommandLine.arguments.count == 3, CommandLine.arguments[1] == "--agent" else {
    print("usage: reuseport-bench --agent PATH-OF-REUSEPORT-AGENT")
    exit(2)
}
// Entering a sandbox changes the working directory.
guard let absolute = realpath(CommandLine.arguments[2], nil) else {
    print("reuseport-bench: there is no \(CommandLine.arguments[2]); run: make bench")
    exit(2)
}
let agentProgram = String(cString: absolute)

do {
    try Sandbox.runHere { _ in
        print(
            "Cost of a run of the program (256 sources, 4 collectors, \(ProgramCost().totalDatagrams) datagrams each)\n"
        )
        print(try CostTable(ProgramCost().measure()).text)
    }
    try Sandbox.runHere { _ in
        print("Cost of configured exporters, looked up in each run\n")
        print(try LookupCost().measure())
    }
    try Sandbox.runHere { _ in
        print("Cost of keeping track of exporters\n")
        print(try TrackingCost().measure())
    }
    try Sandbox.runHere { sandbox in
        print("The agent\n")
        print(try AgentFigures.measure(agentProgram, in: sandbox))
    }
    print("Building a table of \(BucketRow.defaultTableSize) rows; median (least - most) of 9 rounds\n")
    print(try TableBuild.measure())
} catch {
    print("reuseport-bench: \(error)")
    exit(1)
}

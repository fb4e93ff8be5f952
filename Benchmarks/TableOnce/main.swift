// Builds one table, while an instruction counter measures (TableBudgetTests). Compiled with
// the files of the assignment alone.
let candidates = (0..<8).map { WeightedCollector(name: "c\($0)", weight: 1 + $0 % 3, slot: Slot(UInt16($0))) }
let table =
    switch CommandLine.arguments.dropFirst().first {
    case "rendezvous": Rendezvous(seed: "budget").table(of: candidates, tableSize: 65_536)
    case "maglev": Maglev(seed: "budget").table(of: candidates, tableSize: 16_381)
    default: [BucketRow]()
    }
print(table.count)

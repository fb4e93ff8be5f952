let subjects = try ProgramCost().measure()
func median(_ v: [Double]) -> Double { v.sorted()[v.count / 2] }
for s in subjects { print(s.name, median(s.costs), s.costs.map { Int($0 * 10) }) }
let m = subjects.map { median($0.costs) }
print("ratio", (m[2] - m[0]) / (m[1] - m[0]))

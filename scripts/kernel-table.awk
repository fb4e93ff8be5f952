# What the machines of test-kernels.sh reported, .build/kernels/VERSION.log each, as a table.
# -v versions="6.1 6.12" -v jobs="root tests;…": what must have reported.
# -v problems=FILE: what is not as it should be goes there.
function problem(text) { print kernel ": " text >problems }
function add(row, result) {
    if (!(row in known)) { known[row] = 1; order[++rows] = row }
    count[row, kernel, privilege, result]++
}
function cell(row, kernel, privilege,    good, bad, absent) {
    good = count[row, kernel, privilege, "ok"] + 0
    bad = count[row, kernel, privilege, "refused"] + 0
    absent = count[row, kernel, privilege, "not there"] + 0
    if (good + bad + absent == 0) return "–"
    return good " of " good + bad (bad ? " **!**" : "") (absent ? ", " absent " not there" : "")
}
BEGIN {
    kernelCount = split(versions, kernels, " ")
    # The rows in this order, whichever job was first.
    split("rendezvous maglev round-robin kernel", names, " ")
    for (i = 1; i <= 4; i++) {
        known[order[++rows] = names[i] ", tracking off"] = 1
        known[order[++rows] = names[i] ", tracking on"] = 1
        if (i == 1) known[order[++rows] = names[i] ", tracking with shared counters"] = 1
    }
}
FNR == 1 {
    kernel = FILENAME
    sub(/.*\//, "", kernel)
    sub(/\.log$/, "", kernel)
}
/^kernel\| / { release[kernel] = substr($0, 9) }
/^end\| / { ended[kernel] = 1 }
{
    bar = index($0, "| ")
    job = substr($0, 1, bar - 1)
    text = substr($0, bar + 2)
    split(job, names, " ")
    privilege = names[1]
}
# What belongs to a line with a problem is indented, or marked.
text ~ /^(  |↳)/ && problematic[job] { problem(job ": " text) }
text !~ /^(  |↳)/ { problematic[job] = text ~ /^✘ Test .* recorded an issue/ || text ~ /^variant refused/ }
problematic[job] && text !~ /^(  |↳)/ { problem(job ": " text) }
text ~ /^variant / {
    result = text ~ /^variant ok/ ? "ok" : text ~ /^variant not there/ ? "not there" : "refused"
    sub(/^[^:]*: /, "", text)
    split(text, parts, ", ")
    add(parts[1] ~ /^select/ ? parts[2] ", " parts[3] : parts[1] ~ /^dispatch/ ? "dispatchers" : "meter", result)
}
text ~ /^(✔|✘|➜) Test ".* (passed after|failed after|skipped)/ && job !~ /variants/ {
    add(job ~ / agent/ ? "tests of the agent" : "tests of the pool", \
        text ~ /^✔/ ? "ok" : text ~ /^✘/ ? "refused" : "not there")
}
text ~ /^(✔|✘) Test run with / { ran[kernel, job] = text ~ /^✔ Test run with [1-9]/ }
text ~ /^exit / { status[kernel, job] = substr(text, 6) }
END {
    jobCount = split(jobs, jobList, ";")
    for (k = 1; k <= kernelCount; k++) {
        kernel = kernels[k]
        if (!ended[kernel]) problem("the machine ended without a result")
        for (j = 1; j <= jobCount; j++) {
            job = jobList[j]
            if (!((kernel, job) in status)) problem(job ": it did not end")
            else if (status[kernel, job] != 0) problem(job ": exit " status[kernel, job])
            else if (!ran[kernel, job]) problem(job ": no test ran")
        }
    }
    printf "| |"
    for (k = 1; k <= kernelCount; k++) printf " %s root | %s unit |", kernels[k], kernels[k]
    printf "\n|---|"
    for (k = 1; k <= kernelCount; k++) printf "---|---|"
    for (r = 1; r <= rows; r++) {
        printf "\n| %s |", order[r]
        for (k = 1; k <= kernelCount; k++) printf " %s | %s |", cell(order[r], kernels[k], "root"), cell(order[r], kernels[k], "unit")
    }
    print ""
    print ""
    for (k = 1; k <= kernelCount; k++) print "- " kernels[k] ": " release[kernels[k]]
}

#!/usr/bin/env python3
"""Draws the charts of RESULTS.md from the files in results/, as SVG beside it.

Usage: charts.py FOLDER. A chart whose results aren't there is left out.
"""

import json
import pathlib
import statistics
import sys

import matplotlib

matplotlib.use("svg")
# The same results draw the same file, byte for byte.
matplotlib.rcParams.update(
    {"svg.hashsalt": "reuseport-agent", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10}
)
import matplotlib.pyplot as pyplot  # noqa: E402

PLAIN = "plain SO_REUSEPORT"
EMPTY = "empty program"
COLORS = {
    PLAIN: "#767676",
    EMPTY: "#767676",
    "agent, tracking off": "#0072b2",
    "agent": "#56b4e9",
    "hash % N + select": "#e69f00",
    "round robin by packet": "#999933",
    "nft jhash redirect": "#009e73",
    "nginx stream": "#d55e00",
    "nginx stream, proxy_responses 0": "#a04000",
    "nfacctd tee": "#cc79a7",
    "HAProxy": "#882255",
}


class Results:
    """One part's measurements: a list of values, one for each round, by (workload, subject, figure)."""

    def __init__(self, path):
        self.values = {
            (one["workload"], one["subject"], one["figure"]): one["values"]
            for one in json.loads(path.read_text())["measurements"]
        }

    def workloads(self, prefix):
        return list(dict.fromkeys(workload for workload, _, _ in self.values if workload.startswith(prefix)))

    def subjects(self, workload):
        return list(dict.fromkeys(subject for other, subject, _ in self.values if other == workload))

    def by_round(self, workload, subject, figure, reference, combine):
        pairs = zip(self.values[workload, subject, figure], self.values[workload, reference, figure])
        return [combine(value, other) for value, other in pairs]


def spread(values):
    """The median, and how far it is to the least and to the most."""
    middle = statistics.median(values)
    return middle, [[middle - min(values)], [max(values) - middle]]


def save(figure, path):
    figure.tight_layout()
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)


def ratios(results, prefix, figure_name, title, path):
    """Bars: each subject's figure by plain SO_REUSEPORT's, for each workload."""
    workloads = results.workloads(prefix)
    subjects = sorted(
        {subject for workload in workloads for subject in results.subjects(workload)} - {PLAIN},
        key=lambda name: list(COLORS).index(name) if name in COLORS else len(COLORS),
    )
    figure, axes = pyplot.subplots(figsize=(8, 0.6 + 0.34 * len(subjects) * len(workloads)))
    rows = [(workload, subject) for workload in workloads for subject in subjects]
    for place, (workload, subject) in enumerate(rows):
        values = results.by_round(workload, subject, figure_name, PLAIN, lambda value, other: value / other)
        middle, reach = spread(values)
        axes.barh(place, middle, xerr=reach, color=COLORS.get(subject, "#333333"), height=0.75, capsize=2)
        axes.text(middle + reach[1][0] + 0.03, place, f"{middle:.2f}", va="center")
    axes.axvline(1, color=COLORS[PLAIN], linewidth=1, linestyle="--")
    axes.set_yticks(range(len(rows)))
    axes.set_yticklabels([f"{subject}\n({workload})" if len(workloads) > 1 else subject for workload, subject in rows])
    axes.tick_params(axis="y", labelsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.12, y=0.02)
    axes.set_xlabel(f"x {PLAIN} (median, least, most)")
    axes.set_title(title)
    save(figure, path)


def slope(results, prefix, title, label, path):
    """Lines: nanoseconds over the empty program, by the number in the workload's name."""
    workloads = results.workloads(prefix)
    numbers = [int(workload.split(": ")[1]) for workload in workloads]
    subjects = [one for one in results.subjects(workloads[0]) if one in COLORS and one != EMPTY]
    figure, axes = pyplot.subplots(figsize=(8, 4))
    for subject in subjects:
        points = [
            spread(results.by_round(workload, subject, "ns/run", EMPTY, lambda value, other: value - other))
            for workload in workloads
        ]
        reach = [[point[1][side][0] for point in points] for side in (0, 1)]
        axes.errorbar(
            numbers, [point[0] for point in points], yerr=reach, label=subject, color=COLORS[subject], marker="o",
            capsize=3,
        )
    axes.set_xscale("log")
    axes.set_xticks(numbers)
    axes.set_xticklabels([f"{number:,}" for number in numbers])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel(label)
    axes.set_ylabel("ns over the empty program\n(median, least, most)")
    axes.set_title(title)
    # Below the axes, where it hides no line.
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncol=len(subjects), frameon=False)
    save(figure, path)


def main(folder):
    def results(part):
        path = folder / "results" / f"{part}.json"
        return Results(path) if path.exists() else None

    if udp := results("udp"):
        title = "CPU of the whole machine by datagram, at a fixed rate"
        ratios(udp, "fixed rate", "CPU, us", title, folder / "udp.svg")
    if tcp := results("tcp"):
        ratios(tcp, "new", "connections/s", "New TCP connections a second", folder / "tcp.svg")
    if program := results("program"):
        slope(program, "sources", "A run of the program, by sources", "sources", folder / "sources.svg")
        slope(program, "collectors", "A run of the program, by collectors", "collectors", folder / "collectors.svg")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))

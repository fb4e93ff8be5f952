import Glibc

extension ProcessFacts {
    /// The process's descendants, the nearest first, at most 10,000.
    public static func descendants(of pid: Int32) -> [Int32] {
        let tree = hasChildrenFiles ? nil : childrenOfAll()
        var found: [Int32] = []
        var level = [pid]
        while !level.isEmpty, found.count < 10_000 {
            level = level.flatMap { parent in
                if let tree { return tree[parent] ?? [] }
                return listedChildren(of: parent)
            }
            found += level
        }
        return found
    }

    /// The process's children, zombies too, in the order of their pids.
    package static func children(of pid: Int32) -> [Int32] {
        hasChildrenFiles ? listedChildren(of: pid) : childrenOfAll()[pid] ?? []
    }

    /// Whether the kernel has CONFIG_PROC_CHILDREN.
    private static let hasChildrenFiles = access("/proc/thread-self/children", F_OK) == 0

    /// The children of all threads, in the order of their pids.
    private static func listedChildren(of pid: Int32) -> [Int32] {
        numbers(in: "/proc/\(pid)/task").flatMap { thread in
            (read("/proc/\(pid)/task/\(thread)/children") ?? "").split(separator: " ").compactMap { Int32($0) }
        }.sorted()
    }

    private static func childrenOfAll() -> [Int32: [Int32]] {
        var children: [Int32: [Int32]] = [:]
        for pid in numbers(in: "/proc") {
            if let parent = parent(of: pid) { children[parent, default: []].append(pid) }
        }
        return children
    }

    /// Names in the folder that are numbers, in order.
    private static func numbers(in folder: String) -> [Int32] {
        Directory.names(in: folder).compactMap { Int32($0) }.sorted()
    }
}

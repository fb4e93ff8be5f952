enum DirectoryPath {
    /// The folder that an absolute path is in: `/run` of `/run/x`, `/` of `/x` and of `/`.
    static func of(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }
}

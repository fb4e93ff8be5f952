enum DirectoryPath {
    /// The parent folder of an absolute path: `/run` for `/run/x`, `/` for `/x` and for `/`.
    static func of(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }
}

/// The page at /: page/ of this package in one piece (Plugins/EmbedFiles/assemble-page.sh).
extension HTTPResponse {
    static let page = HTTPResponse(type: "text/html; charset=utf-8", body: Embedded_page.bytes, policy: pagePolicy)

    /// What the page may do. Its own policy, in its head, narrows 'unsafe-inline' to the
    /// hashes of its script and style.
    private static let pagePolicy =
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
        + "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

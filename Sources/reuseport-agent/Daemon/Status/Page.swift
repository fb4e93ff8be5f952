/// The page at /: page/ of this package in one piece (Plugins/EmbedFiles/assemble-page.sh).
extension HTTPResponse {
    static let page = HTTPResponse(
        200, type: "text/html; charset=utf-8",
        headers: [
            "Content-Security-Policy: \(pagePolicy)", "X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer",
        ], body: Embedded_page.bytes)

    /// What the page may do. Its own policy, in its head, narrows 'unsafe-inline' to the
    /// hashes of its script and style.
    private static let pagePolicy =
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
        + "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

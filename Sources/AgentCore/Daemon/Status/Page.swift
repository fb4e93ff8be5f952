/// The page at /: the folder page/ of this package as one file (Plugins/EmbedFiles/assemble-page.sh).
extension HTTPResponse {
    static let page = HTTPResponse(type: "text/html; charset=utf-8", body: Embedded_page.bytes, policy: pagePolicy)

    /// What the browser allows the page to do. The policy in the page's own head narrows
    /// 'unsafe-inline' to the hashes of its script and style.
    private static let pagePolicy =
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
        + "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

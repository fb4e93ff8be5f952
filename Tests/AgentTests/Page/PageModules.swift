import TelemetryLab
import TestSupport

/// The page's source files, for tests of the modules that know nothing of the page.
enum PageModules {
    /// A script that runs after the modules, which are as one, as in the page.
    static func script(_ modules: [String], _ body: String) throws -> String {
        let texts = try modules.map { module in
            guard let text = FileText.read("\(Checkout.page)/\(module).js") else {
                throw LabError("no page/\(module).js")
            }
            return text.split(separator: "\n", omittingEmptySubsequences: false)
                .filter { !$0.hasPrefix("import ") }
                .map { $0.hasPrefix("export ") ? $0.dropFirst("export ".count) : $0 }
                .joined(separator: "\n")
        }
        return (texts + [body]).joined(separator: "\n")
    }
}

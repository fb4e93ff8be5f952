/// Files of the package that the tests were built from.
package enum Checkout {
    package static let root = String(#filePath.dropLast("Tests/TestSupport/Checkout.swift".count))
    package static let page = root + "page"
    package static let examples = root + "examples"
    package static let docs = root + "docs"
    package static let statusSchema = root + "schema/status.schema.json"
    package static let usageSchema = root + "schema/usage-event.schema.json"
    package static let captures = examples + "/captures"
}

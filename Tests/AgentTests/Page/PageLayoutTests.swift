import TelemetryLab
import Testing

/// How the page looks at every width and in both color schemes, and what a screen reader gets.
@Suite(
    .serialized, .enabled(if: AgentUnderTest.hasChromium, "needs root and Debian packages chromium, chromium-driver"))
struct PageLayoutTests {
    @Test func `the table of groups fits its card at each width from 720 to 1920 pixels`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try PageFixture.agent(in: sandbox)
            let collectors = try PageFixture.collectors(in: sandbox, with: agent)
            let page = try PageFixture.open(in: sandbox)
            PageFixture.expect("the page has the collectors") { try page.collectors().count == 3 }
            var shown: [Int] = []
            for width in [720, 900, 1_199, 1_200, 1_300, 1_400, 1_500, 1_699, 1_700, 1_920] {
                try page.browser.resize(width: width, height: 900)
                let surplus = try page.browser.evaluate(
                    Int.self,
                    """
                    const table = document.getElementById("groups");
                    for (const cell of table.querySelectorAll("tbody td.n")) {
                      if (cell.firstElementChild) cell.replaceChildren(...cell.children), cell.firstElementChild.textContent = "99.9";
                      else cell.textContent = "1,234,567,890";
                      if (cell.lastElementChild) cell.lastElementChild.textContent = "k";
                    }
                    return table.parentElement.scrollWidth - table.parentElement.clientWidth;
                    """)
                #expect(surplus <= 0, "\(surplus) pixels too wide at \(width)")
                shown.append(
                    try page.browser.evaluate(
                        Int.self,
                        """
                        return [...document.querySelectorAll("#groups thead th")]
                          .filter((head) => head.offsetWidth > 0).length;
                        """))
            }
            // Rates are always there, totals where there is room.
            #expect(shown.allSatisfy { $0 >= 8 } && shown.contains { $0 > 8 }, "\(shown)")
            try page.browser.quit()
            _ = collectors
        }
    }

    @Test func `text has a contrast of 4.5:1 in both schemes, and nothing overflows from 360 to 1920 pixels`()
        async throws
    {
        try await Sandbox.run { sandbox in
            let agent = try PageFixture.agent(in: sandbox, hold: "1h")
            let collectors = try PageFixture.collectors(in: sandbox, with: agent)
            let exporters = try PageFixture.send()
            try collectors[2].stop()
            let page = try PageFixture.open(in: sandbox, fragment: "#198.51.100.1")
            PageFixture.expect("a collector is held, and an address is answered for") {
                try page.state(of: "c3") == "holding" && page.text("#answer").contains("198.51.100.1 ")
            }
            var grounds: [String] = []
            for scheme in ["light", "dark"] {
                try page.browser.prefer(scheme)
                #expect(try page.paleTexts() == [], "\(scheme)")
                grounds.append(try page.browser.text("return getComputedStyle(document.body).backgroundColor;"))
            }
            #expect(grounds == ["rgb(255, 255, 255)", "rgb(20, 22, 26)"])
            for width in [360, 720, 1_200, 1_920] {
                try page.browser.resize(width: width, height: 900)
                let scroll = try page.browser.evaluate(Int.self, "return document.documentElement.scrollWidth;")
                #expect(scroll <= width, "\(scroll) of \(width)")
            }
            try page.browser.quit()
            _ = exporters
        }
    }

    @Test func `screen readers get landmarks, names for all controls and headers for all tables`() async throws {
        struct Tree: Decodable {
            struct Text: Decodable { let value: String? }
            struct Node: Decodable {
                let ignored: Bool
                let role: Text?
                let name: Text?
            }
            let nodes: [Node]
        }
        try await Sandbox.run { sandbox in
            let agent = try PageFixture.agent(in: sandbox)
            let collectors = try PageFixture.collectors(in: sandbox, with: agent)
            let page = try PageFixture.open(in: sandbox)
            PageFixture.expect("the page has the collectors") { try page.collectors().count == 3 }
            try page.browser.command("Accessibility.enable")
            let tree = try page.browser.command(Tree.self, "Accessibility.getFullAXTree").nodes.filter { !$0.ignored }
            func names(_ role: String) -> [String] {
                tree.filter { $0.role?.value == role }.map { $0.name?.value ?? "" }
            }
            for role in [
                "button", "link", "textbox", "checkbox", "radio", "combobox", "table", "columnheader", "rowheader",
                "image",
            ] {
                #expect(!names(role).contains(""), "\(role): \(names(role))")
            }
            for landmark in ["banner", "main", "contentinfo", "search"] {
                #expect(names(landmark).count == 1, "\(landmark)")
            }
            #expect(names("heading").contains("Where does this address go?") && names("heading").contains("edge"))
            #expect(names("textbox") == ["Address of an exporter"])
            #expect(names("columnheader").contains("Share") && names("rowheader").contains("c1"))
            let polite = try page.browser.evaluate(
                Int.self, "return document.querySelectorAll('[aria-live=polite]').length;")
            #expect(polite == 2, "what is spoken by itself: events summed up, and the answer")
            // The first Tab leads past the head.
            try page.browser.type(Browser.Key.tab)
            #expect(try page.browser.text("return document.activeElement.textContent;") == "Skip to the collectors")
            try page.browser.type(Browser.Key.enter)
            #expect(try page.browser.text("return document.activeElement.id;") == "collectors-title")
            try page.browser.quit()
            _ = collectors
        }
    }
}

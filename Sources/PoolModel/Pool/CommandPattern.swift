/// What a collector's command line looks like.
///
/// With `*` (any letters, none too) or `?` (any one) it has to match the whole
/// command line, its arguments joined by one space. Without them it has to stand
/// in it as whole words; in front of the first, folders may be left out:
/// `nfacctd -f /etc/c1.conf` is found in `/usr/sbin/nfacctd -f /etc/c1.conf -d`,
/// and `c1.conf` too, but neither `c1` nor `nfacctd -f c1.conf`.
public struct CommandPattern: Hashable, Sendable {
    public let text: String
    private let scalars: [Unicode.Scalar]
    private let isGlob: Bool

    /// Longest pattern, in bytes.
    public static let limit = 1_024

    public enum Problem: Error, Equatable {
        /// Empty, too long, or with spaces around it.
        case spelling
        /// Nothing but `*` and `?`.
        case matchesAll
    }

    public init(_ text: String) throws(Problem) {
        guard (1...Self.limit).contains(text.utf8.count), !text.first!.isWhitespace, !text.last!.isWhitespace else {
            throw .spelling
        }
        guard !text.allSatisfy({ "*? ".contains($0) }) else { throw .matchesAll }
        self.text = text
        scalars = Array(text.unicodeScalars)
        isGlob = scalars.contains { Self.wildcards.contains($0) }
    }

    private static let wildcards: [Unicode.Scalar] = ["*", "?"]

    /// - Parameter line: arguments, joined by one space each.
    package func matches(_ line: [Unicode.Scalar]) -> Bool {
        if line.isEmpty { return false }
        return isGlob ? matchesWhole(line) : isWords(of: line)
    }

    private func isWords(of line: [Unicode.Scalar]) -> Bool {
        guard line.count >= scalars.count else { return false }
        return (0...line.count - scalars.count).contains { start in
            let end = start + scalars.count
            guard line[start] == scalars[0], start == 0 || line[start - 1] == " " || line[start - 1] == "/",
                end == line.count || line[end] == " "
            else { return false }
            return line[start..<end].elementsEqual(scalars)
        }
    }

    /// After a mismatch, the last `*` takes one letter more: steps at most the
    /// product of both lengths.
    private func matchesWhole(_ line: [Unicode.Scalar]) -> Bool {
        var (place, letter) = (0, 0)
        var star: (place: Int, letter: Int)?
        while letter < line.count {
            if place < scalars.count, scalars[place] == "*" {
                star = (place, letter)
                place += 1
            } else if place < scalars.count, scalars[place] == "?" || scalars[place] == line[letter] {
                place += 1
                letter += 1
            } else if let last = star {
                star = (last.place, last.letter + 1)
                (place, letter) = (last.place + 1, last.letter + 1)
            } else {
                return false
            }
        }
        return scalars[place...].allSatisfy { $0 == "*" }
    }
}

/// A better message for a refused command line: the parser reports a missing option before an unknown one,
/// and takes `-1` for an option.
package enum UsageHint {
    /// - Parameter help: the help text of a command.
    package static func text(_ arguments: [String], commands: [String: String]) -> String? {
        guard let name = arguments.first(where: { !$0.hasPrefix("-") }), name != "help" else { return nil }
        guard let help = commands[name] else {
            let guess = name.nearest(among: commands.keys.sorted()).map { "; did you mean \($0)?" }
            return "there is no command \(name)" + (guess ?? "")
        }
        let known = options(in: help)
        var previous = ""
        for argument in arguments.drop(while: { $0 != name }).dropFirst() {
            if argument == "--" { return nil }
            // The rest belongs to the command of `exec`.
            if name == "exec", !argument.hasPrefix("-"), !known.contains(previous) { return nil }
            if known.contains(previous), let value = Double(argument), value < 0 {
                return "\(previous) takes no negative number, like \(argument)"
            }
            let option = String(argument.prefix { $0 != "=" })
            if option.hasPrefix("--"), !known.contains(option) {
                return "there is no option \(option)"
                    + (option.nearest(among: known).map { "; did you mean \($0)?" } ?? "")
            }
            previous = argument
        }
        return nil
    }

    /// Every `--option` of the text.
    private static func options(in help: String) -> [String] {
        help.split { !($0.isLetter || $0.isNumber || $0 == "-") }.map(String.init).filter {
            $0.hasPrefix("--") && $0.count > 2
        }
    }
}

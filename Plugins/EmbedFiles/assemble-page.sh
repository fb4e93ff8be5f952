#!/bin/sh
# assemble-page.sh PAGE.html
# Prints the page in one piece: @style@ becomes page.css, @script@ the modules beside
# it, as one module, and @policy@ the Content-Security-Policy that allows these two.
set -eu
folder=$(dirname "$1")

# In an order in which each module comes after those that it imports. Their names are
# unlike, so they need no scopes of their own.
modules="format rates rows palette address dom tint grid counters poll head collector
    collectors groups strip balance exporters question events keys main"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$folder/page.css" "$work/style"
for module in $modules; do
    sed -e '/^import .* from "\.\/[a-z]*\.js";$/d' -e 's/^export //' "$folder/$module.js"
done >"$work/script"

# The hash that the policy wants is base64 of the bytes that sha256sum prints in hexadecimal.
policy_hash() {
    for byte in $(sha256sum <"$1" | cut -c 1-64 | sed 's/../0x& /g'); do
        # shellcheck disable=SC2059
        printf "\\$(printf %03o "$byte")"
    done | base64
}
policy="default-src 'none'; script-src 'sha256-$(policy_hash "$work/script")'; style-src 'sha256-$(policy_hash "$work/style")'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'"

# Files are put in as they are, without a line end more.
while IFS= read -r line; do
    case $line in
    "<style>@style@</style>") printf '<style>' && cat "$work/style" && printf '</style>\n' ;;
    *"@script@</script>") printf '%s' "${line%%@script@*}" && cat "$work/script" && printf '</script>\n' ;;
    *"@policy@"*) printf '%s%s%s\n' "${line%%@policy@*}" "$policy" "${line#*@policy@}" ;;
    *) printf '%s\n' "$line" ;;
    esac
done <"$1"

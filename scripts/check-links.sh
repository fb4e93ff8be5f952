#!/usr/bin/env bash
# Relative links in the documentation lead to files that exist, and anchors to headings.
set -euo pipefail
cd "$(dirname "$0")/.."

# The anchors of a page, as the forge makes them from headings: lower case, without
# punctuation, spaces as hyphens.
anchors() {
    sed -n '/^```/,/^```/!s/^##* //p' "$1" | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}

broken=0
while IFS= read -r page; do
    while IFS= read -r link; do
        file=${link%%#*}
        anchor=
        [ "$file" = "$link" ] || anchor=${link#*#}
        target=$page
        [ -z "$file" ] || target=$(dirname "$page")/$file
        if [ ! -e "$target" ]; then
            echo "$page: there is no $link" >&2
            broken=1
        elif [ -n "$anchor" ] && ! anchors "$target" | grep -qxF -- "$anchor"; then
            echo "$page: no heading for $link" >&2
            broken=1
        fi
    done < <(grep -oE '\]\([^)]+\)' "$page" | sed 's/^](//; s/)$//; s/ ".*//' | grep -vE '^(https?|mailto):' || true)
done < <(git ls-files '*.md')
exit $broken

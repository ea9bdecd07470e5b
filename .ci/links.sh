#!/usr/bin/env bash
# Checks the relative links of the Markdown files.
#
# Every link must point to a file or folder of the repository. A link in a document that is part of
# the published crate must point into that crate, or it is dead on crates.io and docs.rs.
set -euo pipefail
cd "$(dirname "$0")/.."

packaged=$(cargo package --list --allow-dirty 2>/dev/null)
bad=0 links=0
report() {
  echo "$1: $2: $3"
  bad=$((bad + 1))
}

while IFS= read -r file; do
  [ -f "$file" ] || continue # deleted, and not committed yet
  # Without fenced code blocks.
  targets=$(sed '/^ *```/,/^ *```/d' "$file" | { grep -oE '\]\([^() ]+\)' || [ $? -eq 1 ]; } | sed 's/^](//; s/)$//')
  while IFS= read -r target; do
    case $target in
      "" | \#* | *://* | mailto:*) continue ;; # nothing, this page, elsewhere
      *::* | crate | crate#* | self) continue ;; # an item: rustdoc checks these
    esac
    links=$((links + 1))
    path=${target%%#*}
    path=$(realpath -m --relative-to=. -- "$(dirname "$file")/$path")
    if [ ! -e "$path" ]; then
      report "$file" "$target" "no such file"
    elif grep -qxF -- "$file" <<<"$packaged" && ! grep -qE -- "^${path//./\\.}(/|\$)" <<<"$packaged"; then
      report "$file" "$target" "not part of the package"
    fi
  done <<<"$targets"
done < <(git ls-files --cached --others --exclude-standard '*.md' | sort -u)

echo "$links links, $bad bad"
[ "$links" -gt 0 ] && [ "$bad" -eq 0 ]

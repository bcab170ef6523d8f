#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: compile_fail.sh SOURCE OBJECT COMPILER [FLAGS...]
# SOURCE must compile; with -DRILL_MUST_FAIL it must not, and each of its `// expect: REGEX` lines (grep -E, one line of
# output at a time) must match what the compiler says. Prints what was wrong and exits 1 otherwise.
set -eu
source=$1 object=$2 compiler=$3
shift 3
case $("$compiler" --version) in
  *clang*) budget=-fconstexpr-steps=2000000000 ;;
  *) budget=-fconstexpr-ops-limit=2000000000 ;;
esac
log=$object.log
trap 'rm -f "$object"' EXIT
compile() {
  "$compiler" -std=c++20 -O0 "$budget" -fdiagnostics-color=never -fmessage-length=0 "$@" -c "$source" -o "$object" >"$log" 2>&1
}
if ! compile "$@"; then
  echo "$source does not compile without RILL_MUST_FAIL:"
  sed -n '1,60p' "$log"
  exit 1
fi
if compile -DRILL_MUST_FAIL "$@"; then
  echo "$source compiles with RILL_MUST_FAIL"
  exit 1
fi
patterns=$(sed -n 's|^[[:space:]]*// expect: ||p' "$source")
if [ -z "$patterns" ]; then
  echo "$source has no line '// expect: REGEX'"
  exit 1
fi
status=0
while IFS= read -r pattern; do
  if ! grep -Eq -e "$pattern" "$log"; then
    echo "$source: nothing that $compiler says matches: $pattern"
    status=1
  fi
done <<END
$patterns
END
if [ "$status" -ne 0 ]; then sed -n '1,60p' "$log"; fi
exit "$status"

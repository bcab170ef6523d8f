# SPDX-License-Identifier: Apache-2.0
# Reads ctest's LastTest.log and prints 'N passed, N failed, N skipped'; exits 1 if anything failed or ctest said so
# (-v status=CODE). A doctest executable counts as its test cases; one that prints a line `SKIP: reason` counts as
# skipped, not passed. Any other test counts as one, and so does an executable that fails outside its test cases.
function finish() {
  if (!open) return
  if (verdict == "skipped") skipped++
  else if (cases) {
    passed += case_passed - case_skips
    failed += case_failed
    skipped += case_skips
    if (verdict == "failed" && !case_failed) failed++
  } else if (verdict == "passed" && case_skips) skipped++
  else if (verdict == "passed") passed++
  else failed++
  open = 0
}
/^[0-9]+\/[0-9]+ Testing: / { finish(); open = 1; cases = case_passed = case_failed = case_skips = 0; verdict = "failed" }
/^(.*MESSAGE: )?SKIP: / { case_skips++ }
/^\[doctest\] test cases:/ {
  line = $0
  gsub(/\033\[[0-9;]*m/, "", line)
  gsub(/[|:]/, " ", line)
  n = split(line, word, /[ \t]+/)
  for (i = 2; i <= n; ++i) {
    if (word[i] == "passed") case_passed += word[i - 1]
    if (word[i] == "failed") case_failed += word[i - 1]
  }
  cases = 1
}
/^Test Passed\./ { verdict = "passed" }
/^Test Failed\./ { verdict = "failed" }
/^Test Skipped\./ { verdict = "skipped" }
END {
  finish()
  if (status && !failed) failed++
  printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
  exit failed ? 1 : 0
}

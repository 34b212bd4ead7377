"""``make hazards``: write docs/hazards.md from docs/hazards.toml and the code."""

from __future__ import annotations

import sys

from tests.hazards.table import PAGE, page, problems, read_table


def main() -> int:
    """Write the page; 1 where the table does not fit the repository."""
    table = read_table()
    found = problems(table)
    for problem in found:
        print(f"hazards: {problem}", file=sys.stderr)
    PAGE.write_text(page(table), "utf-8")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

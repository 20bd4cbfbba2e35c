"""Write the kernels' sources of the catalogue: `python -m cells.fused`, with `--check` only compare."""

from __future__ import annotations

import argparse
import sys

from cells.fused.catalogue import sources
from cells.fused.store import GENERATED


def main() -> int:
    """Exit with 1 where ``--check`` finds a source that is not what would be written, or one too many."""
    parser = argparse.ArgumentParser(prog="python -m cells.fused", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail where stale")
    check = parser.parse_args().check
    wanted = sources()
    stale = []
    for name, text in wanted.items():
        path = GENERATED / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
    for path in sorted(GENERATED.glob("*_*.py")):
        if path.name not in wanted and path.name != "__init__.py":
            stale.append(path.name)
            if not check:
                path.unlink()
    if stale and check:
        sys.stderr.write(
            f"stale kernels: {', '.join(stale)}; run `python -m cells.fused` and commit what it writes\n"
        )
        return 1
    sys.stdout.write(f"{len(wanted)} sources, {len(stale)} {'stale' if check else 'written'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

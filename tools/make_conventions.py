"""Write docs/conventions.md, the page of all ``Convention`` sections in the docstrings of the package.

``python tools/make_conventions.py`` writes the page. Modules are parsed, not imported.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "conventions.md"
COMMAND = "make conventions"
HEADER = f"""# Conventions

Coordinates, shapes, units, value ranges and file names that two readers of the code could otherwise understand
differently. Every entry is the `Convention` section of a docstring.

Do not edit this page. `{COMMAND}` writes it from the docstrings.
"""
SECTION = re.compile(r"^(\w[\w ]*):$")  # a line such as "Convention:" or "Args:"
ROLE = re.compile(r":\w+:`~?([^`]+)`")
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def page(package: Path) -> str:
    """Return the text of the page.

    Args:
        package: Folder of the package, which lies beside ``docs``.
    """
    parts = [HEADER]
    for module in sorted(package.rglob("*.py")):
        sections = list(conventions(ast.parse(module.read_text(encoding="utf-8"))))
        if sections:
            name = module.relative_to(package.parent).as_posix()
            parts.append(f"## [{name}](../{name})\n")
            parts.extend(f"**`{title}`**\n\n{text}\n" if title else f"{text}\n" for title, text in sections)
    return "\n".join(parts)


def conventions(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the qualified name and the convention, as Markdown, of every docstring that has one.

    The name of the module itself is empty.
    """
    yield from _conventions(module, "")


def _conventions(node: Documented, name: str) -> Iterator[tuple[str, str]]:
    lines = _section(ast.get_docstring(node) or "", "Convention")
    if lines:
        yield name, _markdown(lines)
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _conventions(child, f"{name}.{child.name}" if name else child.name)


def _section(docstring: str, title: str) -> list[str]:
    """Return the indented lines of one section of a docstring, without its title."""
    section: list[str] = []
    inside = False
    for line in docstring.splitlines():
        if SECTION.match(line):
            inside = line == f"{title}:"
        elif inside and line and not line.startswith(" "):
            break
        elif inside:
            section.append(line)
    return inspect.cleandoc("\n".join(section)).splitlines()


def _markdown(lines: list[str]) -> str:
    """Return docstring text as Markdown: roles and double backticks become code."""
    return ROLE.sub(r"`\1`", "\n".join(lines)).replace("``", "`")


def main() -> None:
    """Write the page and print its path."""
    PAGE.write_text(page(ROOT / "striq"), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE}\n")


if __name__ == "__main__":
    main()

"""Every module says what it owns; every public function of the libraries says what it gives and when it refuses."""

import ast

from support import tree

LINES = 8  # one to three sentences


def is_empty(path):
    return not tree.text(path).strip()


def test_every_module_says_what_it_owns():
    docstrings = {
        str(path): ast.get_docstring(tree.parsed(path)) or "" for path in tree.modules() if not is_empty(path)
    }
    assert not [path for path, docstring in docstrings.items() if not 1 <= len(docstring.splitlines()) <= LINES]


def is_described_by_itself(node):
    # A protocol says what is asked for, and its methods are signatures. A private class has no public parts.
    return node.name.startswith("_") or any("Protocol" in ast.unparse(base) for base in node.bases)


def undocumented(path, within):
    for node in within:
        is_definition = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if is_definition and not node.name.startswith("_") and not ast.get_docstring(node):
            yield f"{path}:{node.lineno} {node.name}"
        if isinstance(node, ast.ClassDef) and not is_described_by_itself(node):
            yield from undocumented(path, node.body)


def test_everything_public_in_the_libraries_is_described():
    assert not [name for path in tree.modules("libs") for name in undocumented(path, tree.parsed(path).body)]

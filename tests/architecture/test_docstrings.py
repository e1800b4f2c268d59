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


def is_protocol(node):
    # The class says what is asked for; its methods are signatures.
    return isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(base) for base in node.bases)


def undocumented(path):
    for node in ast.walk(tree.parsed(path)):
        names = node.body if isinstance(node, ast.Module | ast.ClassDef) and not is_protocol(node) else []
        for inner in names:
            is_definition = isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if is_definition and not inner.name.startswith("_") and not ast.get_docstring(inner):
                yield f"{path}:{inner.lineno} {inner.name}"


def test_everything_public_in_the_libraries_is_described():
    assert not [name for path in tree.modules("libs") for name in undocumented(path)]

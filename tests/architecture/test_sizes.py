"""A module that passes 300 lines holds two nouns, and a function that passes 40 does two things."""

import ast

from support import tree

MODULE = 300
FUNCTION = 40  # without its docstring, which is not work


def functions(path):
    for node in ast.walk(tree.parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(node):
    documented = ast.get_docstring(node, clean=False) is not None
    docstring = node.body[0].end_lineno - node.body[0].lineno + 1 if documented else 0
    return node.end_lineno - node.lineno + 1 - docstring


def test_modules_have_an_end():
    lengths = {str(path): len(tree.text(path).splitlines()) for path in tree.modules(*tree.SOURCES, "tests")}
    assert not {path: lines for path, lines in lengths.items() if lines > MODULE}


def test_functions_do_one_thing():
    lengths = {f"{path}:{node.lineno} {node.name}": length(node) for path in tree.modules() for node in functions(path)}
    assert not {name: lines for name, lines in lengths.items() if lines > FUNCTION}

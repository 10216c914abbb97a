"""What a public name takes and returns is written at it, for type checkers.

That it is right is seen by mypy in tests/public_types.py, by `make lint`.
"""

import ast
import importlib
import inspect
import pathlib
import types

import supcon_tf

PACKAGE = pathlib.Path(supcon_tf.__file__).parent


def of_the_package(value):
    return getattr(value, "__module__", "").startswith("supcon_tf")


def documented(method):
    """Whether a method is for whoever imports the class, not for Keras."""
    text = method.__doc__ or ""
    return "Args:" in text or "Returns:" in text


def functions_of(name, value):
    """A function itself; of a class the constructor and documented methods."""
    if not isinstance(value, type):
        if isinstance(value, types.FunctionType) and of_the_package(value):
            yield name, value
        return
    for base in filter(of_the_package, value.__mro__):
        for key, method in vars(base).items():
            method = getattr(method, "__func__", method)  # a classmethod
            if isinstance(method, types.FunctionType) and (
                key == "__init__"
                or (not key.startswith("_") and documented(method))
            ):
                yield f"{name}.{key}", method


def public_functions():
    for name in supcon_tf.__all__:
        value = getattr(supcon_tf, name)
        if not inspect.ismodule(value):
            yield from functions_of(name, value)
            continue
        for key, member in vars(value).items():
            if not key.startswith("_") and (
                key in value.__all__
                if hasattr(value, "__all__")
                else getattr(member, "__module__", "") == value.__name__
            ):
                yield from functions_of(f"{name}.{key}", member)


def test_every_argument_and_result_of_a_public_function_has_a_type():
    found = dict(public_functions())
    assert {"supcon_loss", "SupConLoss.__init__"} <= found.keys()
    assert {"encoders.from_keras", "schedules.WarmUp.__init__"} <= found.keys()
    untyped = []
    for name, function in found.items():
        signature = inspect.signature(function, follow_wrapped=False)
        arguments = [
            p
            for p in signature.parameters.values()
            if p.name not in ("self", "cls")
        ]
        untyped += [
            f"{name}({p.name})" for p in arguments if p.annotation is p.empty
        ]
        if not name.endswith("__init__"):
            if signature.return_annotation is signature.empty:
                untyped.append(f"{name} ->")
    assert not untyped


def test_a_type_checker_reads_the_names_that_python_has():
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text())
    imported = {}
    for node in stub.body:
        if not isinstance(node, ast.ImportFrom):
            continue
        module = importlib.import_module(node.module)
        for alias in node.names:
            if alias.name == "*":
                imported |= {x: getattr(module, x) for x in module.__all__}
            else:
                imported[alias.asname] = getattr(module, alias.name)
    assert sorted(imported) == supcon_tf.__all__
    for name, value in imported.items():
        assert getattr(supcon_tf, name) is value

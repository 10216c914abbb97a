"""Builders that call another builder with some of its arguments given."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

_Builder = TypeVar("_Builder", bound=Callable[..., Any])


def variant_of(base: Callable[..., Any]) -> Callable[[_Builder], _Builder]:
    """Decorates a builder that hands its `**options` on to another builder.

    The builder's signature then shows the options, which are the keyword-only
    arguments of the other builder that have defaults. Help, editors and the
    flags of the commands find them there.

    Args:
      base: the other builder.

    Returns:
      A decorator of a function.

    Example:
      >>> from supcon_tf.encoders.vit import vit_b16
      >>> "patch_size" in inspect.signature(vit_b16).parameters
      True
    """
    options = [
        parameter
        for parameter in inspect.signature(base).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
        and parameter.default is not parameter.empty
    ]

    def decorate(builder):
        signature = inspect.signature(builder)
        own = [
            parameter
            for parameter in signature.parameters.values()
            if parameter.kind is not parameter.VAR_KEYWORD
        ]
        builder.__signature__ = signature.replace(parameters=[*own, *options])
        return builder

    return decorate

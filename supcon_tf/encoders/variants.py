"""Builders that call another builder with some of its arguments given."""

import inspect


def variant_of(base):
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
        own = [
            parameter
            for parameter in inspect.signature(builder).parameters.values()
            if parameter.kind is not parameter.VAR_KEYWORD
        ]
        builder.__signature__ = inspect.Signature([*own, *options])
        return builder

    return decorate

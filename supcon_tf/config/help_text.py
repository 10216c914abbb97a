"""Writes --help: examples, the flags that matter, the names of the others."""

import textwrap

_HEADING = "heading: "
_WIDTH = 80


def under_heading(heading):
    """The name of a module of flags that --help lists under a heading.

    Args:
      heading: the words.

    Returns:
      A string for the `module_name` of an absl flag.

    Example:
      >>> under_heading("The views")
      'heading: The views'
    """
    return f"{_HEADING}{heading}"


def help_text(program, usage, values, *, is_full):
    """Makes the help of a command.

    Args:
      program: name of the command.
      usage: text to begin with.
      values: `absl.flags.FlagValues` with the command's flags. Those of no
        heading come first.
      is_full: whether the flags below the headings are explained, too, as by
        --helpfull. Otherwise their names are listed.

    Returns:
      A string of several lines.

    Example:
      >>> from absl import flags
      >>> values = flags.FlagValues()
      >>> flags.DEFINE_string("workdir", None, "Folder to write to.", values)
      <...>
      >>> print(help_text("supcon-x", "Does it.", values, is_full=False))
      Does it.
      <BLANKLINE>
      Flags of supcon-x:
      <BLANKLINE>
        --workdir: Folder to write to.
    """
    first, headings = [], {}
    for module, found in values.flags_by_module_dict().items():
        if module.startswith(_HEADING):
            headings[module.removeprefix(_HEADING)] = found
        else:
            first += found
    lines = [usage.strip(), "", f"Flags of {program}:", ""]
    lines += map(_explained, first)
    if headings and not is_full:
        lines += ["", f"Further flags, which {program} --helpfull explains:"]
    for heading, found in headings.items():
        if is_full:
            lines += ["", f"{heading}:", "", *map(_explained, found)]
        else:
            lines += ["", _wrapped(f"{heading}: {_names(found)}")]
    return "\n".join(lines)


def _explained(flag):
    """A flag with its text and, where it has one, its default."""
    text = f"{_name(flag)}: {' '.join(flag.help.split())}"
    if flag.default is not None and not flag.boolean:
        text += f" (default: {flag.default_as_str.strip(chr(39))})"
    return _wrapped(text)


def _names(found):
    return ", ".join(map(_name, found))


def _name(flag):
    return f"--[no]{flag.name}" if flag.boolean else f"--{flag.name}"


def _wrapped(text):
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent="  ",
        subsequent_indent="      ",
        break_on_hyphens=False,
        break_long_words=False,
    )

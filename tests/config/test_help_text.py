from absl import flags

from supcon_tf.config.help_text import help_text, under_heading


def test_what_has_a_heading_is_named_and_what_has_none_explained():
    values = flags.FlagValues()
    flags.DEFINE_integer("top", 10, "How many.", flag_values=values)
    module = under_heading("Rarely needed")
    flags.DEFINE_bool(
        "fast", None, "Hurry.", flag_values=values, module_name=module
    )
    short, full = (
        help_text("ask", "What.\n", values, is_full=is_full)
        for is_full in (False, True)
    )
    begin = "What.\n\nFlags of ask:\n\n  --top: How many. (default: 10)\n\n"
    assert short == (
        f"{begin}Further flags, which ask --helpfull explains:\n\n"
        "  Rarely needed: --[no]fast"
    )
    assert full == f"{begin}Rarely needed:\n\n  --[no]fast: Hurry."

"""The commands, as a person starts them: each in a process of its own."""

import json
import subprocess
import sys

import pytest

COMMANDS = {
    "supcon_tf.pretrain": "supcon-pretrain",
    "supcon_tf.linear_eval": "supcon-linear-eval",
    "supcon_tf.evaluate": "supcon-evaluate",
    "supcon_tf.sweep": "supcon-sweep",
    "supcon_tf.photographs.first_answer": "supcon-photos",
    "supcon_tf.photographs.images": "supcon-images",
    "supcon_tf.photographs.embed": "supcon-embed",
    "supcon_tf.photographs.search": "supcon-search",
    "supcon_tf.photographs.predict": "supcon-predict",
    "hub_export.export": "supcon-hub-export",
}
# What needs no TensorFlow: --help, the list, what a flag alone makes wrong.
QUICK = """
import contextlib, importlib, io, json, sys
results = []
for module, *flags in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = importlib.import_module(module).main(flags)
    loaded = {"tensorflow", "keras", "sklearn"} & set(sys.modules)
    results.append([status, out.getvalue(), err.getvalue(), sorted(loaded)])
print(json.dumps(results))
"""


def answers(*calls):
    """Status, output, errors and loaded libraries of each call."""
    program = [sys.executable, "-c", QUICK, json.dumps(calls)]
    return json.loads(subprocess.check_output(program, text=True))


@pytest.mark.slow
def test_help_and_the_lists_do_not_wait_for_tensorflow():
    calls = [(module, "--help") for module in COMMANDS]
    calls.append(("supcon_tf.pretrain", "--helpfull"))
    lists = [["--list_recipes"], ["--list_losses"]]
    calls.extend(("supcon_tf.pretrain", *flags) for flags in lists)
    *helps, full, recipes, losses = answers(*calls)
    for (out_status, out, err, libraries), name in zip(
        helps, COMMANDS.values(), strict=True
    ):
        assert (out_status, err, libraries) == (0, "", [])
        assert f"Flags of {name}:" in out
        # About ten are explained, and after their examples: one looks at them.
        begin, _, rest = out.partition(f"Flags of {name}:")
        assert f"    {name}" in begin or name == "supcon-hub-export"
        first, _, _ = rest.partition("Further flags")
        assert 4 <= first.count("\n  --") <= 12, name
    for (status, out, err, loaded), name in (
        (recipes, "supcon_cifar10_resnet50"),
        (losses, "--loss_margin=0"),
    ):
        assert (status, err, loaded) == (0, "", [])
        assert name in out
    for objective in ("supcon, the labels by contrast", "max_margin, "):
        assert objective in " ".join(full[1].split())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            ("pretrain", "--recipe=none"),
            "`recipe` must be one of [",
        ),
        (
            ("pretrain", "--recipe=phots"),
            "Received: recipe='phots'; the nearest are 'photos', ",
        ),
        (("pretrain", "--recipe=digits", "--epochs=x"), "flag --epochs=x: "),
        (
            ("pretrain", "--recipe=digits", "--no_such=1"),
            "Unknown command",
        ),
        (
            ("pretrain", "--recipe=digits", "--temperature=-1"),
            "`temperature` must be > 0. Received: temperature=-1.0",
        ),
        (
            ("pretrain", "--recipe=cross_entropy_digits", "--temperature=1"),
            "`temperature` must be left out with objective='cross_entropy', wh",
        ),
        (
            ("pretrain", "--recipe=digits", "--cutmix_alpha=1"),
            "`cutmix_alpha` must be left out with loss='supcon', which has no",
        ),
        (
            ("linear_eval", "--workdir=W", "--l2=0"),
            "`l2` must be one or more > 0. Received: l2=(0.0,)",
        ),
        (
            ("evaluate", "--encoder=W", "--severities=1"),
            "`severities` must be left out with corruptions=None, which has no",
        ),
        (("sweep", "--study=none"), "`study` must be one of ['batch_size', "),
        (
            ("photographs.images", "/none"),
            "Received: '/none', no such folder",
        ),
        (
            ("photographs.predict", "--workdir=W"),
            "supcon-predict must be given photographs or folders",
        ),
        (
            ("photographs.search", "--images=F"),
            "supcon-search must be given photographs to search for",
        ),
        (
            ("photographs.embed", "--output=v.txt"),
            "`output` must be a file that ends in .npz or .csv or .parquet",
        ),
    ],
)
def test_a_refused_flag_is_one_line_and_does_not_wait_for_tensorflow(
    call, message
):
    module, *flags = call
    ((status, out, err, loaded),) = answers((f"supcon_tf.{module}", *flags))
    assert (status, out, loaded) == (2, "", [])
    assert err.count("\n") == 1
    assert message in err


@pytest.mark.slow
def test_tensorflow_writes_nothing_before_our_one_line(tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "supcon_tf.linear_eval"),
            f"--workdir={tmp_path / 'none'}",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("supcon-linear-eval: error: `workdir` must")
    assert done.stderr.count("\n") == 1

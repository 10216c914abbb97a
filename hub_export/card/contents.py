"""Writes a card's parts on what a SavedModel takes, returns and holds.

The argument `facts` is that of `model_card`.
"""

import shlex

from hub_export.card.provenance import listed


def stats(facts):
    """Makes a table of sizes, as Markdown."""
    rows = [
        ("features", f"{facts['features']:,}"),
        ("parameters, batch statistics included", f"{facts['parameters']:,}"),
        ("trainable parameters", f"{facts['trainable_parameters']:,}"),
        ("weights on disk", f"{facts['variables_bytes']:,} bytes"),
        ("SavedModel on disk", f"{facts['saved_model_bytes']:,} bytes"),
    ]
    lines = [f"| {name} | {value} |" for name, value in rows]
    return "\n".join(["| | |", "|---|---|", *lines])


def precision(facts):
    """Tells the precision of the training and of the export, and the check."""
    trained = facts["precision"]
    sizes = listed(f"{height} x {width}" for height, width in facts["sizes"])
    largest = facts["largest_difference"]
    return (
        f"Trained under the dtype policy `{trained}`; here all computations "
        "are in float32. A new process read the SavedModel back, and it was "
        f"compared with the encoder at {sizes} pixels: the largest "
        "difference, relative to the largest value, is "
        f"{largest['inference']:.1e} in inference mode and "
        f"{largest['training']:.1e} in training mode."
    )


def versions(facts):
    """Lists the versions of the packages that wrote the SavedModel."""
    names = {"tensorflow": "TensorFlow", "keras": "Keras"}
    return listed(
        f"{names.get(name, name)} {version}"
        for name, version in facts["versions"].items()
    )


def archive(facts):
    """Tells about the archive. Returns the empty string if there is none."""
    if facts["archive"] is None:
        return ""
    name, size = facts["archive"]["name"], facts["archive"]["bytes"]
    return f"""

`{name}` is the same as one file of {size:,} bytes. SHA-256: \
`{facts["archive"]["sha256"]}`. `hub.load` takes it by its URL on a web \
server. It does not take a local archive; `supcon_tf.HubEncoder` does. The \
files lie at the top of the archive, so that it is unpacked into a folder of \
its own:

```sh
mkdir DIR && tar -xzf {shlex.quote(name)} -C DIR
```"""


def inputs(facts):
    """Tells the shape, the type and the range of the images."""
    height, width = facts["images"][1:3]
    return f"""\
- shape `[B, H, W, 3]`, RGB, channels last; B: any; H: {height or "any"}; \
W: {width or "any"}
- float32 in [0, 1]; the normalisation is inside. Floats of another width must \
be cast.
- or uint8, 0 to 255, which is divided by 255: an extension of TF-Hub's \
convention"""


def outputs(facts, unit_length):
    """Makes a table of what each call returns.

    `unit_length` is the sentence on whether the features have length 1.
    """
    features = f"[B, {facts['features']}]"
    rows = [("encoder(images)", f"features `{features}`")]
    endpoints = ", ".join(
        f"`{name}` `{_shape(shape)}`"
        for name, shape in facts["endpoints"].items()
    )
    rows.append(
        ("encoder(images, return_endpoints=True)", f"dict of {endpoints}")
    )
    callables = facts["callables"]
    for name, call, words in (
        ("projection", "projection(images)", "projections"),
        ("projection_head", "projection_head(features)", "the same"),
        ("classifier", "classifier(images)", "class probabilities"),
    ):
        if name in callables:
            shape = _shape(callables[name])
            rows.append((f"encoder.{call}", f"{words} `{shape}`"))
    if "classifier" in callables and facts["class_names"]:
        names = f"names of the {len(facts['class_names'])} classes, in order"
        rows.append(("encoder.classifier.class_names()", names))
    if facts.get("preprocessing") is not None:
        height, width = facts["preprocessing"]["image_size"]
        rows += [
            (
                "encoder.preprocess(photographs)",
                f"images `[B, {height}, {width}, 3]`, float32 in [0, 1], of "
                "files (bytes) or of images of any size",
            ),
            ("encoder.image_size()", f"`[{height}, {width}]`"),
        ]
    if facts.get("known") is not None:
        known = facts["known"]
        rows += [
            (
                "encoder.distance(images)",
                "distances `[B]`: one minus the mean cosine similarity to the "
                f"{known['neighbors']} nearest of {known['photographs']:,} "
                "photographs of the training, whose features are inside",
            ),
            (
                "encoder.threshold()",
                f"{known['threshold']:.3g}: an image that is farther is of "
                f"none of the classes. {known['keep']:.0%} of those held out "
                "in training are nearer",
            ),
        ]
    lines = [f"| `{call}` | {result} |" for call, result in rows]
    table = "\n".join(["| call | result |", "|---|---|", *lines])
    return (
        f"{table}\n\n{unit_length} All numbers are float32. Each call on "
        "images or features takes `training=True`, too: then batch statistics "
        "are those of the batch, and dropout is on."
    )


def fine_tuning(facts):
    """Tells what to know before the weights are trained further."""
    count = facts["trainable_parameters"]
    lines = [f"- {count:,} parameters are trained, all but batch statistics."]
    if facts["parameters"] > facts["trainable_parameters"]:
        lines.append(
            "- In training mode the statistics of BatchNormalization are those "
            "of the batch. Of a few images they are noisy: take batches of 32 "
            "or more, or leave the encoder frozen (`trainable=False`). In a "
            "training loop, `encoder(images, training=False)` trains the "
            "weights with the statistics as they are."
        )
        sync = (
            "- In training they were synchronized over the replicas"
            if facts["synchronized"]
            else "- In training they were not synchronized over replicas"
        )
        lines.append(
            f"{sync}. Here they never are, as a SavedModel cannot: each "
            "replica has those of its own part of the batch."
        )
    count = facts["regularization_losses"]
    losses = "loss" if count == 1 else "losses"
    lines.append(
        "- It has no regularization losses."
        if not count
        else f"- It holds {count} regularization {losses} of its training, "
        "`encoder.regularization_losses`, to be added to that of the task. "
        "HubEncoder and hub.KerasLayer do so when they are trainable."
    )
    return "\n".join(lines)


def _shape(shape):
    """Writes a shape such as `[B, any, any, 64]`, where B is the batch size."""
    sizes = ["any" if size is None else str(size) for size in shape[1:]]
    return f"[{', '.join(['B', *sizes])}]"

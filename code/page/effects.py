"""What each dimension does, from the results.json of eval.py --mode cap_tweak."""
from pathlib import Path

from data.readers.files import content_of, expect, from_json
from model.network import Network
from settings import ROOT, InputError

DEFAULT = ROOT / "figs" / "cap_tweak" / "results.json"


def read(path: str | None, network: Network, name: str, dims: int) -> dict | None:
    """Returns {"per": the change, "classes": [J][E] words}, or None where nothing was measured.

    path: the user's file; None: DEFAULT if it is of this network's weights. name: of the network,
    FOLDER/CHECKPOINT; dims: of its class capsules. InputError if the user's file is anything else.
    """
    if path is None:
        try:
            return read(DEFAULT, network, name, dims)
        except InputError:
            return None

    # Read the file, which may be anything.
    content = content_of(Path(path))
    try:
        results = from_json(content)
        of, weights, per = results["checkpoint"], results["weights"], f"{results['per']:.3g}"
        not_measured = {"dimensions": dims * [{"strongest": "not measured"}]}
        words = []
        for j in range(network.classes):
            dimensions = results["effects"].get(f"class {j}", not_measured)["dimensions"]
            words.append([one["strongest"] or "nothing significant" for one in dimensions])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f"--effects: {path} is not a results.json of eval.py --mode cap_tweak "
                         f"({type(error).__name__}: {error})") from None

    # Is it of this network?
    others = " with other weights" if of == name else ""
    expect(weights == network.digest(), "--effects", f"the effects of {name}",
           f"those of {of}{others}")
    return {"per": per, "classes": words}

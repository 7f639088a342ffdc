"""What each dimension does, from the results.json of eval.py --mode cap_tweak."""
import math
from pathlib import Path

from data.readers.files import from_json
from model.network import Network
from settings import ROOT, InputError

DEFAULT = ROOT / "figs" / "cap_tweak" / "results.json"
LARGEST = 2 ** 26  # bytes; 10 classes of 16 dimensions have 256,000


def read(path: str | None, network: Network, name: str, dims: int) -> dict | None:
    """Returns {"per": the change, "classes": [J][E] words}, or None where nothing was measured

    path: the user's file, which has to be of this network's weights; None: DEFAULT if it is of
    them. name: of the network, FOLDER/CHECKPOINT; dims: of its class capsules. InputError if the
    user's file is anything else.
    """
    try:
        return parse(Path(path or DEFAULT), network, name, dims)
    except InputError:
        if path is None:
            return None
        raise


def parse(path: Path, network: Network, name: str, dims: int) -> dict:
    """Returns what `read` does. InputError if the file is not of that network."""
    # the file, which may be anything
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"more than {LARGEST} bytes")
        results = from_json(content)
        of, weights = str(results["checkpoint"]), results["weights"]
        measured = [results["effects"].get(f"class {j}") for j in range(network.classes)]
        words = [words_of(effects, dims) for effects in measured]
        per = float(results["per"])
        if not math.isfinite(per):
            raise ValueError(f"per {per}")
    except OSError as error:
        raise InputError(f"--effects: {path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f"--effects: {path} is not a results.json of eval.py --mode cap_tweak for "
                         f"{network.classes} classes of {dims} dimensions "
                         f"({type(error).__name__}: {error})") from None

    # of this network?
    if weights != network.digest():
        others = " with other weights" if of == name else ""
        raise InputError(f"--effects: expected the effects of {name}, received those of {of}"
                         f"{others}")
    return {"per": f"{per:.3g}", "classes": words}


def words_of(effects: dict | None, dims: int) -> list[str]:
    """Returns the strongest effect of each dimension of a class. effects: None if it was not measured"""
    if effects is None:
        return ["not measured"] * dims
    strongest = [one["strongest"] for one in effects["dimensions"]]
    if len(strongest) != dims or not all(isinstance(one, str | None) for one in strongest):
        raise ValueError(f"expected {dims} dimensions")
    return [one or "nothing significant" for one in strongest]

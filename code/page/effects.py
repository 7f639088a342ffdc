"""What each dimension does, from the results.json of eval.py --mode cap_tweak."""
from pathlib import Path

from data.readers.files import expect, from_json
from model.network import Network
from settings import ROOT, InputError

DEFAULT = ROOT / "figs" / "cap_tweak" / "results.json"


def read(path: str | None, network: Network, name: str, dims: int) -> dict | None:
    """Returns {"per": the change, "classes": [J][E] words}, or None where nothing was measured.

    path: the user's file, which has to be of this network's weights; None: DEFAULT if it is of
    them. name: of the network, FOLDER/CHECKPOINT; dims: of its class capsules. InputError if the
    user's file is anything else.
    """
    if path is None:
        try:
            return read(DEFAULT, network, name, dims)
        except InputError:
            return None

    # Read the file, which may be anything.
    try:
        results = from_json(Path(path).read_bytes())
        of, weights, per = results["checkpoint"], results["weights"], float(results["per"])
        measured = [results["effects"].get(f"class {j}") for j in range(network.classes)]
        words = [words_of(effects, dims) for effects in measured]
    except OSError as error:
        raise InputError(f"--effects: {path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f"--effects: {path} is not a results.json of eval.py --mode cap_tweak for "
                         f"{network.classes} classes of {dims} dimensions "
                         f"({type(error).__name__}: {error})") from None

    # Is it of this network?
    others = " with other weights" if of == name else ""
    expect(weights == network.digest(), "--effects", f"the effects of {name}",
           f"those of {of}{others}")
    return {"per": f"{per:.3g}", "classes": words}


def words_of(effects: dict | None, dims: int) -> list[str]:
    """Returns the strongest effect of each dimension of a class. effects: None if not measured."""
    if effects is None:
        return ["not measured"] * dims
    strongest = [one["strongest"] for one in effects["dimensions"]]
    if len(strongest) != dims or not all(isinstance(one, str | None) for one in strongest):
        raise ValueError(f"expected {dims} dimensions")
    return [one or "nothing significant" for one in strongest]

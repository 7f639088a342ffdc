"""One HTML file from the files in web/, a header and arrays.

A page that is opened without a server may read no other file. So the modules become one script,
the worker's script is a text from which the page starts it, and the arrays are base64.
"""
import base64
import json
import re
import zlib
from pathlib import Path

import numpy as np

from settings import InputError

WEB = Path(__file__).resolve().parent / "web"
ROUTINGS = WEB / "routings"  # by the names of model/routings/
HEADINGS = {"capsules": "Inside a capsule network", "chain": "What a network makes of it"}
IMPORT = re.compile(r'^import (\{[^}]*\}) from "\.\.?/([a-z0-9]+)\.js";$', re.M)
EXPORT = re.compile(r"^export (?=(?:function|const|class) (\w+))", re.M)


def page(about: dict, arrays: dict[str, np.ndarray]) -> bytes:
    """Returns the whole file. about: what JSON can hold; its "kind" is the NAME of web/NAME.html."""
    content = pack(about, arrays)
    parts = {
        "STYLE": (WEB / "style.css").read_text(encoding="utf-8"),
        "HEADING": HEADINGS[about["kind"]],
        "NETWORK": (WEB / f"{about['kind']}.html").read_text(encoding="utf-8"),
        "WORKER": f"{bundle('worker', about.get('routing', 'dynamic'))};",
        "CODE": f"{bundle('main')};",
        "BYTES": str(len(content)),
        "CRC32": str(zlib.crc32(content)),
        "PAYLOAD": base64.b64encode(content).decode(),
    }
    html = (WEB / "page.html").read_text(encoding="utf-8")
    return re.sub("@@([A-Z0-9]+)@@", lambda match: parts[match[1]], html).encode()


def bundle(entry: str, routing: str = "dynamic") -> str:
    """Returns one JavaScript expression, whose value has what the module `entry` exports.

    Each module that it needs becomes a function, called once, in the order of the imports, and
    $NAME is what it exports. Imports and exports have the one form that IMPORT and EXPORT match.
    For the module "routing" it takes routings/NAME.js: `routing` is that NAME.
    """
    functions = {}

    def visit(name: str):
        path = ROUTINGS / f"{routing}.js" if name == "routing" else WEB / f"{name}.js"
        text = path.read_text(encoding="utf-8")
        for _, needed in IMPORT.findall(text):
            if needed not in functions:
                visit(needed)
        body = EXPORT.sub("", IMPORT.sub(r"const \1 = $\2;", text))
        exported = ", ".join(EXPORT.findall(text))
        functions[name] = f"const ${name} = (() => {{\n{body}return {{ {exported} }};\n}})();\n"

    visit(entry)
    return "\n".join(['(() => {\n"use strict";', *functions.values(), f"return ${entry};\n}})()"])


def pack(about: dict, arrays: dict[str, np.ndarray]) -> bytes:
    """Returns the header's length (4 bytes), the header (JSON), the arrays: see web/payload.js.

    float32 arrays become float16, uint8 arrays stay. InputError if a number has no place there.
    """
    places, parts, size = {}, [], 0
    for name, array in arrays.items():
        if array.dtype != np.uint8:
            with np.errstate(over="ignore"):
                array = array.astype("<f2")
            if not np.isfinite(array).all():
                raise InputError(f"the network's weights {name}: expected finite numbers up to "
                                 "65504, as float16 holds them")
        parts.append(array.tobytes())
        places[name] = {"type": array.dtype.name, "from": size, "to": size + len(parts[-1])}
        size += len(parts[-1])
    header = json.dumps({**about, "arrays": places}).encode()
    return b"".join([len(header).to_bytes(4, "little"), header, *parts])

"""Checks documents of --json against the installed schema."""
import functools
import json
import pathlib

import jsonschema

SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "data/schema/command.json"


@functools.cache
def validator():
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def document(text):
    """The JSON document in @text, which must not contain other text."""
    assert text.endswith("\n"), text
    value = json.loads(text)
    errors = [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in validator().iter_errors(value)]
    assert not errors, (errors, text[:2000])
    return value


def asked_for(arguments):
    """Whether the command line requests a document, not the help or the version."""
    words = [str(a) for a in arguments]
    styles = [a for a in words if a == "--json" or a.startswith("--json=")]
    return bool(styles) and styles[-1] != "--json=off" and not {"--help", "-h", "--version", "-V", "-q", "--quiet"} & set(words)

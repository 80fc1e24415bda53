"""What the doctor says, in words or as JSON."""

from __future__ import annotations

import sys

from certkit.cli import words
from certkit.cli.options import DocumentOutput
from certkit.cli.render.text import plain
from certkit.doctor.explain import SCHEMA, explain
from certkit.doctor.finding import CAUSE, HERE, Diagnosis, Finding
from certkit.errors import ExitCode
from certkit.inventory.folding import fold_names


def show(diagnosis: Diagnosis, output: DocumentOutput, *, quiet: bool, known: bool) -> None:
    """Print a diagnosis: what was seen, what is wrong, the verdict.

    Args:
        diagnosis: What was found.
        output: Words or JSON.
        quiet: No words where nothing is wrong.
        known: Whether the home knows the registry.
    """
    if output is DocumentOutput.JSON:
        words.say_json(diagnosis.to_json())
        return
    if quiet and diagnosis.exit_code is ExitCode.DONE:
        return
    console = words.console_for(output)
    places = list(dict.fromkeys(one.where for one in diagnosis.seen))
    for place in places:
        words.say(console, f"From {plain(place)}", "bold")
        seen = [one for one in diagnosis.seen if one.where == place]
        words.say_pairs(console, [(plain(one.label), plain(one.text)) for one in seen])
    if not known:
        words.say(console, "The home does not know this registry, so it is judged by itself alone.")
    for number, finding in enumerate(diagnosis.ordered, 1):
        words.say(console)
        style = "bold red" if finding.likelihood >= CAUSE else "bold yellow"
        words.say(console, f"{number}. {plain(finding.what)}", style)
        words.say_pairs(
            console,
            [
                ("where", _where(finding)),
                ("proof", plain(finding.proof)),
                ("cure", plain(finding.cure)),
            ],
            indent=3,
        )
    for name, error in diagnosis.unexamined:
        words.say(console)
        words.say(console, f"{plain(name)} could not be examined: {plain(error.message)}", "red")
        if error.hint:
            words.say_pairs(console, [("cure", plain(error.hint))], indent=3)
    words.say(console)
    words.say(console, f"Verdict: {plain(diagnosis.verdict)}", "bold")


def explained(text: str, output: DocumentOutput) -> ExitCode:
    """Print what a client's message means; return how the command ends.

    Args:
        text: The message; ``-`` for standard input.
        output: Words or JSON.
    """
    if text == "-":
        text = sys.stdin.read(1 << 20)
    found = explain(text)
    code = ExitCode.DONE if found else ExitCode.ATTENTION
    if output is DocumentOutput.JSON:
        document = {"schema": SCHEMA, "explanations": [one.to_json() for one in found]}
        words.say_json(document)
        return code
    console = words.console_for(output)
    if not found:
        words.say(console, "No cause is known for this message.")
        words.say_pairs(console, [("next", "certkit doctor REGISTRY --host HOST")])
        return code
    for number, one in enumerate(found):
        if number:
            words.say(console)
        words.say(console, one.meaning, "bold")
        pairs = [("said by", one.said_by)]
        pairs += [("cause" if not at else "", cause) for at, cause in enumerate(one.causes)]
        pairs += [("next" if not at else "", plain(step)) for at, step in enumerate(one.next)]
        words.say_pairs(console, pairs)
    return code


def _where(finding: Finding) -> str:
    hosts = [name for name in finding.where if name != HERE]
    places = [HERE] * (HERE in finding.where) + ([fold_names(hosts)] if hosts else [])
    about = [part for part in (finding.runtime, finding.reference) if part]
    return plain(", ".join(places) + (f" ({', '.join(about)})" if about else ""))

"""Write the report as one HTML file that needs nothing else: facts, style and scripts inside, no network.

Facts lie in a data block as JSON with every ``<`` escaped, so that no value can end the block; the scripts put text in
place by ``textContent`` only. A content security policy names the scripts by their digest: should a value ever
become markup, the browser still runs nothing of it.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from pathlib import Path

from gridsearch.record.reader import Record, read_epochs
from gridsearch.report.assets import script, style
from gridsearch.report.facts import Facts, collect_facts
from gridsearch.system.files import explain_os_errors, replace_when_whole

__all__ = ["REPORT", "as_json", "page", "write_report"]

REPORT = "report.html"

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<noscript>This report draws itself with JavaScript, which is off in this browser.</noscript>
<script type="application/json" id="facts">{facts}</script>
<script>{script}</script>
</body>
</html>
"""


def as_json(facts: Facts) -> str:
    """Return facts as JSON that may stand inside a script element."""
    text = json.dumps(facts, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def page(facts: Facts) -> str:
    """Return the whole file."""
    run = f"(() => {{{script()}\nshowFile();}})();"
    policy = f"default-src 'none'; img-src data:; style-src {_digest(style())}; script-src {_digest(run)}"
    title = html.escape(f"{facts['title']}: {facts['objective']['metric']}")
    return PAGE.format(policy=policy, title=title, style=style(), facts=as_json(facts), script=run)


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def write_report(record: Record, file: Path | None = None, facts: Facts | None = None) -> Path:
    """Write a record's report, whole or not at all.

    Args:
        record: the sweep.
        file: where to, a file or a folder; in its logdir if not given.
        facts: the record's, where they are known already.

    Raises:
        LogdirError: it cannot be written there.
    """
    file = file or record.logdir
    file = file / REPORT if file.is_dir() else file
    text = page(facts or collect_facts(record, read_epochs(record.logdir)))
    with explain_os_errors(file), replace_when_whole(file) as part:
        part.write_text(text, encoding="utf-8")
    return file

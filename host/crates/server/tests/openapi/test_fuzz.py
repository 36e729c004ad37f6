"""Requests that schemathesis makes from the document: each answer is one that the document promises."""

import subprocess
import sys
from pathlib import Path

from host import DOCUMENT

HERE = Path(__file__).parent
# How long one run may take, in seconds.
BUDGET = 30
# The stream of events does not end. A profile takes as long as it is asked to, and there is one at a time. An upgrade
# ends the process that is asked.
ENDLESS = ["/v1/events", "/debug/pprof/profile", "/v1/upgrade"]


def fuzz(host, *arguments):
    command = [Path(sys.executable).with_name("schemathesis"), "--config-file", HERE / "schemathesis.toml", "run", DOCUMENT]
    command += ["--url", host.admin, "--max-time", str(BUDGET), "--warnings", "off"]
    for path in ENDLESS:
        command += ["--exclude-path", path]
    done = subprocess.run([*command, *arguments], cwd=host.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-4000:]


def test_every_answer_is_one_of_the_document(host):
    # A plane without tokens lets everyone in; test_access.py is about those with tokens.
    fuzz(host, "--exclude-checks", "ignored_auth")
    # It may have disabled every plugin.
    assert host.get("/livez") == {"status": "alive"}
    assert "panicked" not in host.said()

"""A client that openapi-typescript generates from the document works: its types fit, and so do the answers."""

import json
import shutil
import subprocess
from os import environ
from pathlib import Path

import pytest

from host import DOCUMENT

HERE = Path(__file__).parent


def run(*command, **more):
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, **more)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("npm"), reason="no npm (apt-get install npm)")
def test_a_generated_client_sees_and_acts(guarded):
    host, tokens = guarded
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    package = HERE / "node_modules/@plugbay/admin"
    package.mkdir(parents=True, exist_ok=True)
    (package / "package.json").write_text(json.dumps({"name": "@plugbay/admin", "types": "index.d.ts"}))
    run("npx", "--no-install", "openapi-typescript", DOCUMENT, "--output", package / "index.d.ts")
    run("npx", "--no-install", "tsc", "--project", HERE)
    run("node", "client.mjs", env={**environ, "ADMIN": host.admin, "TOKEN": tokens["operator"]})

"""A client that openapi-python-client generates from the document works."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from host import DOCUMENT


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """The generated package."""
    folder = tmp_path_factory.mktemp("client")
    generator = Path(sys.executable).with_name("openapi-python-client")
    out = folder / "plugbay_admin"
    command = [generator, "generate", "--path", DOCUMENT, "--output-path", out, "--meta", "none", "--fail-on-warning"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    return "plugbay_admin"


def test_a_generated_client_sees_and_acts(guarded, package):
    host, token = guarded
    client = import_module(package).AuthenticatedClient(base_url=host.admin, token=token)
    call = lambda tag, name: import_module(f"{package}.api.{tag}.{name}")
    names = lambda: [plugin.name for plugin in call("state", "plugins").sync(client=client).plugins]
    assert "hello" in names()

    preview = call("act", "disable").sync("hello", client=client, dry_run=True)
    assert preview.dry_run and "handler:hello" in preview.change.capabilities_removed
    assert "hello" in names()
    done = call("act", "disable").sync("hello", client=client)
    assert done.published and "hello" not in names()
    override = call("state", "status").sync(client=client).overrides[0]
    assert (override.on, override.by) == ("hello", "ada")
    done = call("act", "enable").sync("hello", client=client)
    assert done.published and "hello" in names()

    generations = call("state", "generations").sync(client=client)
    outcomes = [event.additional_properties.get("outcome") or event.outcome for event in generations.events]
    assert "operator" in outcomes and "published" in outcomes

    problem = call("act", "disable").sync("nobody", client=client)
    assert (problem.status, problem.code) == (404, "not-found")
    assert "nobody" in problem.detail
    answer = call("state", "plugins").sync_detailed(client=import_module(package).Client(base_url=host.admin))
    assert (answer.status_code, answer.parsed.code) == (401, "unauthenticated")

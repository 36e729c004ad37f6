import pytest

from host import Host, make_token


@pytest.fixture
def host(tmp_path):
    """A host whose admin plane needs no token, as on a machine of a developer."""
    started = Host(tmp_path)
    yield started
    assert started.stop() == 0


@pytest.fixture
def guarded(tmp_path):
    """A host whose admin plane needs a token, and a token of each role."""
    file = tmp_path / "tokens"
    tokens = {"operator": make_token(file, "ada", "operator"), "viewer": make_token(file, "bob", "viewer")}
    started = Host(tmp_path, f"admin.tokens={file}")
    yield started, tokens
    assert started.stop() == 0

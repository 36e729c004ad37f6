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
    """A host whose admin plane needs a token, and the token of an operator."""
    file = tmp_path / "tokens"
    token = make_token(file, "ada", "operator")
    started = Host(tmp_path, f"admin.tokens={file}")
    yield started, token
    assert started.stop() == 0

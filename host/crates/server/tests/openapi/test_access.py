"""Who may ask is what the document says."""

import json
import urllib.error
import urllib.request

from host import DOCUMENT

OPERATIONS = [
    (path, method.upper(), operation.get("security", []))
    for path, item in json.loads(DOCUMENT.read_text())["paths"].items()
    for method, operation in item.items()
]


def answer(url, method, token):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, None
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["code"]


def test_every_operation_asks_for_the_role_of_the_document(guarded):
    host, tokens = guarded
    for path, method, security in OPERATIONS:
        url = host.admin + path.replace("{name}", "nobody").replace("{number}", "999")
        if not security:
            assert answer(url, method, None) == (200, None), path
            continue
        assert answer(url, method, None) == (401, "unauthenticated"), path
        if security[0]["bearer"] == ["operator"]:
            assert answer(url, method, tokens["viewer"]) == (403, "role"), path

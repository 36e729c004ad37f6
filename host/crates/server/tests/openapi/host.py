"""A host in a folder of its own, with its admin plane on a free port."""

import json
import re
import subprocess
import urllib.request
from os import environ
from pathlib import Path

PROGRAM = environ["OPENAPI_TEST_PROGRAM"]
DOCUMENT = Path(environ["OPENAPI_TEST_DOCUMENT"])

CONFIG = """
[host]
debounce = "20ms"
drain = "2s"
"""


class Host:
    def __init__(self, folder: Path, *sets: str):
        self.folder = folder
        (folder / "plugins").mkdir()
        (folder / "config.toml").write_text(CONFIG)
        self.log = (folder / "log").open("w+")
        sets = ("server.listen=127.0.0.1:0", "admin.listen=127.0.0.1:0", *sets)
        command = [PROGRAM, "up", "--config", "config.toml"]
        for each in sets:
            command += ["--set", each]
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.admin = None
        for line in self.process.stdout:
            found = re.match(r"admin\s+(http://\S+)", line)
            self.admin = found[1] if found else self.admin
            if line.startswith("watching"):
                break
        assert self.admin, f"the host did not start: {self.said()}"

    def said(self) -> str:
        self.log.seek(0)
        return self.log.read()

    def get(self, path: str) -> dict:
        with urllib.request.urlopen(self.admin + path, timeout=10) as answer:
            return json.load(answer)

    def stop(self) -> int:
        """Ends it as a service manager does, and returns its exit code."""
        self.process.terminate()
        self.process.stdout.close()
        code = self.process.wait(timeout=20)
        self.log.close()
        return code


def make_token(file: Path, name: str, role: str) -> str:
    command = [PROGRAM, "token", "new", name, "--role", role, "--file", str(file), "--quiet"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

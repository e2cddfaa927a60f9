"""Run the steps of deploy/Dockerfile without a container engine: `python3 -m bench.dockerfile COMMAND...`

Needs root on Linux and Python with venv. The steps run in a copy of this machine's file system (an overlay in a mount
namespace of its own), so that nothing outside of it changes; FROM is this machine, COPY follows .dockerignore. COMMAND
then runs as the image's user, in its folder and environment, in place of its own: `hf-catalog status`.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PASSED_ON = re.compile(r"^(https?_proxy|no_proxy|pip_.*|ssl_cert_file|requests_ca_bundle)$", re.IGNORECASE)
"""Variables of this environment that steps get too: without them some networks reach no package index."""


def steps(text: str) -> list[tuple[str, str]]:
    """Instruction and argument of each line; comments are left out, continued lines joined."""
    joined = re.sub(r"\\\n", " ", "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")))
    return [
        (word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines()) if word
    ]


def is_ignored(path: str, rules: list[str]) -> bool:
    """Whether .dockerignore excludes a path below the context; the last rule that matches it or a parent decides."""
    parts = path.split("/")
    parents = ["/".join(parts[: at + 1]) for at in range(len(parts))]
    ignored = False
    for rule in rules:
        pattern = rule.removeprefix("!").removeprefix("**/")
        names = parents if "**/" not in rule else parts
        if any(fnmatch.fnmatch(name, pattern) for name in names):
            ignored = not rule.startswith("!")
    return ignored


def copy_context(target: Path) -> None:
    """COPY of the whole context."""
    rules = [line.strip() for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.strip()]
    found = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(None, found):
        if not is_ignored(name, rules):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)


def run_in(root: Path, command: list[str], env: dict[str, str], user: tuple[int, int] | None, folder: str) -> int:
    """Runs a command in the file system at `root`."""

    def enter() -> None:
        os.chroot(root)
        os.chdir(folder)
        if user is not None:
            os.setgroups([])
            os.setgid(user[1])
            os.setuid(user[0])

    return subprocess.run(command, env=env, preexec_fn=enter).returncode


def run_steps(root: Path, command: list[str]) -> int:
    """All steps, then the command; the exit status of the first that fails."""
    env = {name: value for name, value in os.environ.items() if PASSED_ON.match(name)}
    env |= {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONSAFEPATH": "1"}
    user: tuple[int, int] | None = None
    folder = "/"
    for word, rest in steps((ROOT / "deploy" / "Dockerfile").read_text("utf-8")):
        print(word, rest, flush=True)
        if word in ("ARG", "ENV"):
            env |= dict(pair.replace("$PATH", env["PATH"]).split("=", 1) for pair in shlex.split(rest))
        elif word == "COPY" and not rest.startswith("--from="):
            copy_context(root / rest.split()[1].lstrip("/"))
        elif word == "RUN":
            status = run_in(root, ["/bin/sh", "-c", rest], env, user, folder)
            if status:
                return status
        elif word == "USER":
            first, second = rest.split(":")
            user = int(first), int(second)
        elif word == "WORKDIR":
            folder = rest
        elif word == "HEALTHCHECK":
            json.loads(rest[rest.index("CMD") + 3 :])
    return run_in(root, command, env, user, folder)


def main(command: list[str]) -> int:
    if "--inside" not in command:
        again = [sys.executable, "-P", str(Path(__file__).resolve()), "--inside", *command]
        return subprocess.run(["unshare", "--mount", *again]).returncode
    command.remove("--inside")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", name], check=True)
        for part in ("upper", "work", "root"):
            (place / part).mkdir(mode=0o755)
        place.chmod(0o755)
        options = f"lowerdir=/,upperdir={place / 'upper'},workdir={place / 'work'}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(place / "root")], check=True)
        for shared in ("dev", "proc"):
            subprocess.run(["mount", "--rbind", f"/{shared}", str(place / "root" / shared)], check=True)
        try:
            return run_steps(place / "root", command or ["hf-catalog", "--version"])
        finally:
            subprocess.run(["umount", "--recursive", "--lazy", str(place / "root")], check=True)
            subprocess.run(["umount", name], check=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

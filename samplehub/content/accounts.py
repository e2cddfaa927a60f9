"""Which owners of the sample are users, and the answers of the Hub for accounts; the others are organizations."""

from __future__ import annotations

from samplehub.content.repo import Json

USERS = frozenset({
    "CompendiumLabs", "LoneStriker", "MaziyarPanahi", "Orion-zhen", "TheBloke", "bartowski", "city96", "gaunernst",
    "ggerganov", "grimjim", "hexgrad", "huihui-ai", "kaitchup", "mcpotato", "medmekk", "mlabonne", "mradermacher",
    "ngxson", "sample-owner", "teknium", "tloen", "turboderp",
})  # fmt: skip


def account_overview(kind: str, name: str) -> Json | None:
    """What `/api/{kind}/{name}/overview` answers, where `name` owns repos; None where it is of the other kind."""
    if (kind == "users") != (name in USERS):
        return None
    key = "user" if kind == "users" else "name"
    return {key: name, "fullname": name, "type": "user" if kind == "users" else "org", "numFollowers": 0}

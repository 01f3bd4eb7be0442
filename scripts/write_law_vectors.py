"""Write tests/vectors/law.json: cases of the law and their exact results, for a second implementation to agree with.

Run it only when the law itself changes: `PYTHONPATH=. .venv/bin/python scripts/write_law_vectors.py`.
"""

from pathlib import Path
from random import Random

import msgspec

from federation.law.shares import rule
from tests.worlds.law_cases import question

OUT = Path(__file__).resolve().parents[1] / "tests" / "vectors" / "law.json"
COUNT = 200
NO_INPUT = ("resilience", "mirror", "affinity", "probe")
"""Fields of a policy that the law does not read."""


def vector(seed: int) -> dict[str, object]:
    """One case and what follows from it; the words are not part of it."""
    candidates, case = question(Random(seed))  # noqa: S311
    ruling = rule(candidates, case)
    asked = msgspec.to_builtins(case)
    for field in NO_INPUT:
        del asked["policy"][field]
    return {
        "candidates": candidates,
        "case": asked,
        "shares": {share.member: share.ppm for share in ruling.shares},
        "standby": ruling.standby,
        "until": ruling.until,
        "fallback": ruling.fallback,
    }


if __name__ == "__main__":
    lines = [msgspec.json.encode(vector(seed)).decode() for seed in range(COUNT)]
    OUT.write_text("[\n" + ",\n".join(lines) + "\n]\n")

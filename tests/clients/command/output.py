"""What the tests of the command ask, and how they read what it prints."""

import json

TIN = {"question": "Is tin a metal?", "options": ["yes", "no"]}
NOBODY = "models/aligned/calibrators/0123456789abcdef"


def rows(result):
    """Standard output, which is JSON Lines and nothing else."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in result.stdout.splitlines()]

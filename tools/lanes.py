"""lanes.py NAME=RESULTS.xml... : adds up what the test lanes counted, and says it in one line that ends the log."""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

FIELDS = ("tests", "failures", "errors", "skipped")


def counted(file: Path) -> dict[str, int] | None:
    """What pytest wrote into its JUnit file; None if the lane did not come that far."""
    if not file.exists():
        return None
    suites = list(ET.parse(file).getroot().iter("testsuite"))  # noqa: S314 - our own pytest wrote it
    return {field: sum(int(suite.get(field, "0")) for suite in suites) for field in FIELDS}


def main(arguments: list[str]) -> int:
    """Exit status 1 if a lane failed, is missing or ran no test."""
    passed = failed = skipped = 0
    for argument in arguments:
        name, _, file = argument.partition("=")
        lane = counted(Path(file))
        if lane is None or not lane["tests"]:
            print(f"{name}: ran no test")
            failed += 1
            continue
        bad = lane["failures"] + lane["errors"]
        good = lane["tests"] - bad - lane["skipped"]
        print(f"{name}: {good} passed, {bad} failed")
        passed, failed, skipped = passed + good, failed + bad, skipped + lane["skipped"]
    print(f"total: {passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

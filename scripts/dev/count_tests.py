"""count_tests.py FOLDER: sums the test results under FOLDER and prints "N passed, N failed" as its last line.

Each folder below FOLDER is one run. It holds JUnit files (*.xml); where ctest.xml names a test and a GoogleTest report
NAME.json lies beside it, the report's cases are counted instead of the one program. Exit status 1 when a test failed or
none ran.
"""

import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


class Tally:
    def __init__(self):
        self.passed = 0
        self.skipped = 0
        self.failed = []

    def add(self, name, outcome):
        if outcome == "passed":
            self.passed += 1
        elif outcome == "skipped":
            self.skipped += 1
        else:
            self.failed.append(name)


def count_google_test(report, program, program_failed, tally):
    """Adds the cases of one GoogleTest report; a program that failed though no case did (it crashed) is one failure."""
    failed_before = len(tally.failed)
    for suite in json.loads(report.read_text())["testsuites"]:
        for case in suite["testsuite"]:
            name = f"{program}: {suite['name']}.{case['name']}"
            if case.get("failures"):
                tally.add(name, "failed")
            elif case["status"] == "RUN":
                tally.add(name, "skipped" if case["result"] == "SKIPPED" else "passed")
    if program_failed and len(tally.failed) == failed_before:
        tally.add(f"{program}: the program itself", "failed")


def outcome_of(case):
    if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
        return "failed"
    return "skipped" if case.find("skipped") is not None else "passed"


def count_junit(file, tally):
    for case in ElementTree.parse(file).getroot().iter("testcase"):
        name, outcome = case.get("name", "?"), outcome_of(case)
        report = file.parent / f"{name}.json"
        if file.name == "ctest.xml" and report.exists():
            count_google_test(report, name, outcome == "failed", tally)
        else:
            tally.add(name, outcome)


def main():
    root = pathlib.Path(sys.argv[1])
    passed, failed = 0, []
    for folder in sorted({file.parent for file in root.rglob("*.xml")}):
        tally = Tally()
        for file in sorted(folder.glob("*.xml")):
            count_junit(file, tally)
        skipped = f", {tally.skipped} skipped" if tally.skipped else ""
        print(f"    {folder.relative_to(root)}: {tally.passed} passed, {len(tally.failed)} failed{skipped}")
        passed += tally.passed
        failed += [f"{folder.relative_to(root)}: {name}" for name in tally.failed]
    for name in failed:
        print(f"    failed: {name}")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())

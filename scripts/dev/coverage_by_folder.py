"""Reads llvm-cov's summary (JSON) on standard input and prints the covered lines of each folder under src/."""

import collections
import json
import pathlib
import sys

folders = collections.defaultdict(lambda: [0, 0])
for file in json.load(sys.stdin)["data"][0]["files"]:
    path = pathlib.PurePath(file["filename"])
    parts = path.parts[path.parts.index("src") + 1:-1] if "src" in path.parts else ("elsewhere",)
    for name in ("/".join(parts), "all"):
        folders[name][0] += file["summary"]["lines"]["covered"]
        folders[name][1] += file["summary"]["lines"]["count"]
for name, (covered, count) in sorted(folders.items(), key=lambda row: (row[0] == "all", row[0])):
    print(f"    {name:<20} {100 * covered / max(count, 1):6.1f} %  of {count} lines")

"""The files that a rule looks at: those git knows or would add. Rules take a Tree, so that a test can make a small one."""

import pathlib
import subprocess


class Tree:
    """Relative paths and their text; binary files have the text ''."""

    def __init__(self, texts):
        self._texts = dict(texts)
        self.paths = sorted(self._texts)

    @staticmethod
    def of_repository(root):
        root = pathlib.Path(root)
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root, check=True, capture_output=True).stdout.decode()
        texts = {}
        for name in listing.split("\0"):
            path = root / name
            if name and path.is_file():
                raw = path.read_bytes()
                texts[name] = "" if b"\0" in raw[:8192] else raw.decode("utf-8", "replace")
        return Tree(texts)

    def __contains__(self, path):
        return path in self._texts

    def text(self, path):
        return self._texts[path]

    def lines(self, path):
        return self._texts[path].splitlines()

    def under(self, folder, *suffixes):
        """Paths below the folder that end in one of the suffixes (any, if none is given)."""
        return [p for p in self.paths if p.startswith(folder + "/") and (not suffixes or p.endswith(suffixes))]

    def has_folder(self, folder):
        return any(p.startswith(folder.rstrip("/") + "/") for p in self.paths)

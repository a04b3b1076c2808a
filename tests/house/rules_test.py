"""Shows that each rule finds what it is there to find, on small made-up trees, and leaves good code alone."""

import unittest

import files
import layers
import lengths
import words
from tree import Tree

HEADER = "// A thing.\n#pragma once\n"


def house(changes=None):
    """Two floors and a sibling, all rules kept. Changes replace files; None removes one."""
    texts = {
        "README.md": "`./dev run`, `./dev test`\n",
        "scripts/dev/run": "", "scripts/dev/test": "",
        "src/CMakeLists.txt": "s4_floor(0 base)\ns4_floor(1 codec crypto)\ns4_floor(5 storage)\n",
        "src/base/CMakeLists.txt": "s4_folder(base)\n",
        "src/base/README.md": "", "src/codec/README.md": "", "src/crypto/README.md": "",
        "src/base/bytes.h": HEADER,
        "src/codec/CMakeLists.txt": "s4_folder(codec LINKS base)\n",
        "src/codec/cbor.h": HEADER + '#include "base/bytes.h"\n',
        "src/crypto/CMakeLists.txt": "# codec is a sibling: keys are base32.\ns4_folder(crypto LINKS codec)\n",
        "src/crypto/keys.cc": '#include "codec/cbor.h"\n',
    }
    texts.update(changes or {})
    return Tree({k: v for k, v in texts.items() if v is not None})


class Layers(unittest.TestCase):
    def finds(self, part, texts):
        found = layers.findings(house(texts))
        self.assertTrue(any(part in f for f in found), f"nothing about '{part}' in {found}")

    def test_a_good_house_passes(self):
        self.assertEqual(layers.findings(house()), [])

    def test_a_link_may_not_reach_up(self):
        self.finds("reaches up", texts={"src/base/CMakeLists.txt": "s4_folder(base LINKS codec)\n",
                                        "src/base/bytes.h": HEADER + '#include "codec/cbor.h"\n'})

    def test_an_include_needs_a_link(self):
        self.finds("does not link base", texts={"src/crypto/keys.cc": '#include "codec/cbor.h"\n#include "base/bytes.h"\n'})

    def test_a_test_may_include_test_links(self):
        tree = house({"src/crypto/CMakeLists.txt": "# codec is a sibling: x\ns4_folder(crypto LINKS codec TEST_LINKS base)\n",
                            "src/crypto/keys_test.cc": '#include "base/bytes.h"\n',
                            "src/crypto/keys_test_fixture.h": '#include "base/bytes.h"\n'})
        self.assertEqual(layers.findings(tree), [])

    def test_product_code_may_not_include_test_links(self):
        self.finds("does not link base", texts={
            "src/crypto/CMakeLists.txt": "# codec is a sibling: x\ns4_folder(crypto LINKS codec TEST_LINKS base)\n",
            "src/crypto/keys.cc": '#include "codec/cbor.h"\n#include "base/bytes.h"\n'})

    def test_a_sibling_needs_a_reason(self):
        self.finds("same floor", texts={"src/crypto/CMakeLists.txt": "s4_folder(crypto LINKS codec)\n"})

    def test_a_reason_without_a_link_is_dead(self):
        self.finds("gives a reason", texts={
            "src/codec/CMakeLists.txt": "# crypto is a sibling: x\ns4_folder(codec LINKS base)\n"})

    def test_a_link_that_nobody_uses_is_dead(self):
        self.finds("remove the link", texts={"src/codec/cbor.h": HEADER})

    def test_floors_are_sorted(self):
        self.finds("sort the floors", texts={"src/CMakeLists.txt": "s4_floor(1 codec crypto)\ns4_floor(0 base)\n"})

    def test_every_folder_is_listed(self):
        self.finds("nothing builds it", texts={"src/lost/x.cc": ""})
        self.finds("nothing builds it", texts={"src/base/deep/x.cc": ""})

    def test_the_library_has_its_folders_name(self):
        self.finds("its folder makes it base", texts={"src/base/CMakeLists.txt": "s4_folder(ground)\n"})

    def test_protocols_know_no_runtime(self):
        self.finds("must not know rt", texts={
            "src/CMakeLists.txt": "s4_floor(0 base)\ns4_floor(2 rt proto/tls)\n",
            "src/rt/CMakeLists.txt": "s4_folder(rt)", "src/rt/task.h": HEADER,
            "src/proto/tls/CMakeLists.txt": "# rt is a sibling: x\ns4_folder(proto_tls LINKS rt)",
            "src/proto/tls/engine.cc": '#include "rt/task.h"\n',
            "src/codec/CMakeLists.txt": None, "src/codec/cbor.h": None, "src/crypto/CMakeLists.txt": None,
            "src/crypto/keys.cc": None})

    def test_includes_are_written_from_src(self):
        self.finds("no file below src", texts={"src/codec/cbor.h": HEADER + '#include "base/bytes.h"\n#include "bytes.h"\n'})


class Words(unittest.TestCase):
    def found(self, path, text):
        return words.findings(Tree({path: text}))

    def test_each_word_is_found_where_it_is_banned_and_only_there(self):
        self.assertTrue(self.found("src/storage/x.cc", "std::this_thread::sleep_for(1s);"))
        self.assertTrue(self.found("tests/x.py", "# TO" "DO: more\n"))
        self.assertTrue(self.found("src/storage/x.cc", "std::cout << 1;"))
        self.assertTrue(self.found("src/storage/x_test.cc", "using namespace std;"))
        self.assertTrue(self.found("src/storage/x.cc", "auto t = std::chrono::steady_clock::now();"))
        self.assertFalse(self.found("src/rt/asio/x.cc", "auto t = std::chrono::steady_clock::now();"))
        self.assertTrue(self.found("src/storage/x.h", "std::map<Grid*, int> grids_;"))
        self.assertFalse(self.found("src/storage/x.h", "std::map<int, Grid*> grids_;"))
        self.assertFalse(self.found("src/storage/x.h", "std::map<Grid*, int> grids_;  // never walked"))
        self.assertFalse(self.found("docs/x.md", "TO" "DO"))

    def test_an_expensive_header_stays_in_its_place(self):
        self.assertTrue(self.found("src/gate/x.cc", "#include <boost/asio/ip/tcp.hpp>\n"))
        self.assertFalse(self.found("src/rt/asio/x.cc", "#include <boost/asio/ip/tcp.hpp>\n"))

    def test_an_expensive_header_stays_in_one_file(self):
        beast = "#include <boost/beast/http/parser.hpp>\n"
        self.assertFalse(words.findings(Tree({"src/proto/http1/a.cc": beast})))
        self.assertTrue(words.findings(Tree({"src/proto/http1/a.cc": beast, "src/proto/http1/b.cc": beast})))


class Lengths(unittest.TestCase):
    def found(self, text):
        return lengths.findings(Tree({"src/a/x.cc": text}))

    def test_files(self):
        self.assertFalse(self.found("\n" * 700))
        self.assertTrue(self.found("\n" * 701))

    def test_functions(self):
        self.assertFalse(self.found("int f(int n) {\n" + "    ++n;\n" * 78 + "}\n"))
        self.assertTrue(self.found("int f(int n) {\n" + "    ++n;\n" * 79 + "}\n"))
        self.assertTrue(self.found("Task<void> f(int n,\n             int m) {\n" + "    ++n;\n" * 79 + "}\n"))

    def test_blocks_that_are_no_functions(self):
        self.assertFalse(self.found("namespace a {\n" + "int x;\n" * 90 + "}\n"))
        self.assertFalse(self.found("class A {\n" + "int x;\n" * 90 + "};\n"))


class Files(unittest.TestCase):
    def finds(self, part, texts):
        found = files.findings(house(texts))
        self.assertTrue(any(part in f for f in found), f"nothing about '{part}' in {found}")

    def test_a_good_house_passes(self):
        self.assertEqual(files.findings(house()), [])

    def test_what_is_missing_or_dead_is_found(self):
        self.finds("has no README.md", texts={"src/base/README.md": None})
        self.finds("no file includes it", texts={"src/base/lonely.h": HEADER})
        self.finds("open with a comment", texts={"src/base/bytes.h": "#pragma once\n"})
        self.finds("no '#pragma once'", texts={"src/base/bytes.h": "// A thing.\n"})
        self.finds("no fuzzer reads", texts={"fuzz/base_lost/1": "x"})
        self.finds("commit a small corpus", texts={"src/base/bytes_fuzz.cc": ""})
        self.finds("leads nowhere", texts={"docs/x.md": "[there](../nowhere.md)"})
        self.finds("which does not exist", texts={"docs/x.md": "run `./dev nothing`"})
        self.finds("does not name ./dev run", texts={"README.md": "`./dev test`"})
        self.finds("not listed", texts={"docs/decisions/0001-x.md": "x"})


if __name__ == "__main__":
    unittest.main()

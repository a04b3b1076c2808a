// ScratchFolder: a folder of a test's own, gone with it. Declared before the backend whose threads
// use it: SQLite removes its log on one of them when the database is closed.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/check.h"

namespace s4 {

class ScratchFolder {
  public:
    ScratchFolder() : path_((std::filesystem::temp_directory_path() / "s4-test-XXXXXX").string()) {
        CHECK(::mkdtemp(path_.data()) != nullptr, "a test has a folder");
    }
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    ~ScratchFolder() { std::filesystem::remove_all(path_); }

    const std::string& path() const { return path_; }
    std::string file(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

}  // namespace s4

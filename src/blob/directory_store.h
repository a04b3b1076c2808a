// DirectoryStore: blobs as files below one directory of the operating system.
//
//   PATH/blobs/17/a/a3f0...   blobs, by their keys
//   PATH/drafts/12            blobs in the making; emptied by open()
//
// A blob is written as a draft, synced, renamed to its key, and the folders that hold the new name
// are synced: it is there whole or not at all. Only one process uses a directory at a time (the
// caller holds its lock). Blocking calls go to the runtime's pool.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "blob/store.h"
#include "rt/runtime.h"

namespace s4::blob {

struct DirectoryOptions {
    // Bugs that the simulator must be able to find; never set by the program.
    struct PlantedBugs {
        bool skip_sync = false;
    };

    std::string path;
    PlantedBugs planted_bugs;
};

class DirectoryStore final : public Store {
  public:
    // Blocks; called at start. Makes the directory if need be.
    static Result<std::unique_ptr<DirectoryStore>> open(rt::Runtime& runtime,
                                                        DirectoryOptions options);

    rt::Task<Result<std::unique_ptr<Draft>>> begin(const rt::Context& ctx) override;
    rt::Task<Result<void>> put(const rt::Context& ctx, const Key& key, ByteView bytes) override;
    rt::Task<Result<std::unique_ptr<Blob>>> open(const rt::Context& ctx, const Key& key) override;
    rt::Task<Result<void>> remove(const rt::Context& ctx, const Key& key) override;
    rt::Task<Result<Page>> list(const rt::Context& ctx, const std::string& from) override;
    rt::Task<Result<std::vector<GridId>>> grids(const rt::Context& ctx) override;
    rt::Task<Result<std::uint64_t>> free_bytes(const rt::Context& ctx) override;

  private:
    class FileDraft;
    class FileBlob;

    DirectoryStore(rt::Runtime& runtime, DirectoryOptions options);

    std::string path_of(const Key& key) const { return blobs_ + "/" + key.text(); }
    std::string next_draft_path();
    rt::Task<Result<void>> publish(rt::File& file, std::string draft_path, Key key,
                                   std::uint64_t size);

    rt::Runtime& runtime_;
    DirectoryOptions options_;
    std::string blobs_;
    std::string drafts_;
    std::uint64_t last_draft_ = 0;
    std::set<std::string> known_folders_;  // made and synced in this run
};

}  // namespace s4::blob

// Store: where blobs are. A blob is written once under a new key and never changed; what it holds
// is its writer's affair (docs/formats/blob.md says what the storage engine puts there).
//
// Implemented by a directory (directory_store.h) and, later, by an S3 bucket: both hold the same
// keys and the same bytes. All calls are made on the store's reactor, side by side if need be.
// Lives as long as the node.
//
// Errors: blob.not_found, blob.exists; from below files.* (no_space when the disk is full, io).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/id.h"
#include "base/result.h"
#include "rt/context.h"
#include "rt/task.h"

namespace s4::blob {

// "17/a/a3f0...": the grid, the first digit of the name, the name (32 hex digits). The text is the
// path below the directory and the key in the bucket.
class Key {
  public:
    static constexpr std::size_t kNameBytes = 16;
    using Name = std::array<std::uint8_t, kNameBytes>;

    Key(GridId grid, const Name& name) : grid_(grid), name_(name) {}
    // Nothing for what is no key, such as a foreign file in the directory.
    static std::optional<Key> parse(std::string_view text);
    // Of the first part of a key.
    static std::optional<GridId> parse_grid(std::string_view text);

    GridId grid() const { return grid_; }
    const Name& name() const { return name_; }
    std::string text() const;

    friend auto operator<=>(const Key&, const Key&) = default;

  private:
    GridId grid_;
    Name name_;
};

struct KeyHash {
    // Names are random, so that any eight bytes of one are a hash.
    std::size_t operator()(const Key& key) const noexcept {
        std::size_t out;
        std::memcpy(&out, key.name().data(), sizeof out);
        return out;
    }
};

// A blob in the making: written in any order, read back, then published once. Bytes never written
// read as zeros. Destroying it discards what was not published; so does the end of the process.
class Draft {
  public:
    virtual ~Draft() = default;
    virtual rt::Task<Result<void>> write_at(const rt::Context& ctx, std::uint64_t offset,
                                            ByteView bytes) = 0;
    // Fills `into` but for what lies past the last byte written; returns the bytes read.
    virtual rt::Task<Result<std::size_t>> read_at(const rt::Context& ctx, std::uint64_t offset,
                                                  MutByteView into) = 0;
    // Gives the blob its final length and its name. Returns when all of it would survive a power
    // failure. After a failure the draft may be published again.
    virtual rt::Task<Result<void>> publish(const rt::Context& ctx, const Key& key,
                                           std::uint64_t size) = 0;
};

// A blob open for reading. Reads may run side by side.
class Blob {
  public:
    virtual ~Blob() = default;
    // Fills `into` but for what lies past the end; returns the bytes read.
    virtual rt::Task<Result<std::size_t>> read_at(const rt::Context& ctx, std::uint64_t offset,
                                                  MutByteView into) = 0;
    // What of that can be had without waiting, at the front of `into`; returns its length. For
    // callers that let others on between two reads, since it takes the reactor's time.
    virtual std::size_t read_at_hand(std::uint64_t /*offset*/, MutByteView /*into*/) { return 0; }
};

struct Listed {
    Key key;
    std::uint64_t size = 0;
};

// A page of a listing; `next` is where the following page begins, empty after the last.
struct Page {
    std::vector<Listed> blobs;
    std::string next;
};

class Store {
  public:
    virtual ~Store() = default;

    virtual rt::Task<Result<std::unique_ptr<Draft>>> begin(const rt::Context& ctx) = 0;
    // The same as a draft of these bytes published at once.
    virtual rt::Task<Result<void>> put(const rt::Context& ctx, const Key& key, ByteView bytes) = 0;
    virtual rt::Task<Result<std::unique_ptr<Blob>>> open(const rt::Context& ctx,
                                                         const Key& key) = 0;
    // Removing what is not there succeeds, so that it can be repeated.
    virtual rt::Task<Result<void>> remove(const rt::Context& ctx, const Key& key) = 0;
    // Every blob, in pages; `from` is empty or a former page's `next`. A blob published or removed
    // meanwhile may or may not be listed.
    virtual rt::Task<Result<Page>> list(const rt::Context& ctx, const std::string& from) = 0;
    // The grids that have blobs, or had.
    virtual rt::Task<Result<std::vector<GridId>>> grids(const rt::Context& ctx) = 0;
    // How much more fits, as far as the store knows.
    virtual rt::Task<Result<std::uint64_t>> free_bytes(const rt::Context& ctx) = 0;
};

}  // namespace s4::blob

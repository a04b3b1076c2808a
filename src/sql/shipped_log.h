// The database's log in a second directory (docs/formats/shipped-log.md): LogSegments writes one
// generation's segments, restore_shipped_log makes a database of the newest generation. All calls
// block.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "rt/files.h"
#include "sql/log_format.h"

namespace s4::sql {

inline constexpr const char* kSnapshotName = "snapshot.sqlite";
inline constexpr const char* kSealName = "snapshot.seal";
inline constexpr const char* kOwnerName = "owner";

std::string generation_name(std::uint64_t number);
// The name of the database whose log the directory holds; nothing if it does not say.
Result<std::optional<std::string>> shipped_log_owner(rt::Files& files,
                                                     const std::string& directory);
// The numbers of the whole generations in the directory, the oldest first.
Result<std::vector<std::uint64_t>> list_generations(rt::Files& files, const std::string& directory);
// Removes generations in the making, and the oldest whole ones until `kept` are left.
Result<void> prune_generations(rt::Files& files, const std::string& directory, std::size_t kept);

// Used by one job at a time. After a failure it is not used again.
class LogSegments {
  public:
    LogSegments(rt::Files& files, std::string path, std::uint64_t generation)
        : files_(files), path_(std::move(path)), generation_(generation) {}

    // Returns when the record is durable. One without pages only makes sure that the log is there.
    Result<void> append(const LogRecord& record);
    // Its folder has another name now.
    void moved(std::string path) { path_ = std::move(path); }
    std::uint64_t bytes() const { return bytes_; }

  private:
    Result<void> begin_segment(std::uint32_t page_bytes);

    rt::Files& files_;
    std::string path_;
    std::uint64_t generation_;
    std::unique_ptr<rt::File> file_;
    std::uint32_t segment_ = 0;
    std::uint32_t page_bytes_ = 0;
    std::uint64_t at_ = 0;  // in the segment
    std::uint64_t bytes_ = 0;
    std::uint64_t sequence_ = 0;
};

struct RestoredLog {
    std::uint64_t generation = 0;
    std::uint64_t records = 0;
    std::uint64_t commits = 0;  // after the snapshot
    std::int64_t as_of_us = 0;  // when the last of them was read, or the generation began
};

// Makes the database file `target`, which is not there, durably. Errors: sql.no_generation,
// sql.log_damaged (what must be whole is not), sql.log_version, files.*.
Result<RestoredLog> restore_shipped_log(rt::Files& files, const std::string& directory,
                                        const std::string& target);

}  // namespace s4::sql

// A storage node's folder of shares: SHARES/xx/SI/N, where xx are the first two characters of SI.
//
// It is walked one xx after the other, so that no more than its names are in memory. Everything
// here blocks and runs on a pool; values otherwise.
#pragma once

#include <compare>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "rt/files.h"
#include "storage/types.h"
#include "tahoe/share_file.h"

namespace s4::transfer {

struct FoundShare {
    storage::StorageIndex index;
    storage::ShareNumber share = 0;
    storage::ShareKind kind = storage::ShareKind::immutable;
    std::uint64_t data_bytes = 0;
    std::string path;
};

struct SkippedFile {
    std::string path;
    std::string reason;
};

// In order of index and share; of one index all of one kind.
struct PrefixScan {
    std::vector<FoundShare> shares;
    std::vector<SkippedFile> skipped;
};

// "SHARES/xx/SI" of an index.
std::string index_folder(const std::string& shares, const storage::StorageIndex& index);
// The share number that a file's name is, in its one spelling; nothing for other names.
std::optional<storage::ShareNumber> parse_share_number(std::string_view name);

// The two-character folders, in order. What else is there is skipped, but for `incoming`, which
// holds unfinished uploads alone.
struct Prefixes {
    std::vector<std::string> names;
    std::vector<SkippedFile> skipped;
};
Result<Prefixes> list_prefixes(rt::Files& files, const std::string& shares);
// Every share of one folder whose head and leases can be read and which storage can hold. A file
// that cannot be read is skipped, and no error.
Result<PrefixScan> scan_prefix(rt::Files& files, const std::string& shares,
                               const std::string& prefix);

// A share file whose head and leases were read.
struct OpenShare {
    std::unique_ptr<rt::File> file;
    tahoe::ShareFile head;
    std::vector<tahoe::Lease> leases;
};
// Errors: tahoe.*, files.*.
Result<OpenShare> open_share(rt::Files& files, const std::string& path);

}  // namespace s4::transfer

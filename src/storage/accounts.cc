#include "storage/accounts.h"

#include "base/check.h"

namespace s4::storage {

std::optional<UsageRow> Accounts::used(GridId grid) {
    const UsageRow* row = used_.find(grid);
    return row ? std::optional(*row) : std::nullopt;
}

void Accounts::learn(GridId grid, const UsageRow& row) {
    changed_.insert(grid);
    recall(grid, row);
}

std::vector<GridId> Accounts::take_changed() {
    std::vector<GridId> out(changed_.begin(), changed_.end());
    changed_.clear();
    return out;
}

void Accounts::recall(GridId grid, const UsageRow& row) {
    const UsageRow* known = used_.find(grid);
    if (known && known->changes >= row.changes) return;
    used_.put(grid, row, 1);
}

std::uint64_t Accounts::reserved_bytes(GridId grid) const {
    const auto at = reserved_.find(grid);
    return at == reserved_.end() ? 0 : at->second.bytes;
}

std::size_t Accounts::uploads(GridId grid) const {
    const auto at = reserved_.find(grid);
    return at == reserved_.end() ? 0 : at->second.uploads;
}

void Accounts::reserve(GridId grid, std::uint64_t bytes) {
    Reserved& r = reserved_[grid];
    r.bytes += bytes;
    ++r.uploads;
    reserved_of_all_ += bytes;
}

void Accounts::release(GridId grid, std::uint64_t bytes) {
    const auto at = reserved_.find(grid);
    CHECK(at != reserved_.end() && at->second.bytes >= bytes, "what is released was reserved");
    at->second.bytes -= bytes;
    reserved_of_all_ -= bytes;
    if (--at->second.uploads == 0) reserved_.erase(at);
}

}  // namespace s4::storage

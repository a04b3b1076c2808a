#include "storage_model.h"

#include <fmt/format.h>

namespace s4::simulation {
namespace {

std::string shown(const Share& share) {
    if (!share) return "no share";
    return fmt::format("{} bytes", share->size());
}

std::string shown(const Slot& slot) {
    if (slot.empty()) return "no shares";
    std::string out;
    for (const auto& [number, content] : slot)
        out += fmt::format(" {}:{} bytes", number, content.size());
    return out;
}

}  // namespace

// The same index in every grid, so that a leak between grids would be seen.
storage::StorageIndex IndexName::index() const {
    storage::StorageIndex out;
    for (std::size_t i = 0; i < out.bytes.size(); ++i)
        out.bytes[i] = static_cast<std::uint8_t>((number + 1) * 37 + i);
    return out;
}

std::string IndexName::text() const {
    return fmt::format("grid {} index {}", grid.value, number);
}

void StorageModel::compare(const IndexName& name, const Observed& seen, When when) {
    IndexModel& model = indexes_[name];
    for (const auto& [number, content] : seen.immutable) model.immutable[number];
    for (auto& [number, share] : model.immutable) {
        const auto found = seen.immutable.find(number);
        const Share now = found == seen.immutable.end() ? Share() : Share(found->second);
        if (!share.allows(now)) {
            const bool half = now && share.known && *now != *share.known;
            run_.violated(half ? 2 : 1,
                          fmt::format("{} share {}: {} seen, {} was acknowledged", name.text(),
                                      number, shown(now), shown(share.known)));
        }
        if (when == When::restarted) share.settle(now);
    }
    if (!model.slot.allows(seen.slot))
        run_.violated(model.slot.known.size() == seen.slot.size() ? 2 : 1,
                      fmt::format("{}: slot holds{}, acknowledged is{}", name.text(),
                                  shown(seen.slot), shown(model.slot.known)));
    if (when == When::restarted) model.slot.settle(seen.slot);
    compare_leases(name, seen, when);
}

void StorageModel::compare_leases(const IndexName& name, const Observed& seen, When when) {
    IndexModel& model = indexes_[name];
    for (const auto& [number, hashes] : seen.leases) {
        Leases& leases = model.leases[number];
        for (const LeaseHash& hash : leases.acknowledged)
            if (!hashes.contains(hash))
                run_.violated(
                    1, fmt::format("{} share {} lost an acknowledged lease", name.text(), number));
        for (const LeaseHash& hash : hashes)
            if (!leases.acknowledged.contains(hash) && !leases.unanswered.contains(hash))
                run_.violated(2, fmt::format("{} share {} has a lease that nobody made",
                                             name.text(), number));
        if (when == When::restarted) leases = {.acknowledged = hashes, .unanswered = {}};
    }
    // Leases go with their share.
    if (when == When::restarted)
        std::erase_if(model.leases,
                      [&](const auto& entry) { return !seen.leases.contains(entry.first); });
}

}  // namespace s4::simulation

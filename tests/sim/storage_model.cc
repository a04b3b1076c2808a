#include "storage_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "crypto/hash.h"

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

Print print_of(ByteView content) {
    return {content.size(), crypto::blake2b_256(content)};
}

SlotPrint print_of(const Slot& slot) {
    SlotPrint out;
    for (const auto& [number, content] : slot) out[number] = print_of(content);
    return out;
}

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

void IndexModel::took_place(std::size_t at) {
    const SlotAttempt done = std::move(attempts[at]);
    attempts.erase(attempts.begin() + static_cast<std::ptrdiff_t>(at));
    for (SlotAttempt& other : attempts)
        for (const auto& [share, print] : done.changes) {
            if (!other.changes.contains(share)) continue;
            const auto before = slot.known.find(share);
            other.overtaken.push_back({share,
                                       before == slot.known.end() ? 0 : before->second.size(),
                                       print ? print->size : 0});
        }
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
    if (when == When::restarted) {
        const SlotPrint now = print_of(seen.slot);
        for (std::size_t i = model.attempts.size(); i-- > 0;) {
            if (model.attempts[i].failed || model.attempts[i].after != now) continue;
            model.took_place(i);
            break;
        }
        for (SlotAttempt& attempt : model.attempts) attempt.failed = true;
        model.slot.settle(seen.slot);
    }
    compare_leases(name, seen, when);
}

void StorageModel::adopt(const IndexName& name, const Observed& seen) {
    IndexModel& model = indexes_[name];
    for (auto& [number, share] : model.immutable) share.settle({});
    for (const auto& [number, content] : seen.immutable) model.immutable[number].settle(content);
    model.slot.settle(seen.slot);
    // A removed blob may come back with the next power loss: attempts are not forgotten.
    for (SlotAttempt& attempt : model.attempts) attempt.failed = true;
    model.leases.clear();
    for (const auto& [number, hashes] : seen.leases)
        model.leases[number] = {.acknowledged = hashes, .unanswered = {}};
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

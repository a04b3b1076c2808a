#include "storage_node.h"

#include <fmt/format.h>

#include <algorithm>

#include "blob/directory_store.h"
#include "crypto/hash.h"

namespace s4::simulation {

using rt::Task;
using rt::sim::Dice;
using rt::sim::Process;

namespace {

// Below this many of a share the limit of 64 is surely not reached.
constexpr std::size_t kLeasesMaxSurely = 60;

Task<Result<ByteBuffer>> read_whole(storage::ShareReader& reader, rt::Context ctx) {
    ByteBuffer out;
    ByteBuffer scratch;
    while (out.size() < reader.length()) {
        const auto view = co_await reader.read(ctx, out.size(), 200'000, scratch);
        if (!view) co_return fail(view.error());
        if (view->empty()) break;
        append(out, *view);
    }
    co_return out;
}

void compare_usage(Node& node, GridId grid, const storage::Usage& usage,
                   const storage::Usage& recounted, std::uint64_t bytes, std::uint64_t shares) {
    Run& run = node.story.run;
    if (usage.data_bytes != bytes || usage.shares != shares)
        run.violated(4, fmt::format("grid {} counts {} bytes in {} shares, but has {} in {}",
                                    grid.value, usage.data_bytes, usage.shares, bytes, shares));
    if (recounted.data_bytes != bytes || recounted.shares != shares)
        run.violated(4, fmt::format("grid {} recounts wrongly", grid.value));
    if (usage.reserved_bytes != 0)
        run.violated(4, fmt::format("grid {} reserves {} bytes for nobody", grid.value,
                                    usage.reserved_bytes));
    const std::uint64_t quota = node.story.policies.only.quota_bytes;
    if (usage.used_bytes() > quota + storage::kMutableOverdraftBytes)
        run.violated(4, fmt::format("grid {} is past its quota", grid.value));
}

void change_share(Dice& dice, Change& change, ShareNumber share) {
    storage::ShareTestWrite& write = change.shares[share];
    const auto there = change.after.find(share);
    if (there != change.after.end() && dice.chance(0.1)) {
        write.new_length = 0;
        change.after.erase(share);
        return;
    }
    ByteBuffer content = there == change.after.end() ? ByteBuffer() : there->second;
    const std::uint64_t pieces = dice.between(1, 3);
    for (std::uint64_t i = 0; i < pieces; ++i) {
        const std::uint64_t size =
            dice.chance(0.1) ? dice.between(5000, 150'000) : dice.between(1, 5000);
        const std::uint64_t offset = dice.below(content.size() + 100);
        ByteBuffer bytes(size);
        dice.fill(bytes);
        write.writes.push_back({.offset = offset, .data = {change.data.size(), size}});
        append(change.data, bytes);
        if (content.size() < offset + size) content.resize(offset + size);
        std::copy(bytes.begin(), bytes.end(),
                  content.begin() + static_cast<std::ptrdiff_t>(offset));
    }
    if (dice.chance(0.3)) {
        write.new_length = dice.between(1, content.size());
        content.resize(*write.new_length);
    }
    change.after[share] = std::move(content);
}

}  // namespace

StorageStory::StorageStory(Run& r)
    : run(r),
      model(r),
      key_source(r.world().seed(), "master"),
      master(crypto::StaticMasterKey::generate(key_source)) {}

Secret secret_of(std::uint64_t number) {
    ByteBuffer bytes(32);
    Dice(number, "secret").fill(bytes);
    return Secret(std::move(bytes));
}

MadeLease lease_of(std::uint64_t number) {
    Secret renew = secret_of(number * 2);
    const LeaseHash hash = crypto::blake2b_256(renew.reveal());
    return {{std::move(renew), secret_of(number * 2 + 1)}, hash};
}

void lease_unanswered(IndexModel& model, const LeaseHash& hash) {
    for (auto& [number, share] : model.immutable) model.leases[number].unanswered.insert(hash);
    for (const auto& [number, content] : model.slot.known)
        model.leases[number].unanswered.insert(hash);
    for (const Slot& slot : model.slot.unanswered)
        for (const auto& [number, content] : slot) model.leases[number].unanswered.insert(hash);
}

void lease_acknowledged(IndexModel& model, const LeaseHash& hash) {
    for (auto& [number, share] : model.immutable)
        if (share.known) model.leases[number].acknowledged.insert(hash);
    // A slot after an unanswered call is not known well enough.
    if (!model.slot.unanswered.empty()) return;
    for (const auto& [number, content] : model.slot.known)
        model.leases[number].acknowledged.insert(hash);
}

ByteBuffer content_of(const StorageStory& story, const IndexName& name, ShareNumber share) {
    Dice dice(story.run.world().seed(), name.text() + std::to_string(share));
    const std::uint64_t kind = dice.below(10);
    const std::uint64_t size = kind < 5   ? dice.between(1, 3000)
                               : kind < 9 ? dice.between(3000, 90'000)
                                          : dice.between(90'000, 600'000);
    ByteBuffer out(size);
    dice.fill(out);
    return out;
}

Change some_change(Dice& dice, const Slot& before) {
    Change out{.shares = {}, .mentioned = {}, .data = {}, .after = before};
    const std::uint64_t shares = dice.between(1, 3);
    for (std::uint64_t i = 0; i < shares; ++i) {
        const auto share = static_cast<ShareNumber>(dice.below(3));
        if (out.mentioned.insert(share).second) change_share(dice, out, share);
    }
    return out;
}

void add_test(Change& change, const Slot& before, bool wrong) {
    auto& [share, write] = *change.shares.begin();
    ByteBuffer beginning;
    if (const auto there = before.find(share); there != before.end()) {
        const std::size_t size = std::min<std::size_t>(20, there->second.size());
        beginning.assign(there->second.begin(),
                         there->second.begin() + static_cast<std::ptrdiff_t>(size));
    }
    if (wrong && !beginning.empty()) beginning[0] ^= 1;
    if (wrong && beginning.empty()) beginning = {1};
    const std::uint64_t size = std::max<std::uint64_t>(1, beginning.size());
    write.tests.push_back({.offset = 0, .size = size, .specimen = std::move(beginning)});
}

void change_unanswered(IndexModel& model, const Change& change, const LeaseHash& lease) {
    lease_unanswered(model, lease);
    for (const auto& [share, content] : change.after) model.leases[share].unanswered.insert(lease);
    // Leases go with a share that is deleted, which may now happen.
    for (auto& [share, leases] : model.leases) {
        if (change.after.contains(share)) continue;
        leases.unanswered.insert(leases.acknowledged.begin(), leases.acknowledged.end());
        leases.acknowledged.clear();
    }
    model.slot.unanswered.push_back(change.after);
    SlotAttempt attempt;
    attempt.after = print_of(change.after);
    for (const auto& [share, print] : attempt.after) model.ever[share].insert(print);
    for (const ShareNumber share : change.mentioned) {
        const auto print = attempt.after.find(share);
        attempt.changes[share] =
            print == attempt.after.end() ? std::nullopt : std::optional(print->second);
    }
    model.attempts.push_back(std::move(attempt));
}

void change_acknowledged(IndexModel& model, const Change& change, const LeaseHash& lease) {
    model.took_place(model.attempts.size() - 1);
    model.slot.settle(change.after);
    std::erase_if(model.leases,
                  [&](const auto& entry) { return !change.after.contains(entry.first); });
    for (const ShareNumber share : change.mentioned) {
        if (!change.after.contains(share)) continue;
        // Beyond the limit a write goes without.
        Leases& leases = model.leases[share];
        if (leases.acknowledged.size() + leases.unanswered.size() < kLeasesMaxSurely)
            leases.acknowledged.insert(lease);
    }
}

std::unique_ptr<sql::Database> open_database(Run& run, Process& process, bool faults,
                                             std::span<const sql::Migration> migrations,
                                             const std::string& path) {
    rt::Files& files = process.runtime().files;
    auto made = files.make_directories("state");
    if (made) made = files.sync_directory(".");
    auto database =
        sql::Database::open(process.runtime(), run.database_options(process, path), migrations);
    if (made && database) return std::move(*database);
    if (process.alive() && !faults)
        run.violated(10, "the database does not open: " + database.error().to_string());
    return nullptr;
}

std::unique_ptr<blob::Store> open_store(Run& run, Process& process, bool faults) {
    auto store = blob::DirectoryStore::open(
        process.runtime(),
        {.path = "state/store",
         .planted_bugs = {.skip_sync = run.plant() == Plant::missing_blob_sync}});
    if (store) return std::move(*store);
    if (process.alive() && !faults)
        run.violated(10, "the store does not open: " + store.error().to_string());
    return nullptr;
}

Task<Result<Slot>> read_all(Node& node, const IndexName& name, storage::ShareKind kind,
                            rt::Context ctx) {
    Slot out;
    auto readers = co_await node.engine.open_all(ctx, name.grid, name.index(), kind);
    if (!readers) co_return fail(readers.error());
    for (const auto& reader : *readers) {
        auto content = co_await read_whole(*reader, ctx);
        if (!content) co_return fail(content.error());
        out[reader->share()] = std::move(*content);
    }
    co_return out;
}

Task<Result<Observed>> observe(Node& node, const IndexName& name, rt::Context ctx) {
    Observed out;
    out.immutable = CO_TRY(co_await read_all(node, name, storage::ShareKind::immutable, ctx));
    out.slot = CO_TRY(co_await read_all(node, name, storage::ShareKind::mutable_, ctx));
    for (const Slot* shares : {&out.immutable, &out.slot}) {
        for (const auto& [number, content] : *shares) {
            auto leases = co_await node.engine.leases(ctx, name.grid, name.index(), number);
            if (!leases) co_return fail(leases.error());
            std::set<LeaseHash>& hashes = out.leases[number];
            for (const storage::LeaseInfo& lease : *leases) hashes.insert(lease.renew_hash);
        }
    }
    co_return out;
}

Task<std::optional<Contents>> observe_grid(Node& node, GridId grid, int invariant) {
    const rt::Context ctx = node.process.context();
    Contents out;
    for (std::uint64_t number = 0; number < kActors * kIndexesEach; ++number) {
        const IndexName name{grid, number};
        auto seen = co_await observe(node, name, ctx);
        if (node.gone()) co_return std::nullopt;
        if (!seen) {
            node.story.run.violated(invariant, fmt::format("{} cannot be read: {}", name.text(),
                                                           seen.error().to_string()));
            co_return std::nullopt;
        }
        out.indexes.emplace_back(name, std::move(*seen));
    }
    co_return out;
}

std::vector<std::pair<IndexName, ShareNumber>> Contents::shares() const {
    std::vector<std::pair<IndexName, ShareNumber>> out;
    for (const auto& [name, seen] : indexes)
        for (const Slot* all : {&seen.immutable, &seen.slot})
            for (const auto& [share, content] : *all) out.emplace_back(name, share);
    return out;
}

std::uint64_t Contents::bytes() const {
    std::uint64_t out = 0;
    for (const auto& [name, seen] : indexes)
        for (const Slot* all : {&seen.immutable, &seen.slot})
            for (const auto& [share, content] : *all) out += content.size();
    return out;
}

Task<void> check_grid(Node& node, GridId grid, StorageModel::When when) {
    const rt::Context ctx = node.process.context();
    const auto contents = co_await observe_grid(node, grid, 10);
    if (!contents) co_return;
    for (const auto& [name, seen] : contents->indexes) node.story.model.compare(name, seen, when);
    for (const auto& [name, share] : contents->shares()) {
        const auto sound = co_await node.engine.verify(ctx, grid, name.index(), share);
        if (!sound && !node.gone())
            node.story.run.violated(
                3, fmt::format("{} share {}: {}", name.text(), share, sound.error().to_string()));
    }
    co_await check_usage(node, grid, contents->bytes(), contents->shares().size());
}

Task<void> check_usage(Node& node, GridId grid, std::uint64_t bytes, std::uint64_t shares) {
    const rt::Context ctx = node.process.context();
    const auto usage = co_await node.engine.usage(ctx, grid);
    const auto recounted = co_await node.engine.recount(ctx, grid);
    if (node.gone()) co_return;
    if (usage && recounted) compare_usage(node, grid, *usage, *recounted, bytes, shares);
}

Task<void> check_all(Node& node, StorageModel::When when) {
    for (std::int64_t grid = 1; grid <= kGrids && !node.gone(); ++grid)
        co_await check_grid(node, GridId{grid}, when);
}

}  // namespace s4::simulation

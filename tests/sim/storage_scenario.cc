// The storage engine with its database and its blobs, called as the gate calls it. Actors own
// indexes, some immutable, some slots, in two grids that use the same storage indexes; what they
// were told goes into the model, and after each restart the engine must agree with it.
#include <fmt/format.h>

#include <algorithm>

#include "blob/directory_store.h"
#include "crypto/hash.h"
#include "crypto/master_key.h"
#include "rt/scope.h"
#include "run.h"
#include "storage/engine.h"
#include "storage/schema.h"
#include "storage_model.h"

namespace s4::simulation {
namespace {

using namespace std::chrono_literals;
using rt::Task;
using rt::sim::Dice;
using rt::sim::Process;
using storage::Engine;
using storage::ShareKind;

constexpr std::size_t kActors = 5;
constexpr std::uint64_t kIndexesEach = 4;  // two of them slots
constexpr std::int64_t kGrids = 2;

class FixedPolicies final : public storage::Policies {
  public:
    std::optional<storage::GridPolicy> policy(GridId grid) const override {
        if (grid.value < 1 || grid.value > kGrids) return std::nullopt;
        return only;
    }
    storage::GridPolicy only;
};

struct Story {
    explicit Story(Run& r)
        : run(r), model(r), key_source(r.world().seed(), "master"),
          master(crypto::StaticMasterKey::generate(key_source)) {}

    Run& run;
    StorageModel model;
    rt::sim::SeededRandom key_source;
    crypto::StaticMasterKey master;
    FixedPolicies policies;
    storage::EngineOptions options;
    std::uint64_t last_secret = 0;
};

// One machine's services for as long as a process lives.
struct Node {
    Story& story;
    Process& process;
    Engine& engine;
    bool faults = false;

    Dice& dice() { return story.run.dice(); }
    bool gone() const { return !process.alive(); }
};

Secret secret_of(std::uint64_t number) {
    ByteBuffer bytes(32);
    Dice(number, "secret").fill(bytes);
    return Secret(std::move(bytes));
}

struct MadeLease {
    storage::LeaseSecrets secrets;
    LeaseHash hash;
};

MadeLease lease_of(std::uint64_t number) {
    Secret renew = secret_of(number * 2);
    const LeaseHash hash = crypto::blake2b_256(renew.reveal());
    return {{std::move(renew), secret_of(number * 2 + 1)}, hash};
}

// An immutable share's bytes follow from its name, as a real one's follow from the file.
ByteBuffer content_of(const Story& story, const IndexName& name, ShareNumber share) {
    Dice dice(story.run.world().seed(), name.text() + std::to_string(share));
    const std::uint64_t kind = dice.below(10);
    const std::uint64_t size = kind < 5   ? dice.between(1, 3000)
                               : kind < 9 ? dice.between(3000, 90'000)
                                          : dice.between(90'000, 600'000);
    ByteBuffer out(size);
    dice.fill(out);
    return out;
}

// Errors that a client may meet on a healthy node, and those that need a reason.
void judge(Node& node, const char* what, const Error& error) {
    if (node.gone()) return;
    switch (error.kind()) {
        case ErrorKind::unavailable:
        case ErrorKind::no_space:
        case ErrorKind::cancelled:
        case ErrorKind::timeout:
            return;
        case ErrorKind::io:
            if (node.faults) return;
            break;
        default:
            break;
    }
    node.story.run.violated(11, fmt::format("{} failed: {}", what, error.to_string()));
}

// -- looking --

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

Task<Result<Slot>> read_all(Node& node, const IndexName& name, ShareKind kind, rt::Context ctx) {
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
    out.immutable = CO_TRY(co_await read_all(node, name, ShareKind::immutable, ctx));
    out.slot = CO_TRY(co_await read_all(node, name, ShareKind::mutable_, ctx));
    for (const Slot* shares : {&out.immutable, &out.slot}) {
        for (const auto& [number, content] : *shares) {
            auto leases = co_await node.engine.leases(ctx, name.grid, name.index(), number);
            if (!leases) co_return fail(leases.error());
            for (const storage::LeaseInfo& lease : *leases)
                out.leases[number].insert(lease.renew_hash);
        }
    }
    co_return out;
}

void check_usage(Node& node, GridId grid, const storage::Usage& usage,
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

// Everything the engine holds against everything the model allows. Nothing is under way.
Task<void> check_all(Node& node, StorageModel::When when) {
    const rt::Context ctx = node.process.context();
    for (std::int64_t grid = 1; grid <= kGrids; ++grid) {
        std::uint64_t bytes = 0;
        std::uint64_t shares = 0;
        for (std::uint64_t number = 0; number < kActors * kIndexesEach; ++number) {
            const IndexName name{GridId{grid}, number};
            const auto seen = co_await observe(node, name, ctx);
            if (node.gone()) co_return;
            if (!seen) {
                node.story.run.violated(
                    10, fmt::format("{} cannot be read: {}", name.text(),
                                    seen.error().to_string()));
                co_return;
            }
            node.story.model.compare(name, *seen, when);
            for (const Slot* all : {&seen->immutable, &seen->slot})
                for (const auto& [share, content] : *all) {
                    bytes += content.size();
                    ++shares;
                    const auto sound =
                        co_await node.engine.verify(ctx, name.grid, name.index(), share);
                    if (!sound && !node.gone())
                        node.story.run.violated(
                            3, fmt::format("{} share {}: {}", name.text(), share,
                                           sound.error().to_string()));
                }
        }
        const auto usage = co_await node.engine.usage(ctx, GridId{grid});
        const auto recounted = co_await node.engine.recount(ctx, GridId{grid});
        if (node.gone()) co_return;
        if (usage && recounted)
            check_usage(node, GridId{grid}, *usage, *recounted, bytes, shares);
    }
}

// -- immutable indexes --

void lease_unanswered(IndexModel& model, const LeaseHash& hash) {
    for (auto& [number, share] : model.immutable) model.leases[number].unanswered.insert(hash);
    for (const auto& [number, content] : model.slot.known)
        model.leases[number].unanswered.insert(hash);
}

// Writes one share in pieces in some order; sometimes gives up half way.
Task<void> write_share(Node& node, const IndexName& name, ShareNumber share,
                       const storage::UploadOwner& owner, LeaseHash lease, rt::Context ctx) {
    const ByteBuffer content = content_of(node.story, name, share);
    const std::size_t piece = node.dice().between(content.size() / 5 + 1, content.size());
    std::vector<std::size_t> offsets;
    for (std::size_t at = 0; at < content.size(); at += piece) offsets.push_back(at);
    for (std::size_t i = offsets.size(); i > 1; --i)
        std::swap(offsets[i - 1], offsets[node.dice().below(i)]);
    if (node.dice().chance(0.1)) offsets.pop_back();
    Uncertain<Share>& model = node.story.model.at(name).immutable[share];
    for (std::size_t i = 0; i < offsets.size(); ++i) {
        const ByteView bytes = ByteView(content).subspan(
            offsets[i], std::min(piece, content.size() - offsets[i]));
        model.unanswered.emplace_back(content);
        node.story.model.at(name).leases[share].unanswered.insert(lease);
        const auto answer = co_await node.engine.write(ctx, {name.grid, name.index(), share}, owner,
                                                       offsets[i], bytes);
        if (node.gone()) co_return;
        if (!answer) {
            judge(node, "a write", answer.error());
            co_return;
        }
        if (!answer->complete) {
            model.unanswered.pop_back();
            continue;
        }
        model.settle(content);
        node.story.model.at(name).leases[share].acknowledged.insert(lease);
        node.story.run.acknowledged();
    }
}

Task<void> upload(Node& node, const IndexName& name, rt::Context ctx) {
    IndexModel& model = node.story.model.at(name);
    const MadeLease lease = lease_of(++node.story.last_secret);
    // The same secret again now and then: a client that resumes.
    const storage::UploadOwner owner =
        secret_of(name.number * 1000 + (node.dice().chance(0.5) ? 0 : node.dice().below(3)));
    const ShareNumber share = static_cast<ShareNumber>(node.dice().below(3));
    lease_unanswered(model, lease.hash);
    const auto answer = co_await node.engine.allocate(
        ctx, name.grid,
        {.index = name.index(),
         .secrets = lease.secrets,
         .owner = owner,
         .shares = {share},
         .size = content_of(node.story, name, share).size()});
    if (node.gone()) co_return;
    if (!answer) {
        judge(node, "an allocation", answer.error());
        co_return;
    }
    for (const auto& [number, known] : model.immutable) {
        const bool there = std::ranges::find(answer->already_have, number) !=
                           answer->already_have.end();
        if (known.known && !there)
            node.story.run.violated(1, fmt::format("{} share {} is not among those it has",
                                                   name.text(), number));
        if (there && !known.known && known.unanswered.empty())
            node.story.run.violated(2, fmt::format("{} share {} was never completed",
                                                   name.text(), number));
    }
    for (const ShareNumber number : answer->allocated)
        co_await write_share(node, name, number, owner, lease.hash, ctx);
}

// -- slots --

// A change of a slot and what it makes of it.
struct Change {
    std::map<ShareNumber, storage::ShareTestWrite> shares;
    ByteBuffer data;  // staged
    Slot after;
};

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
        const std::uint64_t size = dice.chance(0.1) ? dice.between(5000, 150'000)
                                                    : dice.between(1, 5000);
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

Change some_change(Dice& dice, const Slot& before) {
    Change out{.shares = {}, .data = {}, .after = before};
    const std::uint64_t shares = dice.between(1, 3);
    for (std::uint64_t i = 0; i < shares; ++i) {
        const auto share = static_cast<ShareNumber>(dice.below(3));
        if (!out.shares.contains(share)) change_share(dice, out, share);
    }
    return out;
}

// A test of what is there: the first bytes of a share.
void expect_beginning(Change& change, ShareNumber share, ByteBuffer beginning) {
    const std::uint64_t size = std::max<std::uint64_t>(1, beginning.size());
    change.shares[share].tests.push_back(
        {.offset = 0, .size = size, .specimen = std::move(beginning)});
}

Task<void> rewrite(Node& node, const IndexName& name, rt::Context ctx) {
    IndexModel& model = node.story.model.at(name);
    if (!model.slot.unanswered.empty()) {
        // The last call failed without an answer: look what became of it, and go on from there.
        auto seen = co_await read_all(node, name, ShareKind::mutable_, ctx);
        if (node.gone() || !seen) co_return;
        if (!model.slot.allows(*seen))
            node.story.run.violated(2, name.text() + " shows a state that nobody made");
        std::swap(model.slot.known, *seen);
        model.slot.unanswered.push_back(std::move(*seen));
    }
    Change change = some_change(node.dice(), model.slot.known);
    const bool wrong_test = node.dice().chance(0.1);
    const ShareNumber tested = change.shares.begin()->first;
    const auto there = model.slot.known.find(tested);
    ByteBuffer beginning;
    if (there != model.slot.known.end())
        beginning.assign(there->second.begin(),
                         there->second.begin() +
                             static_cast<std::ptrdiff_t>(std::min<std::size_t>(
                                 20, there->second.size())));
    if (wrong_test) beginning.push_back(77), beginning.push_back(78);
    expect_beginning(change, tested, beginning);
    const MadeLease lease = lease_of(++node.story.last_secret);
    auto staging = node.engine.stage();
    const auto staged = co_await staging->append(ctx, change.data);
    if (node.gone()) co_return;
    if (!staged) {
        judge(node, "staging", staged.error());
        co_return;
    }
    lease_unanswered(model, lease.hash);
    for (const auto& [share, content] : change.after)
        model.leases[share].unanswered.insert(lease.hash);
    if (!wrong_test) model.slot.unanswered.push_back(change.after);
    storage::TestWriteRequest request{.index = name.index(),
                                      .write_enabler = secret_of(name.number + 500'000),
                                      .secrets = lease.secrets,
                                      .shares = std::move(change.shares),
                                      .reads = {},
                                      .staging = std::move(staging)};
    const auto answer =
        co_await node.engine.read_test_write(ctx, name.grid, std::move(request));
    if (node.gone()) co_return;
    if (!answer) {
        judge(node, "a test-and-write", answer.error());
        co_return;
    }
    if (answer->success == wrong_test)
        node.story.run.violated(2, name.text() + ": a test was decided wrongly");
    if (!answer->success) co_return;
    model.slot.settle(change.after);
    // The lease is on every share that the slot has now.
    std::erase_if(model.leases,
                  [&](const auto& entry) { return !change.after.contains(entry.first); });
    for (const auto& [share, content] : change.after)
        model.leases[share].acknowledged.insert(lease.hash);
    node.story.run.acknowledged();
}

Task<void> write_with_wrong_enabler(Node& node, const IndexName& name, rt::Context ctx) {
    if (node.story.model.at(name).slot.known.empty()) co_return;
    Change change = some_change(node.dice(), {});
    auto staging = node.engine.stage();
    if (!co_await staging->append(ctx, change.data)) co_return;
    storage::TestWriteRequest request{.index = name.index(),
                                      .write_enabler = secret_of(1),
                                      .secrets = lease_of(1).secrets,
                                      .shares = std::move(change.shares),
                                      .reads = {},
                                      .staging = std::move(staging)};
    const auto answer = co_await node.engine.read_test_write(ctx, name.grid, std::move(request));
    if (!node.gone() && answer)
        node.story.run.violated(6, name.text() + " was written with a wrong write enabler");
}

// -- both --

Task<void> add_lease(Node& node, const IndexName& name, rt::Context ctx) {
    IndexModel& model = node.story.model.at(name);
    const MadeLease lease = lease_of(++node.story.last_secret);
    lease_unanswered(model, lease.hash);
    const auto count = co_await node.engine.add_lease(ctx, name.grid, name.index(), lease.secrets);
    if (node.gone()) co_return;
    if (!count) {
        if (!count.error().is("storage.too_many_leases")) judge(node, "a lease", count.error());
        co_return;
    }
    for (auto& [number, share] : model.immutable)
        if (share.known) model.leases[number].acknowledged.insert(lease.hash);
    // A slot after an unanswered call is not known well enough.
    if (model.slot.unanswered.empty())
        for (const auto& [number, content] : model.slot.known)
            model.leases[number].acknowledged.insert(lease.hash);
    node.story.run.acknowledged();
}

Task<void> look(Node& node, const IndexName& name, rt::Context ctx) {
    const auto seen = co_await observe(node, name, ctx);
    if (node.gone()) co_return;
    if (!seen) {
        judge(node, "a read", seen.error());
        co_return;
    }
    node.story.model.compare(name, *seen, StorageModel::When::running);
}

Task<void> act(Node& node, rt::Context ctx, std::size_t actor) {
    while (!ctx.cancel.cancelled() && !node.gone() && !node.story.run.failed()) {
        const IndexName name{GridId{static_cast<std::int64_t>(node.dice().between(1, kGrids))},
                             actor * kIndexesEach + node.dice().below(kIndexesEach)};
        const std::uint64_t choice = node.dice().below(10);
        if (choice < 6) {
            if (name.is_slot()) co_await rewrite(node, name, ctx);
            else co_await upload(node, name, ctx);
        } else if (choice == 6) {
            co_await add_lease(node, name, ctx);
        } else if (choice == 7 && name.is_slot()) {
            co_await write_with_wrong_enabler(node, name, ctx);
        } else {
            co_await look(node, name, ctx);
        }
        if (!co_await rt::sleep(node.process.runtime().reactor, ctx,
                                node.dice().between(Duration(0), Duration(50ms))))
            co_return;
    }
}

Task<void> run_engine(Story& story, Process& process, sql::Database& database,
                      blob::Store& blobs, bool load, bool faults) {
    auto engine = co_await Engine::create(process.context(), process.runtime(), database, blobs,
                                          story.master, story.policies, story.options);
    if (!engine) {
        if (process.alive() && !faults)
            story.run.violated(10, "the engine does not start: " + engine.error().to_string());
        co_return;
    }
    Node node{.story = story, .process = process, .engine = **engine, .faults = faults};
    co_await check_all(node, StorageModel::When::restarted);
    if (load && process.alive()) {
        rt::Scope scope(process.context());
        for (std::size_t actor = 0; actor < kActors; ++actor)
            scope.spawn(act(node, scope.context(), actor));
        co_await scope.join();
    }
    co_await (*engine)->close();
}

Task<void> serve(Story& story, Process& process, bool load, bool faults) {
    const auto made = process.runtime().files.make_directories("state");
    auto database = sql::Database::open(process.runtime(),
                                        story.run.database_options(process, "state/db"),
                                        storage::migrations());
    if (!made || !database) {
        if (process.alive() && !faults)
            story.run.violated(10, "the database does not open: " +
                                       database.error().to_string());
        co_return;
    }
    auto blobs = blob::DirectoryStore::open(
        process.runtime(),
        {.path = "state/store",
         .planted_bugs = {.skip_sync = story.run.plant() == Plant::missing_blob_sync}});
    if (!blobs) {
        if (process.alive() && !faults)
            story.run.violated(10, "the store does not open: " + blobs.error().to_string());
        co_return;
    }
    co_await run_engine(story, process, **database, **blobs, load, faults);
}

}  // namespace

void play_storage(Run& run) {
    Story story(run);
    Dice& dice = run.dice();
    story.policies.only.quota_bytes = dice.chance(0.3) ? dice.between(200'000, 2'000'000) : kGiB;
    story.options.disk_reserve_bytes = kMiB;
    story.options.collect_every = 2s;
    story.options.blob_retention_s = dice.chance(0.5) ? 5 : 7 * 24 * 3600;
    if (dice.chance(0.5)) story.options.small_share_bytes_max = dice.between(500, 5000);
    rt::sim::Machine& machine = run.world().machine("storage");
    for (int round = 0; round < 6 && !run.failed(); ++round) {
        const bool faults = dice.chance(0.2);
        rt::sim::Disk& disk = machine.disk();
        run.boot_and_crash(machine, [&](Process& process) {
            if (faults) {
                if (dice.chance(0.5)) machine.faults().write_error = 0.001;
                else disk.set_capacity(disk.used_bytes() + kMiB + dice.below(3 * kMiB));
            }
            process.spawn(serve(story, process, true, faults));
        });
        machine.faults() = {};
        disk.set_capacity(4 * kGiB);
    }
    run.boot_and_stop(
        machine,
        [&](Process& process) { process.spawn(serve(story, process, false, false)); }, 1min);
}

}  // namespace s4::simulation

#include "storage_actors.h"

#include <fmt/format.h>

#include <algorithm>

#include "rt/scope.h"
#include "storage/schema.h"

namespace s4::simulation {
namespace {

using namespace std::chrono_literals;
using rt::Task;
using rt::sim::Process;
using storage::Engine;
using storage::ShareKind;

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

// -- immutable indexes --

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
        const ByteView bytes =
            ByteView(content).subspan(offsets[i], std::min(piece, content.size() - offsets[i]));
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
        co_return;  // maybe before the last piece: an earlier call had written it
    }
}

Task<void> upload(Node& node, const IndexName& name, rt::Context ctx) {
    IndexModel& model = node.story.model.at(name);
    // The same upload secret again now and then: a client that resumes, with the same lease.
    const std::uint64_t attempt = name.number * 1000 + node.dice().below(4);
    const storage::UploadOwner owner = secret_of(attempt);
    const MadeLease lease = lease_of(kUploadLeases + attempt);
    const ShareNumber share = static_cast<ShareNumber>(node.dice().below(3));
    lease_unanswered(model, lease.hash);
    const auto answer =
        co_await node.engine.allocate(ctx, name.grid,
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
        const bool there =
            std::ranges::find(answer->already_have, number) != answer->already_have.end();
        if (known.known && !there)
            node.story.run.violated(
                1, fmt::format("{} share {} is not among those it has", name.text(), number));
        if (there && !known.known && known.unanswered.empty())
            node.story.run.violated(
                2, fmt::format("{} share {} was never completed", name.text(), number));
    }
    for (const ShareNumber number : answer->allocated)
        co_await write_share(node, name, number, owner, lease.hash, ctx);
}

// -- slots --

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
    add_test(change, model.slot.known, wrong_test);
    const MadeLease lease = lease_of(++node.story.last_secret);
    auto staging = node.engine.stage();
    const auto staged = co_await staging->append(ctx, change.data);
    if (node.gone()) co_return;
    if (!staged) {
        judge(node, "staging", staged.error());
        co_return;
    }
    if (!wrong_test) change_unanswered(model, change, lease.hash);
    storage::TestWriteRequest request{.index = name.index(),
                                      .write_enabler = secret_of(name.number + 500'000),
                                      .secrets = lease.secrets,
                                      .shares = std::move(change.shares),
                                      .reads = {},
                                      .staging = std::move(staging)};
    const auto answer = co_await node.engine.read_test_write(ctx, name.grid, std::move(request));
    if (node.gone()) co_return;
    if (!answer) {
        judge(node, "a test-and-write", answer.error());
        co_return;
    }
    if (answer->success == wrong_test)
        node.story.run.violated(2, name.text() + ": a test was decided wrongly");
    if (!answer->success) co_return;
    change_acknowledged(model, change, lease.hash);
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
    lease_acknowledged(model, lease.hash);
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
            if (name.is_slot())
                co_await rewrite(node, name, ctx);
            else
                co_await upload(node, name, ctx);
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

}  // namespace

Task<void> serve_storage(StorageStory& story, Process& process, bool load, bool faults) {
    const auto database = open_database(story.run, process, faults, storage::migrations());
    if (!database) co_return;
    const auto blobs = open_store(story.run, process, faults);
    if (!blobs) co_return;
    auto engine = co_await Engine::create(process.context(), process.runtime(), *database, *blobs,
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

}  // namespace s4::simulation

#include "gate_story.h"

#include <fmt/format.h>

#include "gate/front_door.h"
#include "gate/gbs_handler.h"
#include "gate/grid_policies.h"
#include "rt/scope.h"
#include "storage/schema.h"
#include "tenants/limits.h"

namespace s4::simulation {

using namespace std::chrono_literals;
using rt::Task;
using rt::sim::Process;

namespace {

std::vector<sql::Migration> all_migrations() {
    std::vector<sql::Migration> all;
    for (const auto& list : {tenants::migrations(), storage::migrations()})
        all.insert(all.end(), list.begin(), list.end());
    return all;
}

// No Foolscap in this story: what asks for it is closed.
class ClosedDoor final : public gate::FoolscapDoor {
  public:
    Task<void> serve(const rt::Context&, std::unique_ptr<rt::Stream>, ByteBuffer) override {
        co_return;
    }
    Task<void> drain(const rt::Context&) override { co_return; }
};

// Grids are made once; a creation without an answer may have happened.
Task<void> make_grids(GateStory& story, Process& process, sql::Database& database,
                      tenants::Directory& directory) {
    while (story.grids.size() < kGrids && process.alive()) {
        ++story.grids_asked_for;
        tenants::Policy policy;
        policy.quota_bytes = story.storage.policies.only.quota_bytes;
        const tenants::NewGrid made = story.keyring.new_grid(
            process.runtime().random, process.runtime().reactor.unix_s(), policy);
        const auto id = co_await database.write(process.context(), [&](sql::Transaction& tx) {
            return tenants::insert_grid(tx, made);
        });
        if (!id || !process.alive()) co_return;
        auto swissnum = story.keyring.swissnum(made.grid.storage);
        CHECK(swissnum.has_value(), "a new grid's secrets open");
        story.grids.push_back({.id = *id,
                               .introducer_tub = made.grid.introducer.tub_id,
                               .storage_tub = made.grid.storage.tub_id,
                               .storage_swissnum = std::move(*swissnum)});
        story.storage.run.acknowledged();
    }
    (void)co_await directory.catch_up(process.context());
}

// Every grid that was acknowledged is found by each of its names, with the same keys.
Task<void> check_grids(GateStory& story, Process& process, tenants::Directory& directory,
                       std::vector<tenants::GridPtr>& held) {
    const rt::Context ctx = process.context();
    for (const KnownGrid& known : story.grids) {
        const auto by_id = co_await directory.by_id(ctx, known.id);
        const auto by_tub = co_await directory.by_tub_id(ctx, known.introducer_tub);
        const auto by_swissnum =
            co_await directory.by_storage_swissnum(ctx, known.storage_swissnum);
        if (!process.alive()) co_return;
        const bool same = by_id && by_tub && by_swissnum && by_tub->grid->id == known.id &&
                          (*by_swissnum)->id == known.id &&
                          (*by_id)->storage.tub_id == known.storage_tub &&
                          story.keyring.tls_identity((*by_id)->storage).has_value();
        if (!same) {
            story.storage.run.violated(
                9, fmt::format("grid {} is no longer what it was", known.id.value));
            co_return;
        }
        held.push_back(*by_id);
    }
}

Task<void> open_door(GateStory& story, Process& process, storage::Engine& engine,
                     tenants::Directory& directory) {
    gate::Seats seats;
    gate::GbsHandler handler(engine, directory, seats, "s4/simulated");
    ClosedDoor foolscap;
    rt::Reactor& reactor = process.runtime().reactor;
    gate::FrontDoor door(reactor, story.tls, story.service, handler, foolscap);
    auto listener = process.runtime().network.listen({"0.0.0.0", kGatePort});
    if (!listener) co_return;
    rt::Scope scope(process.context());
    scope.spawn(door.run(scope.context(), **listener));
    story.serving = true;
    (void)co_await rt::sleep(reactor, process.context(), 24h);
    story.serving = false;
    (*listener)->close();
    const rt::Context last;
    co_await door.drain(last.until(reactor.now() + 5s));
    scope.cancel();
    co_await scope.join();
}

}  // namespace

GateStory::GateStory(Run& run)
    : storage(run),
      service(crypto::TlsIdentity::generate(storage.key_source, 1'767'225'600)),
      tls(proto::tls::Library::create().value()),
      keyring(tenants::Keyring::create(storage.master).value()) {}

Task<void> serve_gate(GateStory& story, Process& process, bool stay) {
    Run& run = story.storage.run;
    const rt::Context& ctx = process.context();
    const auto database = open_database(run, process, false, all_migrations());
    if (!database) co_return;
    const auto blobs = open_store(run, process, false);
    if (!blobs) co_return;
    auto directory =
        co_await tenants::Directory::create(ctx, *database, story.keyring, tenants::kIdleGridsMax);
    if (!directory) co_return;
    co_await make_grids(story, process, *database, **directory);
    std::vector<tenants::GridPtr> held;
    co_await check_grids(story, process, **directory, held);
    if (!process.alive() || run.failed()) co_return;
    gate::GridPolicies policies;
    policies.follow(**directory);
    auto engine =
        co_await storage::Engine::create(ctx, process.runtime(), *database, *blobs,
                                         story.storage.master, policies, story.storage.options);
    if (!engine) {
        if (process.alive())
            run.violated(10, "the engine does not start: " + engine.error().to_string());
        co_return;
    }
    Node node{.story = story.storage, .process = process, .engine = **engine};
    for (const KnownGrid& grid : story.grids)
        co_await check_grid(node, grid.id, StorageModel::When::restarted);
    if (stay && process.alive()) co_await open_door(story, process, **engine, **directory);
    co_await (*engine)->close();
}

}  // namespace s4::simulation

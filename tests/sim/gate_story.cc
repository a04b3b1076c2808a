#include "gate_story.h"

#include <fmt/format.h>

#include "gate/foolscap_gate.h"
#include "gate/front_door.h"
#include "gate/gbs_handler.h"
#include "gate/grid_policies.h"
#include "introducer/introducer.h"
#include "introducer/records.h"
#include "rt/scope.h"
#include "storage/schema.h"
#include "tenants/limits.h"

namespace s4::simulation {

using namespace std::chrono_literals;
using rt::Task;
using rt::sim::Process;

namespace {

constexpr std::uint8_t kOwnKey = 100;  // the seed of the key that announces the grid's own server

std::vector<sql::Migration> all_migrations() {
    std::vector<sql::Migration> all;
    for (const auto& list :
         {tenants::migrations(), introducer::migrations(), storage::migrations()})
        all.insert(all.end(), list.begin(), list.end());
    return all;
}

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
        auto introducer_swissnum = story.keyring.swissnum(made.grid.introducer);
        CHECK(swissnum && introducer_swissnum, "a new grid's secrets open");
        story.grids.push_back({.id = *id,
                               .introducer_tub = made.grid.introducer.tub_id,
                               .storage_tub = made.grid.storage.tub_id,
                               .introducer_swissnum = std::move(*introducer_swissnum),
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

// The table of announcements against what was promised; then the grid's own server is announced
// anew, with a number that rises (invariant 9).
Task<void> check_announcements(GateStory& story, Process& process,
                               introducer::Introducer& introducer, GridId grid) {
    Run& run = story.storage.run;
    const rt::Context ctx = process.context();
    const auto all = co_await introducer.announcements(ctx, grid);
    if (!process.alive()) co_return;
    if (!all) {
        run.violated(10, "announcements cannot be read: " + all.error().to_string());
        co_return;
    }
    std::map<std::string, std::int64_t> found;
    for (const auto& one : *all) found[one->parts.key] = one->seqnum.value_or(0);
    for (const auto& [name, known] : story.announced) {
        if (name.first != grid) continue;
        const std::int64_t number = found.contains(name.second) ? found[name.second] : 0;
        if (number < known.promised || number > known.asked)
            run.violated(9, fmt::format("grid {}: announcement {} stands, {} was promised and {} "
                                        "the last sent",
                                        grid.value, number, known.promised, known.asked));
    }
    const auto key = crypto::Ed25519PrivateKey::from_seed(Secret(ByteBuffer(32, kOwnKey))).value();
    Announced& own = story.announced[{grid, key.public_key().server_id()}];
    own.asked = process.runtime().reactor.unix_s() + 1'000'000;
    const auto published =
        co_await introducer.publish_own(ctx, grid,
                                        {.furl = "pb://own",
                                         .nurls = {},
                                         .permutation_seed = "aa",
                                         .nickname = "",
                                         .version = fmt::format("life {}", story.lives)},
                                        key);
    if (!published || !process.alive()) co_return;
    const std::int64_t before = found[key.public_key().server_id()];
    const auto after = co_await introducer.announcements(ctx, grid);
    if (!after || !process.alive()) co_return;
    for (const auto& one : *after) {
        if (one->parts.key != key.public_key().server_id()) continue;
        if (one->seqnum.value_or(0) <= before)
            run.violated(9, fmt::format("grid {}'s own number did not rise", grid.value));
        own.raise_promise(one->seqnum.value_or(0));
    }
}

Task<void> open_door(GateStory& story, Process& process, storage::Engine& engine,
                     tenants::Directory& directory, introducer::Introducer& introducer) {
    rt::Reactor& reactor = process.runtime().reactor;
    gate::Seats seats;
    // So little that requests often wait.
    gate::Turnstile turnstile(reactor, [](GridId) {
        return gate::Allowance{.requests_max = 3, .bytes_per_s = 4 * kMiB};
    });
    gate::GbsHandler handler(engine, directory, seats, turnstile, "s4/simulated");
    gate::FoolscapGate foolscap({.reactor = reactor,
                                 .directory = directory,
                                 .introducer = introducer,
                                 .application_version = "s4/simulated",
                                 .engine = &engine,
                                 .turnstile = &turnstile},
                                *story.foolscap_security, seats, process.runtime().random,
                                story.foolscap_limits);
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
    turnstile.hurry();
    co_await door.drain(last.until(reactor.now() + 5s));
    scope.cancel();
    co_await scope.join();
}

}  // namespace

GateStory::GateStory(Run& run)
    : storage(run),
      service(crypto::TlsIdentity::generate(storage.key_source, 1'767'225'600)),
      tls(proto::tls::Library::create().value()),
      keyring(tenants::Keyring::create(storage.master).value()),
      foolscap_security(std::make_unique<wire::FoolscapPlaintext>()) {
    storage.policies.only.quota_bytes = 5 * kGiB;
    storage.options.disk_reserve_bytes = kMiB;
}

void GateStory::choose_foolscap_security(rt::Reactor& reactor) {
    if (storage.run.dice().chance(0.1))
        foolscap_security = std::make_unique<wire::FoolscapTls>(reactor, tls);
}

void GateStory::choose_share_threshold() {
    rt::sim::Dice& dice = storage.run.dice();
    if (dice.chance(0.5)) storage.options.small_share_bytes_max = dice.between(500, 5000);
}

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
    introducer::Introducer introducer(process.runtime(), *database);
    ++story.lives;
    for (const KnownGrid& grid : story.grids)
        co_await check_announcements(story, process, introducer, grid.id);
    if (stay && process.alive())
        co_await open_door(story, process, **engine, **directory, introducer);
    co_await (*engine)->close();
}

}  // namespace s4::simulation

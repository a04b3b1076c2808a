#include "app/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "app/engine_storage.h"
#include "app/migrations.h"
#include "app/pages_port.h"
#include "app/version.h"
#include "base/log.h"
#include "billing/test_payments.h"
#include "blob/directory_store.h"
#include "control/announcer.h"
#include "control/commands.h"
#include "control/job_runner.h"
#include "control/server.h"
#include "control/usage_watch.h"
#include "gate/foolscap_gate.h"
#include "gate/front_door.h"
#include "gate/gbs_handler.h"
#include "gate/grid_policies.h"
#include "gate/seats.h"
#include "gate/turnstile.h"
#include "introducer/introducer.h"
#include "introducer/records.h"
#include "probe/grid_probe.h"
#include "rt/asio/thread_pool.h"
#include "rt/scope.h"
#include "service/service.h"
#include "service/storage_care.h"
#include "storage/engine.h"
#include "tenants/directory.h"
#include "web/admin.h"
#include "web/site.h"

namespace s4::app {
namespace {

constexpr std::uint64_t kPlansFileBytesMax = 1 * kMiB;
constexpr std::uint64_t kPemBytesMax = 64 * kKiB;
constexpr Duration kEvictEvery = std::chrono::minutes(1);
constexpr Duration kIdleTimeMax = std::chrono::minutes(10);

std::string application_version() {
    return fmt::format("s4/{}", kVersion);
}

Result<billing::Plans> load_plans(rt::Files& files, const std::optional<std::string>& path) {
    if (!path) return billing::Plans::standard();
    const ByteBuffer content = TRY(rt::read_file(files, *path, kPlansFileBytesMax));
    auto value = codec::json::parse(as_text(content));
    if (!value) return fail(std::move(value).error().with(*path));
    auto plans = billing::Plans::from_json(*value);
    if (!plans) return fail(std::move(plans).error().with(*path));
    return plans;
}

Result<std::optional<crypto::TlsIdentity>> load_pages_identity(rt::Files& files,
                                                               const ServeOptions& options) {
    if (!options.web_tls_cert) return std::nullopt;
    const auto read = [&](const std::string& path) -> Result<ByteBuffer> {
        auto content = rt::read_file(files, path, kPemBytesMax);
        if (!content)
            return fail(std::move(content).error().with("read the pages' certificate and key"));
        return content;
    };
    ByteBuffer pem = TRY(read(*options.web_tls_cert));
    append(pem, TRY(read(*options.web_tls_key)));
    auto identity = crypto::TlsIdentity::from_pem(Secret(std::move(pem)));
    if (!identity)
        return fail(std::move(identity).error().with("--web-tls-cert and --web-tls-key"));
    return std::optional(std::move(*identity));
}

}  // namespace

// The state directory, its key and its database.
struct Node::Ground {
    explicit Ground(StateDirectory opened) : state(std::move(opened)) {}

    StateDirectory state;
    std::optional<crypto::StaticMasterKey> master;
    std::optional<tenants::Keyring> keyring;
    std::optional<billing::Plans> plans;
    std::optional<crypto::TlsIdentity> pages_identity;
    std::optional<rt::asio::ThreadPool> shipping;  // waits for the directory of the shipped log
    std::unique_ptr<sql::Database> database;
    std::unique_ptr<blob::DirectoryStore> blobs;
};

struct Node::Ports {
    std::unique_ptr<rt::Listener> gate;
    std::unique_ptr<rt::Listener> web;
    std::unique_ptr<rt::Listener> admin;
    std::unique_ptr<rt::Listener> control;

    Addresses bound() const { return {web->local(), gate->local(), admin->local()}; }
};

// What Tahoe clients talk to, and what stands behind it.
struct Node::Doors {
    Doors(rt::Runtime& runtime, sql::Database& database, proto::tls::Library library)
        : tls(std::move(library)),
          introducer(runtime, database),
          turnstile(runtime.reactor, [this](GridId grid) { return policies.allowance(grid); }),
          foolscap_tls(runtime.reactor, tls) {}

    proto::tls::Library tls;
    gate::GridPolicies policies;
    std::unique_ptr<tenants::Directory> directory;
    std::unique_ptr<storage::Engine> engine;
    introducer::Introducer introducer;
    service::PublicGate announced;
    gate::Seats seats;
    gate::Turnstile turnstile;
    std::unique_ptr<gate::GbsHandler> gbs;
    wire::FoolscapTls foolscap_tls;
    std::unique_ptr<gate::FoolscapGate> foolscap;
    std::unique_ptr<gate::FrontDoor> front;
};

// What visitors and the operator talk to.
struct Node::Office {
    Office(rt::Runtime& runtime, Ground& ground, Doors& doors)
        : payments(*ground.database),
          probe(runtime, doors.tls, std::nullopt),
          storage(*doors.engine, *doors.directory),
          care(runtime, *ground.database, *ground.plans, storage),
          usage_watch(runtime.reactor, *doors.engine, care),
          admin([this] { return ready; }) {}

    billing::TestPayments payments;
    probe::GridProbe probe;
    EngineStorage storage;
    service::StorageCare care;
    control::UsageWatch usage_watch;
    Result<void> ready = fail(ErrorKind::unavailable, "app.starting", "starting");
    std::unique_ptr<service::Service> service;
    std::unique_ptr<web::Site> site;
    web::Admin admin;
    std::unique_ptr<PagesPort> site_port;
    std::unique_ptr<PagesPort> admin_port;
    std::unique_ptr<control::Commands> commands;
    std::unique_ptr<control::Server> control;
    std::unique_ptr<control::JobRunner> jobs;
    std::unique_ptr<control::Announcer> announcer;
};

Node::Node(rt::asio::Backend& backend, ServeOptions options)
    : backend_(backend), options_(std::move(options)) {}
Node::~Node() = default;

rt::Task<Result<void>> Node::run(std::function<void(const ReadyReport&)> ready) {
    const rt::Context ctx;
    rt::Event terminate(backend_.runtime().reactor);
    backend_.on_terminate([&terminate] { terminate.set(); });
    CO_TRY(open_ground(ctx));
    CO_TRY(bind_ports());
    CO_TRY(co_await ship_log(ctx));
    Result<void> opened = co_await open_stores(ctx);
    if (opened) opened = co_await open_doors(ctx);
    if (opened) opened = open_office(ctx);
    if (!opened) {
        co_await close_stores();
        co_return opened;
    }

    rt::Scope serving(ctx);
    rt::Scope background(ctx);
    serving.spawn(doors_->front->run(serving.context(), *ports_->gate));
    background.spawn(office_->jobs->run(background.context()));
    background.spawn(office_->announcer->run(background.context()));
    background.spawn(office_->usage_watch.run(background.context()));
    background.spawn(evict_idle(background.context()));
    office_->site_port->start(ctx);
    office_->admin_port->start(ctx);
    office_->control->start(ctx);
    office_->ready = ok();
    Result<void> announced = ground_->state.keep_ports(ports_->bound());
    if (announced) announced = ground_->state.announce(ports_->bound());
    if (announced) {
        log::info("app", "serving",
                  {{"state", options_.state}, {"gate", ports_->gate->local().to_string()}});
        ready(report());
        (void)co_await terminate.wait(ctx);
    }
    office_->ready = fail(ErrorKind::unavailable, "app.stopping", "stopping");
    background.cancel();
    co_await stop(ctx);
    co_await background.join();
    serving.cancel();
    co_await serving.join();
    co_await close_stores();
    log::info("app", "stopped");
    co_return announced;
}

// What works by itself as soon as it is open.
rt::Task<void> Node::close_stores() {
    if (doors_ && doors_->engine) co_await doors_->engine->close();
    co_await ground_->database->stop_shipping();
}

Result<void> Node::open_ground(const rt::Context&) {
    rt::Runtime& runtime = backend_.runtime();
    auto plans = TRY(load_plans(runtime.files, options_.plans));
    auto identity = TRY(load_pages_identity(runtime.files, options_));
    ground_ = std::make_unique<Ground>(TRY(StateDirectory::open(runtime.files, options_.state)));
    ground_->plans = std::move(plans);
    ground_->pages_identity = std::move(identity);
    TRY(ground_->state.check_database());
    ground_->state.withdraw();
    ground_->master = TRY(ground_->state.master_key(runtime.random));
    ground_->keyring = TRY(tenants::Keyring::create(*ground_->master));
    sql::Options database;
    database.path = ground_->state.database_path();
    database.readers = options_.threads;
    const std::vector<sql::Migration> migrations = all_migrations();
    ground_->database = TRY(sql::Database::open(runtime, std::move(database), migrations));
    ground_->blobs =
        TRY(blob::DirectoryStore::open(runtime, {.path = options_.state, .planted_bugs = {}}));
    return ok();
}

// Early, so that a taken port is told before anything is loaded.
Result<void> Node::bind_ports() {
    rt::Network& network = backend_.runtime().network;
    ports_ = std::make_unique<Ports>();
    const auto bind = [&](const char* name,
                          const rt::Endpoint& wanted) -> Result<std::unique_ptr<rt::Listener>> {
        auto listener = network.listen(TRY(ground_->state.with_kept_port(name, wanted)));
        if (!listener) return fail(std::move(listener).error().with(fmt::format("--{}", name)));
        return listener;
    };
    ports_->gate = TRY(bind("gate", options_.gate));
    ports_->web = TRY(bind("web", options_.web));
    ports_->admin = TRY(bind("admin", options_.admin));
    ports_->control = TRY(network.listen_local(ground_->state.control_path()));
    return ok();
}

// A restored database may be older than its blobs; see tenants::skip_numbers.
rt::Task<Result<void>> Node::pass_over_lost_grids(const rt::Context& ctx) {
    const auto grids = CO_TRY(co_await ground_->blobs->grids(ctx));
    if (grids.empty()) co_return ok();
    const GridId last = *std::max_element(grids.begin(), grids.end());
    co_return co_await ground_->database->write(
        ctx, [&](sql::Transaction& tx) { return tenants::skip_numbers(tx, last); });
}

rt::Task<Result<void>> Node::open_stores(const rt::Context& ctx) {
    rt::Runtime& runtime = backend_.runtime();
    doors_ =
        std::make_unique<Doors>(runtime, *ground_->database, CO_TRY(proto::tls::Library::create()));
    CO_TRY(co_await pass_over_lost_grids(ctx));
    doors_->directory = CO_TRY(co_await tenants::Directory::create(
        ctx, *ground_->database, *ground_->keyring, tenants::kIdleGridsMax));
    doors_->policies.follow(*doors_->directory);
    storage::EngineOptions engine;
    engine.scrub_bytes_per_s = options_.scrub_bytes_per_s;
    doors_->engine =
        CO_TRY(co_await storage::Engine::create(ctx, runtime, *ground_->database, *ground_->blobs,
                                                *ground_->master, doors_->policies, engine));
    co_return ok();
}

rt::Task<Result<void>> Node::open_doors(const rt::Context& ctx) {
    rt::Runtime& runtime = backend_.runtime();
    const auto identities = CO_TRY(co_await tenants::load_service_identities(
        ctx, *ground_->database, *ground_->keyring, runtime.random, runtime.reactor.unix_s()));
    const rt::Endpoint announced = options_.gate_public.value_or(ports_->gate->local());
    doors_->announced = {announced.host, announced.port, {}};
    for (const tenants::ServiceIdentity& identity : identities)
        doors_->announced.identities.push_back(
            {identity.tls.certificate.spki_hash_bytes(),
             identity.port != 0 ? identity.port : announced.port});
    doors_->gbs =
        std::make_unique<gate::GbsHandler>(*doors_->engine, *doors_->directory, doors_->seats,
                                           doors_->turnstile, application_version());
    doors_->foolscap = std::make_unique<gate::FoolscapGate>(
        gate::FoolscapServices{runtime.reactor, *doors_->directory, doors_->introducer,
                               application_version(), doors_->engine.get(), &doors_->turnstile},
        doors_->foolscap_tls, doors_->seats, runtime.random);
    doors_->front = std::make_unique<gate::FrontDoor>(
        runtime.reactor, doors_->tls, identities.front().tls, *doors_->gbs, *doors_->foolscap);
    co_return ok();
}

Result<void> Node::open_office(const rt::Context&) {
    rt::Runtime& runtime = backend_.runtime();
    office_ = std::make_unique<Office>(runtime, *ground_, *doors_);
    office_->service = TRY(service::Service::create({.runtime = runtime,
                                                     .database = *ground_->database,
                                                     .master = *ground_->master,
                                                     .plans = *ground_->plans,
                                                     .payments = office_->payments,
                                                     .directory = *doors_->directory,
                                                     .introducer = doors_->introducer,
                                                     .grid_check = office_->probe,
                                                     .usage = office_->storage,
                                                     .gate = doors_->announced},
                                                    {.sign_up_open = options_.signup_open}));
    const bool https = ground_->pages_identity.has_value() || options_.behind_proxy;
    office_->site = TRY(web::Site::create(
        {.reactor = runtime.reactor,
         .random = runtime.random,
         .service = *office_->service,
         .care = office_->care,
         .payments = office_->payments,
         .master = *ground_->master},
        {.https = https, .behind_proxy = options_.behind_proxy, .contact = options_.contact}));
    office_->site_port = std::make_unique<PagesPort>(runtime.reactor, *ports_->web, *office_->site,
                                                     doors_->tls, ground_->pages_identity);
    office_->admin_port = std::make_unique<PagesPort>(runtime.reactor, *ports_->admin,
                                                      office_->admin, doors_->tls, std::nullopt);
    const Addresses bound = ports_->bound();
    const auto page_url = [base = pages_url()](const Secret& capability) {
        return base + web::Site::page_path(capability);
    };
    office_->commands = std::make_unique<control::Commands>(control::CommandDependencies{
        .service = *office_->service,
        .engine = *doors_->engine,
        .backup = {runtime, *ground_->database, *ground_->blobs, *doors_->engine, options_.state},
        .tahoe = {.runtime = runtime,
                  .service = *office_->service,
                  .engine = *doors_->engine,
                  .directory = *doors_->directory,
                  .introducer = doors_->introducer,
                  .state = options_.state,
                  .announced = {doors_->announced.host, doors_->announced.port},
                  .page_url = page_url},
        .status = {{"version", kVersion},
                   {"web", bound.web.to_string()},
                   {"gate", bound.gate.to_string()},
                   {"admin", bound.admin.to_string()}},
        .page_url = page_url});
    office_->control = std::make_unique<control::Server>(
        runtime.reactor, std::move(ports_->control), *office_->commands);
    office_->jobs = std::make_unique<control::JobRunner>(runtime.reactor, *office_->service);
    office_->announcer = std::make_unique<control::Announcer>(runtime.reactor, *ground_->database,
                                                              doors_->introducer, *ground_->keyring,
                                                              doors_->announced);
    return ok();
}

// Before anything runs that would have to be taken down again.
rt::Task<Result<void>> Node::ship_log(const rt::Context& ctx) {
    if (!options_.ship_log) co_return ok();
    ground_->shipping.emplace("s4-ship", 1);
    sql::ShipTarget target {
        .directory = *options_.ship_log,
        .owner = CO_TRY(control::shipped_log_name(*ground_->master))
    };
    auto started = co_await ground_->database->ship_log(ctx, std::move(target), *ground_->shipping);
    if (!started)
        co_return fail(
            std::move(started).error().with(fmt::format("--ship-log {}", *options_.ship_log)));
    co_return ok();
}

// Unfinished uploads get their time first, while the gate still serves; then each door lets what is
// under way end.
rt::Task<void> Node::stop(const rt::Context& ctx) {
    rt::Reactor& reactor = backend_.runtime().reactor;
    log::info("app", "stopping");
    ground_->state.withdraw();
    const rt::Context until = ctx.until(reactor.now() + options_.drain);
    co_await office_->control->stop();
    co_await office_->site_port->stop(until);
    doors_->turnstile.hurry();
    co_await doors_->engine->drain(until);
    ports_->gate->close();
    co_await doors_->front->drain(until);
    co_await office_->admin_port->stop(until);
}

rt::Task<void> Node::evict_idle(const rt::Context& ctx) {
    rt::Reactor& reactor = backend_.runtime().reactor;
    while (co_await rt::sleep(reactor, ctx, kEvictEvery)) {
        doors_->introducer.evict_idle(reactor.now() - kIdleTimeMax);
        doors_->foolscap->evict_idle();
    }
}

std::string Node::pages_url() const {
    if (options_.web_public) return *options_.web_public;
    return fmt::format("{}://{}", ground_->pages_identity ? "https" : "http",
                       ports_->web->local().to_string());
}

ReadyReport Node::report() const {
    return {.addresses = ports_->bound(),
            .pages_url = pages_url(),
            .announced = rt::Endpoint{doors_->announced.host, doors_->announced.port}.to_string(),
            .state = options_.state,
            .test_payments = office_->payments.test_mode(),
            .signup_open = options_.signup_open};
}

}  // namespace s4::app

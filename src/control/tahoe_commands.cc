#include "control/tahoe_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "billing/plans.h"
#include "rt/pool.h"
#include "transfer/share_export.h"
#include "transfer/skipped_list.h"

namespace s4::control {

namespace json = codec::json;

namespace {

Result<service::ImportRequest> import_request(const Request& request,
                                              transfer::NodeDirectory& node) {
    service::ImportRequest out{.identity = std::move(node.identity),
                               .seqnum = node.seqnum,
                               .email = request.optional_text("email").value_or(""),
                               .plan = request.optional_text("plan").value_or(""),
                               .into = {}};
    if (request.members.find("subscription") != nullptr) out.into = SubscriptionId {
            TRY(request.number("subscription"))
        };
    return out;
}

Result<proto::foolscap::TcpAddress> location(const Request& request, std::string_view member,
                                             const proto::foolscap::TcpAddress& fallback) {
    const auto text = request.optional_text(member);
    if (!text) return fallback;
    if (const auto parsed = proto::foolscap::parse_tcp_hint("tcp:" + *text)) return *parsed;
    return fail(ErrorKind::invalid, "export.bad_location",
                fmt::format("'{}' is no location; give HOST:PORT", *text));
}

json::Value skipped_path(const transfer::SkippedList& skipped) {
    return skipped.count() == 0 ? json::Value() : json::Value(skipped.path());
}

}  // namespace

Result<void> TahoeCommands::check_room(const transfer::Survey& found,
                                       const service::ImportPlan& plan) {
    if (found.used_bytes() > plan.quota_bytes)
        return fail(ErrorKind::no_space, "import.over_quota",
                    fmt::format("the node holds {} shares, which need {}; the plan allows {}",
                                found.shares, billing::format_bytes(found.used_bytes()),
                                billing::format_bytes(plan.quota_bytes)));
    if (plan.resumes) return ok();  // part of it is there
    const std::uint64_t free = TRY(with_.runtime.files.free_bytes(with_.state));
    if (found.used_bytes() > free)
        return fail(ErrorKind::no_space, "import.disk_full",
                    fmt::format("the node's shares need {}; the disk of {} has {} left",
                                billing::format_bytes(found.used_bytes()), with_.state,
                                billing::format_bytes(free)));
    return ok();
}

rt::Task<Result<json::Value>> TahoeCommands::import_node(const rt::Context& ctx,
                                                         const Request& request, Tell& tell) {
    rt::Runtime& runtime = with_.runtime;
    const std::string directory = CO_TRY(request.text("directory"));
    const std::string introducer = request.optional_text("introducer").value_or("");
    transfer::NodeDirectory node = CO_TRY(co_await rt::run_on(runtime.pool, runtime.reactor, [&] {
        return transfer::read_node(runtime.files, directory, introducer);
    }));
    const service::ImportRequest wanted = CO_TRY(import_request(request, node));
    const std::string list = fmt::format("{}/import-{}.skipped.jsonl", with_.state,
                                         wanted.identity.storage.tls.certificate.tub_id());
    const service::ImportPlan plan = CO_TRY(co_await with_.service.plan_import(ctx, wanted));

    transfer::SkippedList unreadable(runtime, list);
    const transfer::Survey found =
        CO_TRY(co_await transfer::survey(ctx, runtime, node.shares, unreadable, tell));
    CO_TRY(co_await unreadable.finish(ctx));
    CO_TRY(check_room(found, plan));
    json::Object answer{{"shares", found.shares}, {"bytes", found.data_bytes}};
    if (request.flag("dry_run")) {
        answer.emplace_back("skipped", unreadable.count());
        answer.emplace_back("skipped_list", skipped_path(unreadable));
        co_return json::Value(std::move(answer));
    }

    const service::Import import = CO_TRY(co_await with_.service.begin_import(ctx, wanted));
    // Held, so that the engine finds the grid's policy in memory.
    const tenants::GridPtr grid = CO_TRY(co_await with_.directory.by_id(ctx, import.grid));
    transfer::SkippedList skipped(runtime, list);
    transfer::ShareImport copy(runtime, with_.engine, import.grid, node.shares, skipped);
    const transfer::ImportReport report = CO_TRY(co_await copy.run(ctx, found, tell));
    CO_TRY(co_await skipped.finish(ctx));
    tell("every share is there; checking the grid from outside");
    CO_TRY(co_await with_.service.finish_import(ctx, import));
    // That of a run that was killed was never printed.
    Secret page = import.capability;
    if (page.empty() && !wanted.into)
        page = CO_TRY(co_await with_.service.replace_page(ctx, import.subscription));

    const service::Overview view =
        CO_TRY(co_await with_.service.overview(ctx, import.subscription));
    answer.emplace_back("subscription", import.subscription.value);
    answer.emplace_back("stored", report.stored);
    answer.emplace_back("stored_bytes", report.stored_bytes);
    answer.emplace_back("there_already", report.there);
    answer.emplace_back("skipped", skipped.count());
    answer.emplace_back("skipped_list", skipped_path(skipped));
    if (view.addresses) {
        answer.emplace_back("introducer_furl", view.addresses->introducer_furl.reveal_text());
        answer.emplace_back("storage_furl", view.addresses->storage_furl.reveal_text());
    }
    if (!page.empty()) answer.emplace_back("page", with_.page_url(page));
    co_return json::Value(std::move(answer));
}

rt::Task<Result<transfer::ExportedGrid>> TahoeCommands::exported(const rt::Context& ctx,
                                                                 const tenants::Grid& grid,
                                                                 const Request& request) {
    const tenants::Keyring& keyring = with_.directory.keyring();
    const auto tub = [&](const tenants::Tub& sealed) -> Result<tenants::AdoptedTub> {
        return tenants::AdoptedTub {
            TRY(keyring.tls_identity(sealed))
            , TRY(keyring.swissnum(sealed))
        };
    };
    proto::foolscap::TcpAddress beside = with_.announced;
    ++beside.port;
    transfer::ExportedGrid out {
        .identity =
        {.storage = CO_TRY(tub(grid.storage)),
         .introducer = CO_TRY(tub(grid.introducer)),
         .server_key = CO_TRY(keyring.server_key(grid)),
         .permutation_seed = grid.permutation_seed },
        .seqnum = 0, .storage = CO_TRY(location(request, "location", beside))
        , .introducer = CO_TRY(location(request, "introducer_location", with_.announced))
    };
    // The node counts on from here, so that clients take its announcements for newer.
    const std::string server_id = grid.server_key.server_id();
    for (const auto& announcement : CO_TRY(co_await with_.introducer.announcements(ctx, grid.id)))
        if (announcement->parts.key == server_id)
            out.seqnum = std::max(out.seqnum, announcement->seqnum.value_or(0));
    co_return out;
}

rt::Task<Result<json::Value>> TahoeCommands::export_grid(const rt::Context& ctx,
                                                         const Request& request, Tell& tell) {
    rt::Runtime& runtime = with_.runtime;
    const SubscriptionId subscription {
        CO_TRY(request.number("subscription"))
    };
    const std::string directory = CO_TRY(request.text("directory"));
    // Held, so that the engine finds the grid's policy in memory.
    const tenants::GridPtr grid = CO_TRY(co_await with_.service.grid_of(ctx, subscription));
    const transfer::ExportedGrid node = CO_TRY(co_await exported(ctx, *grid, request));
    CO_TRY(co_await rt::run_on(runtime.pool, runtime.reactor, [&] {
        return transfer::claim_directory(runtime.files, directory, node);
    }));
    transfer::SkippedList skipped(runtime, directory + "/skipped.jsonl");
    transfer::ShareExport copy(runtime, with_.engine, grid->id, node.tub_id(),
                               directory + transfer::kSharesFolder, skipped);
    const transfer::ExportReport report = CO_TRY(co_await copy.run(ctx, tell));
    CO_TRY(co_await skipped.finish(ctx));
    CO_TRY(co_await rt::run_on(runtime.pool, runtime.reactor, [&] {
        return transfer::write_nodes(runtime.files, directory, node);
    }));
    co_return json::Value(json::Object{{"shares", report.shares},
                                       {"written", report.written},
                                       {"written_bytes", report.written_bytes},
                                       {"removed", report.removed},
                                       {"skipped", skipped.count()},
                                       {"skipped_list", skipped_path(skipped)}});
}

}  // namespace s4::control

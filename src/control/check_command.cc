#include "control/check_command.h"

#include <fmt/format.h>

#include <utility>

#include "control/limits.h"

namespace s4::control {

namespace json = codec::json;

namespace {

json::Object describe(const storage::Finding& finding) {
    json::Object out{{"problem", std::string(to_string(finding.problem))},
                     {"grid", finding.grid.value}};
    if (finding.index) {
        out.emplace_back("index", finding.index->to_text());
        out.emplace_back("share", finding.share);
        out.emplace_back("kind",
                         finding.kind == storage::ShareKind::mutable_ ? "mutable" : "immutable");
    }
    out.emplace_back("detail", finding.detail);
    out.emplace_back("repaired", finding.repaired);
    return out;
}

json::Value time_or_null(UnixSeconds at) {
    return at == 0 ? json::Value() : json::Value(at);
}

}  // namespace

rt::Task<Result<json::Value>> run_check(const rt::Context& ctx, storage::Engine& engine,
                                        const Request& request, std::optional<GridId> grid,
                                        std::function<void(std::string_view progress)>& tell) {
    storage::CheckRequest step{grid, request.flag("repair"),
                               request.optional_text("from").value_or("")};
    storage::CheckReport all;
    json::Array findings;
    for (int steps = 0; steps < kCheckStepsPerAnswer && findings.size() < kFindingsPerAnswer;
         ++steps) {
        const storage::CheckReport done = CO_TRY(co_await engine.check_step(ctx, step));
        all.shares += done.shares;
        all.bytes += done.bytes;
        all.blobs += done.blobs;
        all.grids += done.grids;
        for (const storage::Finding& finding : done.findings)
            findings.emplace_back(describe(finding));
        step.from = done.next;
        if (step.from.empty()) break;
        tell(fmt::format("at {}", step.from));
    }
    co_return json::Value(json::Object{{"shares", all.shares},
                                       {"bytes", all.bytes},
                                       {"blobs", all.blobs},
                                       {"grids", all.grids},
                                       {"findings", std::move(findings)},
                                       {"next", step.from}});
}

rt::Task<Result<json::Object>> describe_care(const rt::Context& ctx, storage::Engine& engine) {
    const storage::CareStatus status = CO_TRY(co_await engine.care_status(ctx));
    co_return json::Object{{"shares", status.shares},
                           {"data_bytes", status.data_bytes},
                           {"quarantined", status.quarantined},
                           {"advisories", status.advisories},
                           {"scrub_began", time_or_null(status.scrub_began)},
                           {"scrub_ended", time_or_null(status.scrub_ended)},
                           {"scrub_shares", status.scrub_shares},
                           {"scrub_bytes", status.scrub_bytes},
                           {"scrub_damaged", status.scrub_damaged}};
}

}  // namespace s4::control

#include "gate/gbs_handler.h"

#include <array>

#include "base/log.h"
#include "base/metrics.h"
#include "gate/gbs_call.h"
#include "gate/limits.h"
#include "proto/gbs/headers.h"
#include "proto/http1/message.h"

namespace s4::gate {

namespace gbs = proto::gbs;

namespace {

// Who the peer of a connection has shown to be: the header line that was right, and its grid. As
// long as the line stays the same, it need not be hashed and looked up again.
class Visitor final : public wire::HttpAttachment {
  public:
    Visitor(std::string_view authorization, tenants::GridPtr grid, Seats::Seat seat)
        : authorization_(as_bytes(authorization)), grid_(std::move(grid)), seat_(std::move(seat)) {}

    bool showed(std::string_view authorization) const {
        return authorization_.equals(as_bytes(authorization));
    }
    const tenants::GridPtr& grid() const { return grid_; }

  private:
    Secret authorization_;
    tenants::GridPtr grid_;
    Seats::Seat seat_;
};

metrics::Counter& requests(gbs::Route route) {
    static const auto counters = [] {
        std::array<metrics::Counter*, gbs::kRouteCount> made{};
        for (std::size_t i = 0; i < made.size(); ++i)
            made[i] =
                &metrics::counter("s4_gate_gbs_requests_total", "Storage requests over HTTPS",
                                  {{"route", gbs::name_of(static_cast<gbs::Route>(i)).data()}});
        return made;
    }();
    return *counters[static_cast<std::size_t>(route)];
}

gbs::Answer busy(std::string_view sentence) {
    return gbs::error_answer(gbs::Route::version, 503, sentence);
}

}  // namespace

GbsHandler::GbsHandler(storage::Engine& engine, tenants::Directory& directory, Seats& seats,
                       Turnstile& turnstile, std::string application_version)
    : engine_(engine),
      directory_(directory),
      seats_(seats),
      turnstile_(turnstile),
      application_version_(std::move(application_version)) {}

rt::Task<GbsHandler::Authorized> GbsHandler::authorize(const rt::Context& ctx,
                                                       wire::HttpRequest& request,
                                                       wire::HttpResponse& response) {
    const proto::http1::Fields& fields = request.head().fields;
    const std::string_view line = fields.find("Authorization").value_or("");
    // Only this handler attaches, and only Visitors.
    if (const auto* known = static_cast<const Visitor*>(request.attachment().get());
        known && known->showed(line) && fields.count("Authorization") == 1) {
        tenants::GridPtr newest = directory_.cached(known->grid()->id);
        if (!newest || newest->policy.state == tenants::GridState::closed)
            co_return std::unexpected(gbs::wrong_authorization());
        co_return newest;
    }
    request.attachment().reset();

    auto swissnum = gbs::presented_swissnum(fields);
    if (!swissnum) co_return std::unexpected(gbs::wrong_authorization());
    auto grid = co_await directory_.by_storage_swissnum(ctx, std::move(*swissnum));
    if (!grid && grid.error().kind() == ErrorKind::not_found)
        co_return std::unexpected(gbs::wrong_authorization());
    if (!grid) {
        log::error("gate", "a grid could not be looked up", {{"error", grid.error()}});
        co_return std::unexpected(busy("The grid cannot be looked up now; try again later"));
    }
    auto seat = seats_.take((*grid)->id, request.peer().host, (*grid)->policy.connections_max);
    if (!seat) {
        response.close_after();
        response.field("Retry-After", "10");
        co_return std::unexpected(busy("This grid has too many connections"));
    }
    request.attachment() = std::make_unique<Visitor>(line, *grid, std::move(*seat));
    co_return std::move(*grid);
}

rt::Task<void> GbsHandler::handle(const rt::Context& ctx, wire::HttpRequest& request,
                                  wire::HttpResponse& response) {
    static metrics::Counter& refused = metrics::counter(
        "s4_gate_gbs_refused_total", "Storage requests over HTTPS that were refused by their head");
    auto target = gbs::admit_path(request.head());
    if (!target) {
        refused.add();
        co_await send_answer(ctx, response, std::move(target).error());
        co_return;
    }
    auto grid = co_await authorize(ctx, request, response);
    if (!grid) {
        refused.add();
        co_await send_answer(ctx, response, std::move(grid).error());
        co_return;
    }
    auto admitted = gbs::admit(request.head(), *target);
    if (!admitted) {
        refused.add();
        co_await send_answer(ctx, response, std::move(admitted).error());
        co_return;
    }
    requests(target->route).add();
    if (target->route == gbs::Route::version &&
        seats_.of_host((*grid)->id, request.peer().host) > kPooledConnectionsPerHostMax)
        response.close_after();
    const rt::Context of_grid = ctx.for_grid((*grid)->id);
    GbsCall call(of_grid, (*grid)->id, std::move(*admitted), engine_, turnstile_, request, response,
                 application_version_);
    co_await call.answer();
}

}  // namespace s4::gate

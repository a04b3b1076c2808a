#include "gate/gbs_status.h"

#include "base/log.h"
#include "base/metrics.h"

namespace s4::gate {

using proto::gbs::Route;

namespace {

int status_of_kind(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::invalid:
            return 400;
        case ErrorKind::unauthorized:
            return 401;
        case ErrorKind::not_found:
            return 404;
        case ErrorKind::conflict:
            return 409;
        case ErrorKind::too_large:
            return 413;
        case ErrorKind::no_space:
            return 507;
        case ErrorKind::unavailable:
        case ErrorKind::timeout:
        case ErrorKind::cancelled:
        case ErrorKind::closed:
        case ErrorKind::io:
            return 503;
        case ErrorKind::corrupt:
        case ErrorKind::unsupported:
            return 500;
    }
    return 500;
}

}  // namespace

int status_of(Route route, const Error& error) {
    // A grid that vanished between its swissnum's check and its use.
    if (error.is("storage.no_such_grid")) return 401;
    // A complete share takes no write (404) and no abort (405), as in the reference.
    if (error.is("storage.upload_complete")) return route == Route::abort ? 405 : 404;
    // One lease too many: there is no room for it.
    if (error.is("storage.too_many_leases")) return 507;
    return status_of_kind(error.kind());
}

proto::gbs::Answer answer_of(Route route, const Error& error) {
    const int status = status_of(route, error);
    if (error.kind() == ErrorKind::io || error.kind() == ErrorKind::corrupt) {
        static metrics::Counter& failures = metrics::counter(
            "s4_gate_storage_failures_total", "Requests that failed for what is at rest or below");
        failures.add();
        log::error("gate", "a request failed in the storage",
                   {{"route", proto::gbs::name_of(route)}, {"error", error}});
        return proto::gbs::error_answer(route, status, "The storage failed; try again later");
    }
    return proto::gbs::error_answer(route, status, error.message());
}

}  // namespace s4::gate

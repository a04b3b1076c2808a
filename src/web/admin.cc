#include "web/admin.h"

#include "base/metrics.h"

namespace s4::web {

using proto::http1::Method;

rt::Task<void> Admin::handle(const rt::Context& ctx, wire::HttpRequest& request,
                             wire::HttpResponse& response) {
    const std::string_view path = request.head().path();
    const Method method = request.head().method;
    int status = 200;
    std::string_view type = "text/plain; charset=utf-8";
    std::string body;
    if (method != Method::get && method != Method::head) {
        status = 405;
        body = "Only GET is answered here.\n";
    } else if (path == "/metrics") {
        type = "text/plain; version=0.0.4; charset=utf-8";
        body = metrics::text();
    } else if (path == "/healthz") {
        body = "ok\n";
    } else if (path == "/readyz") {
        const Result<void> ready = ready_();
        status = ready ? 200 : 503;
        body = ready ? "ready\n" : ready.error().message() + "\n";
    } else {
        status = 404;
        body = "There are /metrics, /healthz and /readyz.\n";
    }
    response.status(status).field("Content-Type", type).field("Cache-Control", "no-store");
    if (status == 405) response.field("Allow", "GET, HEAD");
    (void)co_await response.send(ctx, as_bytes(body));
}

}  // namespace s4::web

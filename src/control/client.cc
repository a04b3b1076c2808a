#include "control/client.h"

#include <fmt/format.h>

#include "control/messages.h"

namespace s4::control {

namespace json = codec::json;

rt::Task<Result<json::Value>> call(const rt::Context& ctx, rt::Runtime& runtime, std::string path,
                                   json::Object request,
                                   std::function<void(const std::string&)> progress) {
    const rt::Context connecting = ctx.until(runtime.reactor.now() + kConnectTimeMax);
    Result<std::unique_ptr<rt::Stream>> stream =
        co_await runtime.network.connect_local(connecting, path);
    if (!stream)
        co_return fail(ErrorKind::unavailable, "control.no_server",
                       fmt::format("no server runs on {}; start it with `s4 serve --state {}`, or "
                                   "give the --state of one that "
                                   "runs",
                                   rt::parent_path(path), rt::parent_path(path)));
    const std::string line = json::to_text(json::Value(std::move(request))) + "\n";
    CO_TRY(co_await (*stream)->write_all(ctx, as_bytes(line)));
    LineReader lines;
    ByteBuffer buffer(64 * kKiB);
    for (;;) {
        while (const std::optional<std::string> answer_line = CO_TRY(lines.next())) {
            Answer answer = CO_TRY(parse_answer(*answer_line));
            if (auto* value = std::get_if<json::Value>(&answer)) co_return std::move(*value);
            if (auto* error = std::get_if<Error>(&answer)) co_return fail(std::move(*error));
            if (progress) progress(std::get<Progress>(answer).text);
        }
        const std::size_t got = CO_TRY(co_await (*stream)->read_some(ctx, buffer));
        if (got == 0)
            co_return fail(ErrorKind::closed, "control.cut",
                           "the server stopped before it answered; look at its log and try again");
        lines.feed(ByteView(buffer).first(got));
    }
}

}  // namespace s4::control

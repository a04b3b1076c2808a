#include "control/usage_watch.h"

#include "base/log.h"
#include "control/limits.h"
#include "rt/reactor.h"
#include "storage/usage_history.h"

namespace s4::control {

rt::Task<void> UsageWatch::run(const rt::Context& ctx) {
    while (co_await rt::sleep(reactor_, ctx, kUsageLookInterval)) {
        const auto done = co_await look(ctx);
        if (!done && !ctx.cancel.cancelled())
            log::error("control", "usage could not be noted", {{"error", done.error()}});
    }
}

rt::Task<Result<void>> UsageWatch::look(const rt::Context& ctx) {
    storage::UsageHistory& history = engine_.usage_history();
    for (;;) {
        const auto changes = CO_TRY(co_await history.changes(ctx));
        if (changes.empty()) co_return ok();
        Result<void> done = ok();
        for (const storage::UsageChange& change : changes) {
            if (done)
                done = co_await care_.usage_changed(ctx, change.grid, change.used.used_bytes());
            if (done) done = co_await history.note(ctx, change);
            if (!done) history.put_back(change.grid);
        }
        CO_TRY(std::move(done));
    }
}

}  // namespace s4::control

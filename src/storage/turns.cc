#include "storage/turns.h"

#include <algorithm>

namespace s4::storage {

rt::Task<Result<Turns::Turn>> Turns::take(const rt::Context& ctx, IndexKey key, Mode mode) {
    Line& line = lines_[key];  // stays while it has holders or waiters
    if (line.waiting.empty() && admits(line, mode)) {
        admit(line, mode);
        co_return Turn(*this, key, mode);
    }
    rt::Event called(reactor_);
    line.waiting.push_back({mode, &called});
    const Result<void> waited = co_await called.wait(ctx);
    // call_next() set the event and admitted us in the same step, whatever the context did since.
    if (called.is_set()) co_return Turn(*this, key, mode);
    std::erase_if(line.waiting, [&](const Waiter& w) { return w.called == &called; });
    call_next(line);  // we may have stood before others that can go now
    co_return fail(waited.error());
}

void Turns::release(const IndexKey& key, Mode mode) {
    const auto at = lines_.find(key);
    Line& line = at->second;
    if (mode == Mode::alone)
        line.alone = false;
    else
        --line.sharing;
    call_next(line);
    if (line.sharing == 0 && !line.alone && line.waiting.empty()) lines_.erase(at);
}

void Turns::call_next(Line& line) {
    while (!line.waiting.empty() && admits(line, line.waiting.front().mode)) {
        admit(line, line.waiting.front().mode);
        line.waiting.front().called->set();
        line.waiting.pop_front();
    }
}

}  // namespace s4::storage

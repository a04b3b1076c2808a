#include "gate/strangers.h"

#include <algorithm>

#include "base/check.h"
#include "gate/limits.h"

namespace s4::gate {

Strangers::~Strangers() {
    CHECK(hosts_.empty(), "the strangers' room outlives them");
}

Strangers::Stranger::Stranger(Strangers& strangers, const rt::Context& ctx, std::string host)
    : strangers_(strangers),
      parent_(ctx),
      with_parent_(ctx.cancel, [this] { silence_.cancel(); }),
      host_(std::move(host)),
      arrival_(strangers.arrivals_++) {
    strangers_.make_room(host_);
    std::list<Stranger*>& of_host = strangers_.hosts_[host_];
    place_ = of_host.insert(of_host.end(), this);
    ++strangers_.size_;
}

rt::Context Strangers::Stranger::context() {
    return parent_.with_cancel(rt::CancelToken(silence_));
}

void Strangers::Stranger::introduced() {
    if (!std::exchange(waits_, false)) return;
    const auto of_host = strangers_.hosts_.find(host_);
    of_host->second.erase(place_);
    if (of_host->second.empty()) strangers_.hosts_.erase(of_host);
    --strangers_.size_;
}

std::size_t Strangers::of_host(const std::string& host) const {
    const auto found = hosts_.find(host);
    return found == hosts_.end() ? 0 : found->second.size();
}

void Strangers::make_room(const std::string& host) {
    if (of_host(host) >= kStrangersPerHostMax) {
        displace_oldest(hosts_.at(host));
    } else if (size_ >= kStrangersMax) {
        // Seldom, and no longer than the limit: the accept that leads here costs more.
        const auto most = std::ranges::max_element(hosts_, [](const auto& a, const auto& b) {
            if (a.second.size() != b.second.size()) return a.second.size() < b.second.size();
            return a.second.front()->arrival_ > b.second.front()->arrival_;
        });
        displace_oldest(most->second);
    }
}

// What hears of the cancellation may end the stranger before cancel() returns.
void Strangers::displace_oldest(const std::list<Stranger*>& of_host) {
    Stranger& oldest = *of_host.front();
    oldest.displaced_ = true;
    oldest.introduced();
    oldest.silence_.cancel();
}

}  // namespace s4::gate

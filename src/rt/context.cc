#include "rt/context.h"

#include "base/check.h"

namespace s4::rt {

CancelSource::~CancelSource() {
    CHECK(first_ == nullptr, "a cancel source outlives what registered with it");
    if (gone_ != nullptr) *gone_ = true;
}

void CancelSource::cancel() {
    if (cancelled_) return;
    cancelled_ = true;
    // A callback may destroy other registrations, so the list is taken from its head each time. The
    // last may resume whoever waited for all of it to end, and so destroy this.
    bool gone = false;
    gone_ = &gone;
    while (!gone && first_ != nullptr) {
        auto callback = std::move(first_->callback_);
        first_->unlink();
        callback();
    }
    if (!gone) gone_ = nullptr;
}

CancelRegistration::CancelRegistration(CancelToken token, std::move_only_function<void()> callback)
    : callback_(std::move(callback)) {
    if (token.source_ == nullptr) return;
    if (token.source_->cancelled_) {
        callback_();
        return;
    }
    source_ = token.source_;
    previous_ = source_->last_;
    (previous_ != nullptr ? previous_->next_ : source_->first_) = this;
    source_->last_ = this;
}

void CancelRegistration::unlink() {
    if (source_ == nullptr) return;
    (previous_ != nullptr ? previous_->next_ : source_->first_) = next_;
    (next_ != nullptr ? next_->previous_ : source_->last_) = previous_;
    source_ = nullptr;
    previous_ = next_ = nullptr;
}

}  // namespace s4::rt

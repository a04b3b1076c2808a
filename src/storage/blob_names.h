// BlobNames: the blobs that this process is busy with and that the collector therefore leaves
// alone: those in the making (their intents are in use) and those that readers hold. Lives on the
// engine's reactor.
#pragma once

#include <cstddef>
#include <map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "blob/store.h"

namespace s4::storage {

class BlobNames {
  public:
    bool busy(const blob::Key& key) const { return holds_.contains(key); }

    // Keeps one blob while it lives.
    class Hold {
      public:
        Hold(BlobNames& names, const blob::Key& key) : names_(&names), key_(key) {
            ++names_->holds_[key_];
        }
        Hold(Hold&& other) noexcept
            : names_(std::exchange(other.names_, nullptr)), key_(other.key_) {}
        Hold& operator=(Hold&&) = delete;
        ~Hold() {
            if (names_ == nullptr) return;
            const auto at = names_->holds_.find(key_);
            if (--at->second == 0) names_->holds_.erase(at);
        }
        const blob::Key& key() const { return key_; }

      private:
        BlobNames* names_;
        blob::Key key_;
    };

  private:
    std::map<blob::Key, std::size_t> holds_;
};

}  // namespace s4::storage

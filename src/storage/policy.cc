#include "storage/policy.h"

namespace s4::storage {

rt::Task<Result<std::shared_ptr<const void>>> Policies::hold(const rt::Context&, GridId) const {
    co_return nullptr;
}

}  // namespace s4::storage

#include "gate/grid_tub.h"

#include "gate/introducer_object.h"
#include "gate/storage_object.h"

namespace s4::gate {

std::unique_ptr<wire::RemoteObject> GridTub::open(wire::FoolscapConnection& connection,
                                                  std::string_view swissnum) {
    const auto matches = services_.directory.is_swissnum(grid_->tub(role_), as_bytes(swissnum));
    if (!matches || !*matches) return nullptr;
    switch (role_) {
        case tenants::TubRole::introducer:
            return std::make_unique<IntroducerObject>(connection, services_, grid_->id);
        case tenants::TubRole::storage:
            if (services_.engine == nullptr) return nullptr;
            return std::make_unique<StorageObject>(connection, services_, grid_->id, tub_id(),
                                                   numbers_.next());
    }
    return nullptr;
}

}  // namespace s4::gate

// The pages about what a customer stores, as pages.h has the others. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "codec/json.h"
#include "service/storage_care.h"

namespace s4::web {

using codec::json::Object;

// The words for a quota that is nearly or wholly used; empty when there is room.
std::string quota_words(std::uint64_t used_bytes, std::uint64_t quota_bytes);

// `path` is the subscription's page. `since` and `problem` are those of a date that was refused.
Object storage_page(const service::StorageView& view, std::string_view path, std::string_view token,
                    std::string_view since, std::string_view problem);
Object expiry_page(bool expires, const storage::FreeEstimate& estimate, std::string_view path,
                   std::string_view token);
Object free_page(UnixSeconds since, const storage::FreeEstimate& estimate, std::string_view path,
                 std::string_view token);

}  // namespace s4::web

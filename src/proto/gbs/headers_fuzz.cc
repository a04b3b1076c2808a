// Paths and header lines: input is lines, the first the path, the others NAME: VALUE.
#include "base/check.h"
#include "proto/gbs/server.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace s4::proto;
    if (size == 0) return 0;
    std::string_view rest = s4::as_text({data + 1, size - 1});
    http1::RequestHead head;
    head.method = static_cast<http1::Method>(data[0] % 8);
    const auto line = [&rest] {
        const std::size_t end = rest.find('\n');
        const std::string_view out = rest.substr(0, end);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        return out;
    };
    head.target = line();
    while (!rest.empty()) {
        const std::string_view field = line();
        const std::size_t colon = field.find(": ");
        if (colon == std::string_view::npos) continue;
        head.fields.add(field.substr(0, colon), field.substr(colon + 2));
    }
    if (const auto secret = gbs::presented_swissnum(head.fields))
        CHECK(gbs::authorization_value(*secret) == *head.fields.find("Authorization"),
              "one swissnum has one Authorization line");
    const auto target = gbs::admit_path(head);
    if (!target) return 0;
    const auto matched_again = gbs::match(gbs::method_of(target->route), gbs::path_of(*target));
    CHECK(matched_again.what == gbs::RouteMatch::What::found &&
              matched_again.target.route == target->route &&
              matched_again.target.index == target->index &&
              matched_again.target.share == target->share,
          "a route's path leads back to it");
    const auto request = gbs::admit(head, *target);
    if (request && request->span)
        CHECK(request->span->first <= request->span->last, "a range is not reversed");
    return 0;
}

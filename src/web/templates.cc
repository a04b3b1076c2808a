#include "web/templates.h"

#include <kainjow/mustache.hpp>
#include <map>

#include "base/check.h"
#include "web/embedded.h"

namespace s4::web {
namespace {

namespace mustache = kainjow::mustache;
using codec::json::Array;
using codec::json::Object;
using codec::json::Value;

mustache::data convert(const Value& value);

mustache::data convert(const Object& object) {
    mustache::data out{mustache::data::type::object};
    for (const auto& [name, member] : object) out.set(name, convert(member));
    return out;
}

mustache::data convert(const Value& value) {
    if (const std::string* text = value.as_string()) return mustache::data(*text);
    if (const Object* object = value.as_object()) return convert(*object);
    if (const Array* array = value.as_array()) {
        mustache::data out{mustache::data::type::list};
        for (const Value& element : *array) out.push_back(convert(element));
        return out;
    }
    if (const auto flag = value.as_bool()) return mustache::data(*flag);
    CHECK(value.is_null(), "numbers are formatted before a page gets them");
    return mustache::data(false);
}

}  // namespace

struct Templates::Parsed {
    std::map<std::string, mustache::mustache, std::less<>> pages;

    mustache::mustache& find(std::string_view name) {
        const auto at = pages.find(name);
        CHECK(at != pages.end(), "a page is asked for that is not in pages/");
        return at->second;
    }
};

Templates::Templates() : parsed_(std::make_unique<Parsed>()) {
    for (const EmbeddedFile& file : embedded_files()) {
        if (!file.name.ends_with(".html")) continue;
        const auto [at, fresh] =
            parsed_->pages.emplace(std::string(file.name), std::string(file.content));
        CHECK(fresh && at->second.is_valid(), "the pages are valid mustache texts");
    }
}

Templates::~Templates() = default;

std::string Templates::render(std::string_view name, const Object& data, Object layout) {
    layout.emplace_back("body", parsed_->find(name).render(convert(data)));
    return parsed_->find("layout.html").render(convert(layout));
}

}  // namespace s4::web

// Templates: from a page's data to its HTML. The pages are mustache texts (pages/*.html), embedded
// in the program; this is the only door to the library that renders them.
//
// Data is a JSON object whose texts are escaped where they are placed, so that nothing a visitor
// typed becomes markup; a Secret does not convert to it. Numbers are given as formatted text. The
// layout's {{{body}}} is the one place that takes markup, and only render() fills it.
//
// Made once by the site; on the reactor's thread (rendering notes errors in the parsed template).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/json.h"

namespace s4::web {

class Templates {
  public:
    Templates();
    Templates(const Templates&) = delete;
    Templates& operator=(const Templates&) = delete;
    ~Templates();

    // The page `name` ("landing.html") within the layout. `layout` has what the layout shows: the
    // title, paths, contact. The template must exist.
    std::string render(std::string_view name, const codec::json::Object& data,
                       codec::json::Object layout);

  private:
    struct Parsed;
    std::unique_ptr<Parsed> parsed_;
};

}  // namespace s4::web

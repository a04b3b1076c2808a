#include "web/templates.h"

#include <gmock/gmock.h>

#include <fstream>

#include "web/embedded.h"

namespace s4::web {
namespace {

using codec::json::Array;
using codec::json::Object;

TEST(Templates, TextIsEscapedWhereverItStands) {
    Templates templates;
    const std::string page = templates.render(
        "error.html",
        Object{{"status", "404"}, {"title", "<script>alert(1)</script>"}, {"text", "\"'&<>"}},
        Object{{"title", "</title><script>"}});
    EXPECT_THAT(page, testing::Not(testing::HasSubstr("<script")));
    EXPECT_THAT(page, testing::HasSubstr("&lt;script&gt;alert(1)"));
    EXPECT_THAT(page, testing::HasSubstr("&quot;&apos;&amp;&lt;&gt;"));
}

TEST(Templates, SectionsFollowTheirData) {
    Templates templates;
    const Object with = {{"status", "404"}, {"link_path", "/"}, {"link_text", "Home"}};
    EXPECT_THAT(templates.render("error.html", with, {}),
                testing::HasSubstr("<a class=\"button\" href=\"/\">Home</a>"));
    EXPECT_THAT(templates.render("error.html", {}, {}),
                testing::Not(testing::HasSubstr("class=\"button\"")));
}

TEST(Templates, NoPageHasMarkupOutsideTheLayoutsBody) {
    for (const EmbeddedFile& file : embedded_files()) {
        if (!file.name.ends_with(".html")) continue;
        std::string content(file.content);
        if (file.name == "layout.html") content.replace(content.find("{{{body}}}"), 10, "");
        EXPECT_THAT(content, testing::Not(testing::HasSubstr("{{{"))) << file.name;
        EXPECT_THAT(content, testing::Not(testing::HasSubstr("{{&"))) << file.name;
        EXPECT_THAT(content, testing::Not(testing::HasSubstr(" style="))) << file.name;
        EXPECT_THAT(content, testing::Not(testing::HasSubstr(" onclick"))) << file.name;
        EXPECT_THAT(content, testing::Not(testing::HasSubstr("=\"//"))) << file.name;
        EXPECT_THAT(content, testing::Not(testing::HasSubstr("=\"http"))) << file.name;
    }
}

}  // namespace
}  // namespace s4::web

#include "web/format.h"

#include <fmt/format.h>

#include <array>
#include <chrono>

namespace s4::web {

std::string format_date(UnixSeconds time) {
    static constexpr std::array<std::string_view, 12> kMonths = {
        "January", "February", "March",     "April",   "May",      "June",
        "July",    "August",   "September", "October", "November", "December"};
    const std::chrono::sys_seconds at{std::chrono::seconds{time}};
    const std::chrono::year_month_day date{std::chrono::floor<std::chrono::days>(at)};
    return fmt::format("{} {} {}", static_cast<unsigned>(date.day()),
                       kMonths.at(static_cast<unsigned>(date.month()) - 1),
                       static_cast<int>(date.year()));
}

std::string format_number(std::uint64_t number) {
    std::string text = fmt::format("{}", number);
    for (std::size_t at = text.size(); at > 3;) {
        at -= 3;
        text.insert(at, ",");
    }
    return text;
}

int permille(std::uint64_t part, std::uint64_t whole) {
    if (whole == 0 || part >= whole) return 1000;
    return static_cast<int>(static_cast<double>(part) / static_cast<double>(whole) * 1000);
}

Commands commands_for(std::string_view introducer_furl, std::string_view nickname) {
    // A FURL is printable ASCII without quotes, so it stands in single quotes as it is.
    Commands out;
    out.node_directory = "~/s4-grid";
    out.install =
        "python3 -m venv ~/s4-tahoe\n"
        "~/s4-tahoe/bin/pip install 'tahoe-lafs>=1.19'";
    out.create = fmt::format(
        "~/s4-tahoe/bin/tahoe create-client \\\n"
        "    --introducer='{}' \\\n"
        "    --nickname='{}' \\\n"
        "    --shares-needed=1 --shares-happy=1 --shares-total=1 \\\n"
        "    ~/s4-grid",
        introducer_furl, nickname);
    out.run = "~/s4-tahoe/bin/tahoe run ~/s4-grid";
    out.first =
        "~/s4-tahoe/bin/tahoe -d ~/s4-grid create-alias home\n"
        "~/s4-tahoe/bin/tahoe -d ~/s4-grid put ~/some-file home:some-file\n"
        "~/s4-tahoe/bin/tahoe -d ~/s4-grid ls home:";
    out.windows = fmt::format(
        "py -m venv $HOME\\s4-tahoe\n"
        "& $HOME\\s4-tahoe\\Scripts\\pip install 'tahoe-lafs>=1.19'\n"
        "& $HOME\\s4-tahoe\\Scripts\\tahoe create-client --introducer='{}' --nickname='{}' "
        "--shares-needed=1 --shares-happy=1 --shares-total=1 $HOME\\s4-grid\n"
        "& $HOME\\s4-tahoe\\Scripts\\tahoe run $HOME\\s4-grid",
        introducer_furl, nickname);
    return out;
}

}  // namespace s4::web

#include "web/format.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
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

std::string format_day(std::int64_t day) {
    const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
    return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::optional<UnixSeconds> parse_date(std::string_view text) {
    if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
    const auto number = [&](std::size_t from, std::size_t size) {
        int value = -1;
        const char* end = text.data() + from + size;
        const auto [at, error] = std::from_chars(text.data() + from, end, value);
        return error == std::errc{} && at == end ? value : -1;
    };
    const int year = number(0, 4);
    const int month = number(5, 2);
    const int day = number(8, 2);
    if (year < 1970 || month < 1 || day < 1) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year{year},
                                           std::chrono::month{static_cast<unsigned>(month)},
                                           std::chrono::day{static_cast<unsigned>(day)}};
    if (!date.ok()) return std::nullopt;
    return std::chrono::sys_seconds{std::chrono::sys_days{date}}.time_since_epoch().count();
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

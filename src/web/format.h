// What people read and type: dates, numbers, and the commands of the subscription's page. Pure
// functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/units.h"

namespace s4::web {

std::string format_date(UnixSeconds time);  // "22 December 2026" (UTC)
std::string format_day(std::int64_t day);   // days since 1970 as "2026-12-22"
// "2026-12-22" as the beginning of that day (UTC); nothing for another text or no such day.
std::optional<UnixSeconds> parse_date(std::string_view text);
std::string format_number(std::uint64_t number);        // "50,000,000,000"
int permille(std::uint64_t part, std::uint64_t whole);  // 0 to 1000

// The page's steps, each a block of command lines. `nickname` names the client's node.
struct Commands {
    std::string install;
    std::string create;
    std::string run;
    std::string first;
    std::string windows;
    std::string node_directory;
};
Commands commands_for(std::string_view introducer_furl, std::string_view nickname);

}  // namespace s4::web

#include "web/storage_pages.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "billing/plans.h"
#include "service/limits.h"
#include "web/format.h"

namespace s4::web {

using codec::json::Array;
using codec::json::Value;
using service::StorageView;
using storage::CollectionOrder;

namespace {

constexpr std::int64_t kDayS = 24 * 3600;

// The chart's places, in the units of its viewBox.
constexpr double kLeft = 62;
constexpr double kRight = 356;
constexpr double kTop = 10;
constexpr double kBottom = 178;
// A quota that is far above what is used would press the curve flat; then it is left out.
constexpr double kQuotaShownFrom = 0.25;
// The chart of an empty grid has an axis that means something.
constexpr double kScaleBytesMin = 1e6;

std::string text_of(std::uint64_t number) {
    return format_number(number);
}

Value or_nothing(std::string text) {
    if (text.empty()) return Value(false);
    return Value(std::move(text));
}

void add(Object& into, Object more) {
    for (auto& member : more) into.push_back(std::move(member));
}

std::uint64_t left_of(const StorageView& view) {
    return view.quota_bytes > view.used_bytes ? view.quota_bytes - view.used_bytes : 0;
}

struct Point {
    std::int64_t day = 0;
    std::uint64_t used = 0;
};

// What was used from day to day; the days between two points are as the first.
std::vector<Point> points_of(const StorageView& view, std::int64_t first, std::int64_t today) {
    std::vector<Point> out;
    for (const storage::UsageDay& day : view.days) {
        const std::int64_t at = std::max(day.day, first);
        if (!out.empty() && out.back().day == at) out.pop_back();
        out.push_back({at, day.used_bytes()});
    }
    if (!out.empty() && out.back().day == today) out.pop_back();
    out.push_back({today, view.used_bytes});
    return out;
}

Object chart_of(const StorageView& view) {
    const std::int64_t today = view.now / kDayS;
    const std::int64_t first = today - service::kUsageDaysShown + 1;
    const std::vector<Point> points = points_of(view, first, today);
    std::uint64_t most = 0;
    for (const Point& point : points) most = std::max(most, point.used);
    const auto quota = static_cast<double>(view.quota_bytes);
    const bool with_quota = static_cast<double>(most) >= kQuotaShownFrom * quota;
    const double scale =
        std::max({with_quota ? quota : 0.0, static_cast<double>(most), kScaleBytesMin}) * 1.05;
    const auto x = [&](std::int64_t day) {
        return kLeft + (kRight - kLeft) * static_cast<double>(day - first) /
                           static_cast<double>(today - first);
    };
    const auto y = [&](double used) { return kBottom - (kBottom - kTop) * used / scale; };

    std::string line;
    for (std::size_t i = 0; i < points.size(); ++i) {
        const double at = y(static_cast<double>(points[i].used));
        line += i == 0 ? fmt::format("M{:.1f} {:.1f}", x(points[i].day), at)
                       : fmt::format("H{:.1f}V{:.1f}", x(points[i].day), at);
    }
    line += fmt::format("H{:.1f}", kRight);
    Array ticks;
    for (const double part : {0.0, 0.5, 1.0}) {
        const double used = part * scale / 1.05;
        ticks.emplace_back(
            Object{{"y", fmt::format("{:.1f}", y(used))},
                   {"text_y", fmt::format("{:.1f}", y(used) + 4)},
                   {"label", billing::format_bytes(static_cast<std::uint64_t>(used))}});
    }
    return {{"chart_days", fmt::format("{}", service::kUsageDaysShown)},
            {"chart_text",
             fmt::format("{} now; at most {} since {}.", billing::format_bytes(view.used_bytes),
                         billing::format_bytes(most),
                         format_date(points.front().day * kDayS))},
            {"line", line},
            {"area", fmt::format("{}V{:.1f}H{:.1f}Z", line, kBottom, x(points.front().day))},
            {"ticks", std::move(ticks)},
            {"quota_y", with_quota ? Value(fmt::format("{:.1f}", y(quota))) : Value(false)},
            {"first_day", format_day(first)},
            {"last_day", format_day(today)}};
}

Array days_of(const StorageView& view) {
    Array out;
    for (auto day = view.days.rbegin(); day != view.days.rend(); ++day)
        out.emplace_back(Object{{"day", format_day(day->day)},
                                {"used", billing::format_bytes(day->used_bytes())},
                                {"shares", text_of(day->shares)}});
    return out;
}

Array leases_of(const storage::GridFigures& figures) {
    Array out;
    std::int64_t from = 0;
    for (std::size_t i = 0; i < figures.leases_by_age.size(); ++i) {
        const bool last = i == storage::kLeaseAgeDays.size();
        const std::string age = last
                                    ? fmt::format("More than {} days", from)
                                    : fmt::format("{} to {} days", from, storage::kLeaseAgeDays[i]);
        if (!last) from = storage::kLeaseAgeDays[i];
        out.emplace_back(Object{{"age", age}, {"count", text_of(figures.leases_by_age[i])}});
    }
    return out;
}

std::string what_of(const CollectionOrder& order) {
    if (order.kind == storage::CollectionKind::expiry) return "Expiry after 31 days";
    return fmt::format("Not renewed since {}", format_date(order.before));
}

Array past_of(const StorageView& view) {
    Array out;
    for (const CollectionOrder& order : view.collection.past)
        out.emplace_back(Object{{"asked", format_date(order.asked)},
                                {"what", what_of(order)},
                                {"by", order.asked_by},
                                {"ended", format_date(order.ended)},
                                {"shares", text_of(order.shares)},
                                {"size", billing::format_bytes(order.freed_bytes())}});
    return out;
}

std::string once_words(const CollectionOrder& order) {
    std::string out =
        fmt::format("What was not renewed since {} is being freed. ", format_date(order.before));
    out += order.marked == 0 ? std::string("It is being marked; a day after that it is deleted.")
                             : fmt::format("It was marked on {} and is deleted from {} on.",
                                           format_date(order.marked),
                                           format_date(order.marked + storage::kBetweenPassesS));
    if (order.shares != 0)
        out += fmt::format(" {} shares ({}) are freed so far.", text_of(order.shares),
                           billing::format_bytes(order.freed_bytes()));
    return out;
}

Array advisories_of(const StorageView& view) {
    Array out;
    for (const storage::Advisory& advisory : view.advisories)
        out.emplace_back(Object{{"day", format_day(advisory.at / kDayS)},
                                {"index", advisory.index.to_text()},
                                {"share", fmt::format("{}", advisory.share)},
                                {"reason", advisory.reason}});
    return out;
}

}  // namespace

std::string quota_words(std::uint64_t used_bytes, std::uint64_t quota_bytes) {
    const int level = service::quota_level(0, used_bytes, quota_bytes);
    if (level == 0) return "";
    if (level == 100)
        return "Your space is used up: nothing new can be stored. What is stored stays readable.";
    return fmt::format("{} of {} are used. When all of it is, nothing new can be stored.",
                       billing::format_bytes(used_bytes), billing::format_bytes(quota_bytes));
}

Object storage_page(const StorageView& view, std::string_view path, std::string_view token,
                    std::string_view since, std::string_view problem) {
    const storage::GridFigures& figures = view.figures;
    const storage::CollectionStatus& collection = view.collection;
    Object out{{"self_path", path},
               {"token", token},
               {"quota_notice", or_nothing(quota_words(view.used_bytes, view.quota_bytes))},
               {"used", billing::format_bytes(view.used_bytes)},
               {"allowed", billing::format_bytes(view.quota_bytes)},
               {"left", billing::format_bytes(left_of(view))},
               {"used_exact", format_number(view.used_bytes)},
               {"allowed_exact", format_number(view.quota_bytes)},
               {"used_permille", fmt::format("{}", permille(view.used_bytes, view.quota_bytes))}};
    add(out, chart_of(view));
    add(out, {{"days", days_of(view)},
              {"immutable_shares", text_of(figures.immutable.shares)},
              {"immutable_size", billing::format_bytes(figures.immutable.data_bytes)},
              {"mutable_shares", text_of(figures.mutable_.shares)},
              {"mutable_size", billing::format_bytes(figures.mutable_.data_bytes)},
              {"leases", leases_of(figures)},
              {"last_activity",
               figures.last_activity ? Value(format_date(*figures.last_activity)) : Value(false)}});
    add(out, {{"clock_problem", !collection.clock_problem.empty()},
              {"once", collection.once.has_value()},
              {"once_text", collection.once ? once_words(*collection.once) : ""},
              {"date_problem", or_nothing(std::string(problem))},
              {"since", since},
              {"today", format_day(view.now / kDayS)},
              {"expires", collection.expiry.has_value()},
              {"has_past", !collection.past.empty()},
              {"past", past_of(view)},
              {"has_advisories", !view.advisories.empty()},
              {"advisories_count", text_of(figures.advisories)},
              {"advisories", advisories_of(view)}});
    return out;
}

Object expiry_page(bool expires, const storage::FreeEstimate& estimate, std::string_view path,
                   std::string_view token) {
    return {{"expires", expires},
            {"shares", text_of(estimate.shares)},
            {"size", billing::format_bytes(estimate.freed_bytes())},
            {"self_path", path},
            {"token", token}};
}

Object free_page(UnixSeconds since, const storage::FreeEstimate& estimate, std::string_view path,
                 std::string_view token) {
    return {{"any", estimate.shares != 0},
            {"shares", text_of(estimate.shares)},
            {"size", billing::format_bytes(estimate.freed_bytes())},
            {"since", format_day(since / kDayS)},
            {"since_text", format_date(since)},
            {"self_path", path},
            {"token", token}};
}

}  // namespace s4::web

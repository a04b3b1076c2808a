#include "sql/shipper.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/metrics.h"
#include "crypto/crc32c.h"
#include "rt/pool.h"
#include "sql/limits.h"

namespace s4::sql {
namespace {

struct Metrics {
    metrics::Gauge& lag_s = metrics::gauge(
        "s4_sql_ship_lag_seconds", "How old the oldest commit not yet in the shipped log may be");
    metrics::Counter& bytes =
        metrics::counter("s4_sql_ship_bytes_total", "Bytes of the database's log shipped");
    metrics::Counter& generations =
        metrics::counter("s4_sql_ship_generations_total", "Snapshots begun for the shipped log");
    metrics::Counter& failures =
        metrics::counter("s4_sql_ship_failures_total", "Failures to ship the database's log");
};

Metrics& measured() {
    static Metrics all;
    return all;
}

constexpr Duration kLagShownEvery = std::chrono::seconds(1);

}  // namespace

LogShipper::LogShipper(const rt::Context& ctx, Parts parts)
    : with_(std::move(parts)), scope_(ctx) {}

rt::Task<Result<void>> LogShipper::start() {
    CO_TRY(co_await on_disk([&] { return take_directory(); }));
    (void)co_await on_writer([&] {
        with_.writer->set_tap([this] { collect(); });
        return ok();
    });
    shipped_at_ = with_.runtime.reactor.now();
    scope_.spawn(run(scope_.context()));
    scope_.spawn(show_lag(scope_.context()));
    co_return ok();
}

rt::Task<void> LogShipper::stop() {
    scope_.cancel();
    co_await scope_.join();
    if (segments_) tell(co_await ship());
    (void)co_await on_writer([&] {
        give_up();
        with_.writer->set_tap({});
        return ok();
    });
}

ShipStatus LogShipper::status() const {
    return {.directory = with_.target.directory,
            .lag = with_.runtime.reactor.now() - shipped_at_,
            .whole = segments_ != nullptr,
            .problem = problem_};
}

rt::Task<void> LogShipper::run(const rt::Context& ctx) {
    for (;;) {
        const bool begins = generation_due();
        const auto done = begins ? co_await begin_generation(ctx) : co_await ship();
        if (ctx.cancel.cancelled()) co_return;
        // While another generation cannot begin, that is the trouble, however well the last goes
        // on.
        if (!done || begins || began_ >= next_generation_ - kGenerationRetryAfter) tell(done);
        const Duration pause = segments_ ? kShipEvery : kShipRetryAfter;
        if (!co_await rt::sleep(with_.runtime.reactor, ctx, pause)) co_return;
    }
}

// Beside run(), which waits while the directory hangs.
rt::Task<void> LogShipper::show_lag(const rt::Context& ctx) {
    do {
        measured().lag_s.set(std::chrono::duration<double>(status().lag).count());
    } while (co_await rt::sleep(with_.runtime.reactor, ctx, kLagShownEvery));
}

bool LogShipper::generation_due() const {
    const Instant now = with_.runtime.reactor.now();
    if (!segments_) return true;
    if (now < next_generation_) return false;
    return now - began_ > kGenerationAgeMax ||
           segments_->bytes() > std::max(kGenerationLogBytesMin, snapshot_bytes_);
}

// What was committed since the last call becomes a record, of both generations while there are two.
rt::Task<Result<void>> LogShipper::ship() {
    const Instant begun = with_.runtime.reactor.now();
    auto record = co_await on_writer([&] { return take(); });
    if (!record) {
        segments_.reset();
        making_.reset();
        co_return fail(record.error());
    }
    const Result<void> done = co_await append(segments_, *record);
    const Result<void> also = co_await append(making_, *record);
    if (segments_) shipped_at_ = begun;
    if (!segments_ && !making_) co_await give_up_soon();
    co_return done ? also : done;
}

rt::Task<void> LogShipper::give_up_soon() {
    (void)co_await on_writer([&] {
        give_up();
        return ok();
    });
}

rt::Task<Result<void>> LogShipper::append(std::unique_ptr<LogSegments>& to,
                                          const LogRecord& record) {
    if (!to) co_return ok();
    const auto done = co_await on_disk([&] { return to->append(record); });
    if (done)
        measured().bytes.add(static_cast<double>(record.pages.size()));
    else
        to.reset();
    co_return done;
}

rt::Task<Result<void>> LogShipper::begin_generation(const rt::Context& ctx) {
    measured().generations.add();
    const std::uint64_t number =
        std::max(static_cast<std::uint64_t>(with_.runtime.reactor.unix_us()), generation_ + 1);
    const std::string name = with_.target.directory + "/" + generation_name(number);
    const std::string fresh = name + ".new";
    next_generation_ = with_.runtime.reactor.now() + kGenerationRetryAfter;
    Result<void> done = co_await make_generation(ctx, fresh, number);
    const Instant shipped = shipped_at_;
    if (done) {
        generation_ = number;
        done = co_await on_disk([&] { return settle(fresh, name); });
        // It may be the newest by now, and what is restored from, so the last goes on no longer.
        if (!done) segments_.reset();
    }
    if (!done) {
        making_.reset();
        if (!segments_) co_await give_up_soon();
        co_return done;
    }
    making_->moved(name);
    segments_ = std::move(making_);
    began_ = with_.runtime.reactor.now();
    shipped_at_ = shipped;
    co_return ok();
}

// A snapshot in the folder `fresh`, and records that reach past its end.
rt::Task<Result<void>> LogShipper::make_generation(const rt::Context& ctx, const std::string& fresh,
                                                   std::uint64_t number) {
    CO_TRY(co_await on_disk([&] { return prepare(fresh); }));
    const Begun begun = CO_TRY(co_await on_writer([&] { return begin(); }));
    making_ = std::make_unique<LogSegments>(with_.runtime.files, fresh, number);
    if (!begun.rest)
        segments_.reset();
    else if (const auto sent = co_await append(segments_, *begun.rest); !sent)
        tell(sent);
    CO_TRY(co_await append(making_, begun.first));
    const auto copied = co_await copy_database(ctx, fresh);
    if (!copied) {
        (void)co_await on_disk([&] {
            snapshot_.reset();
            return ok();
        });
        co_return copied;
    }
    const Instant upto = with_.runtime.reactor.now();
    const auto sent = co_await ship();
    if (!making_) co_return sent;
    if (!sent) tell(sent);
    shipped_at_ = upto;
    co_return ok();
}

// Writes go on meanwhile, and are shipped.
rt::Task<Result<void>> LogShipper::copy_database(const rt::Context& ctx, const std::string& fresh) {
    rt::Reactor& reactor = with_.runtime.reactor;
    const std::uint64_t size = CO_TRY(
        co_await on_disk([&]() -> Result<std::uint64_t> { return with_.source->file_bytes(); }));
    Instant shipped = reactor.now();
    for (std::uint64_t at = 0; at < size; at += kSnapshotStepBytes) {
        const auto n =
            static_cast<std::size_t>(std::min<std::uint64_t>(kSnapshotStepBytes, size - at));
        CO_TRY(co_await on_disk([&]() -> Result<void> {
            ByteBuffer part(n);
            TRY(with_.source->read_file_at(at, part));
            seal_.crc = crypto::crc32c_extend(seal_.crc, part);
            seal_.bytes += n;
            return snapshot_->write_at(at, part);
        }));
        if (!co_await rt::sleep(reactor, ctx, kSnapshotPause))
            co_return fail(rt::cancelled_error());
        if (reactor.now() - shipped < kShipEvery) continue;
        shipped = reactor.now();
        const auto sent = co_await ship();
        if (!making_) co_return sent;
        if (!sent) tell(sent);
    }
    co_return co_await on_disk([&] { return finish_snapshot(fresh); });
}

Result<void> LogShipper::take_directory() {
    rt::Files& files = with_.runtime.files;
    TRY(files.make_directories(with_.target.directory));
    auto lock = files.lock(with_.target.directory + "/lock");
    if (!lock && lock.error().is("files.locked"))
        return fail(ErrorKind::conflict, "sql.ship_in_use",
                    fmt::format("another process ships its log to {}; each takes a directory of "
                                "its own",
                                with_.target.directory));
    lock_ = TRY(std::move(lock));
    TRY(files.sync_directory(rt::parent_path(with_.target.directory)));
    TRY(check_owner());
    const auto there = TRY(list_generations(files, with_.target.directory));
    if (!there.empty()) generation_ = there.back();
    return ok();
}

// Generations are removed as newer ones come: another database's would be lost.
Result<void> LogShipper::check_owner() {
    rt::Files& files = with_.runtime.files;
    const std::string& directory = with_.target.directory;
    const auto owner = TRY(shipped_log_owner(files, directory));
    if (!owner)
        return rt::replace_file(files, directory + "/" + kOwnerName,
                                as_bytes(with_.target.owner + "\n"));
    if (*owner == with_.target.owner) return ok();
    return fail(ErrorKind::conflict, "sql.ship_other_database",
                fmt::format("{} holds the log of another database; give this one a directory of "
                            "its own",
                            directory));
}

Result<void> LogShipper::prepare(const std::string& fresh) {
    rt::Files& files = with_.runtime.files;
    TRY(prune_generations(files, with_.target.directory, kGenerationsKept - 1));
    snapshot_bytes_ = TRY(with_.source->file_bytes());
    const std::uint64_t free = TRY(files.free_bytes(with_.target.directory));
    if (free < snapshot_bytes_ + kShipSpareBytes)
        return fail(ErrorKind::no_space, "sql.ship_no_space",
                    fmt::format("{} has {} bytes free; a snapshot takes {} and its log {} more",
                                with_.target.directory, free, snapshot_bytes_, kShipSpareBytes));
    TRY(files.make_directories(fresh));
    snapshot_ = TRY(files.open(fresh + "/" + kSnapshotName, rt::OpenMode::create_new));
    seal_ = {};
    return ok();
}

Result<void> LogShipper::finish_snapshot(const std::string& fresh) {
    TRY(snapshot_->sync());
    snapshot_.reset();
    return rt::replace_file(with_.runtime.files, fresh + "/" + kSealName, write_seal(seal_));
}

// The generation becomes whole, durably.
Result<void> LogShipper::settle(const std::string& fresh, const std::string& name) {
    rt::Files& files = with_.runtime.files;
    TRY(files.sync_directory(fresh));
    TRY(files.rename(fresh, name));
    return files.sync_directory(with_.target.directory);
}

void LogShipper::tell(const Result<void>& outcome) {
    if (outcome) {
        if (!problem_.empty())
            log::info("sql", "the database's log is shipped again",
                      {{"directory", with_.target.directory}});
        problem_.clear();
        next_alarm_log_ = {};
        return;
    }
    if (outcome.error().kind() == ErrorKind::cancelled) return;
    measured().failures.add();
    problem_ = outcome.error().message();
    if (with_.runtime.reactor.now() < next_alarm_log_) return;
    next_alarm_log_ = with_.runtime.reactor.now() + kShipAlarmEvery;
    log::error("sql",
               segments_ ? "another generation of the shipped log cannot begin; the last goes on"
                         : "the database's log is not shipped; what is committed now has no second "
                           "copy",
               {{"directory", with_.target.directory}, {"error", outcome.error()}});
}

void LogShipper::collect() {
    if (!tapping_ || !collected_) return;
    const auto read = [&]() -> Result<WalCommits> {
        const auto log =
            TRY(with_.runtime.files.open(with_.database_path + "-wal", rt::OpenMode::read));
        // One more than may wait, so that reading never ends before the log does.
        return read_commits(*log, position_, kShipPendingBytesMax + 1);
    }();
    if (!read) {
        collected_ = fail(read.error());
        return;
    }
    position_ = read->end;
    if (read->page_count == 0) return;
    pending_.page_bytes = read->page_bytes;
    pending_.database_pages = read->database_pages;
    pending_.page_count += read->page_count;
    pending_.commits += read->commits;
    pending_.read_us = with_.runtime.reactor.unix_us();
    s4::append(pending_.pages, read->pages);
    if (pending_.pages.size() <= kShipPendingBytesMax) return;
    pending_ = {};
    collected_ = fail(ErrorKind::unavailable, "sql.ship_too_slow",
                      "the directory of the shipped log does not keep up with the commits");
}

Result<LogRecord> LogShipper::take() {
    collect();
    if (collected_) return std::exchange(pending_, {});
    const Error error = collected_.error();
    give_up();
    return fail(error);
}

// From here on every commit is also the new generation's, which begins with all that the database's
// log holds: whatever of it a checkpoint has not copied back yet, it may while the file is read.
Result<LogShipper::Begun> LogShipper::begin() {
    const auto log =
        TRY(with_.runtime.files.open(with_.database_path + "-wal", rt::OpenMode::read));
    WalCommits read = TRY(read_commits(*log, {}, kShipFirstBytesMax));
    if (read.pages.size() >= kShipFirstBytesMax)
        return fail(ErrorKind::unavailable, "sql.ship_log_too_long",
                    "the database's log is too long for the begin of a shipped generation");
    Begun out;
    if (tapping_) {
        if (auto rest = take()) out.rest = std::move(*rest);
    }
    out.first = {.pages = std::move(read.pages),
                 .page_bytes = read.page_bytes,
                 .page_count = read.page_count,
                 .commits = read.commits,
                 .database_pages = read.database_pages,
                 .read_us = with_.runtime.reactor.unix_us()};
    position_ = read.end;
    tapping_ = true;
    return out;
}

void LogShipper::give_up() {
    tapping_ = false;
    pending_ = {};
    collected_ = ok();
}

}  // namespace s4::sql

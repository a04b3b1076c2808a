#include "storage/rebuild.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/log.h"
#include "blob/store.h"
#include "crypto/seal.h"
#include "sql/database.h"
#include "storage/care_tables.h"
#include "storage/core.h"
#include "storage/rebuild_plan.h"

namespace s4::storage {
namespace {

using sql::Query;

constexpr Query kClear{"storage.clear_rebuild", "DELETE FROM storage_rebuild"};
constexpr Query kInsert{
    "storage.insert_rebuild",
    "INSERT INTO storage_rebuild (grid, si, share, version, blob, kind, base_version, length, at, "
    "size, made_s, blobs, enabler_sealed, record) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) "
    "ON CONFLICT (grid, si, share, version, blob) DO NOTHING"};
constexpr Query kNextIndex{"storage.next_rebuild_index",
                           "SELECT grid, si FROM storage_rebuild WHERE (grid, si) > ($1, $2) "
                           "ORDER BY grid, si LIMIT 1"};
constexpr Query kLoadIndex{
    "storage.load_rebuild_index",
    "SELECT share, version, blob, kind, base_version, length, at, size, made_s, blobs, "
    "enabler_sealed, record FROM storage_rebuild WHERE grid = $1 AND si = $2"};
constexpr Query kClearIntents{"storage.clear_intents", "DELETE FROM storage_intent"};

// A share that comes back has it, so that it lives until clients renewed their own leases, should
// the customer have turned expiry on. Nobody holds its secret.
constexpr tables::Hash kServiceLease{};

struct Header {
    BlobHeader header;
    ByteBuffer record;
};

std::unexpected<Error> malformed_row() {
    return fail(ErrorKind::corrupt, "storage.corrupt", "a row of storage_rebuild is malformed");
}

// The blob's two ends, verified; nothing when it is no whole blob under its own key. The data
// between them are the check's affair.
rt::Task<Result<std::optional<Header>>> read_ends(const rt::Context& ctx, blob::Store& store,
                                                  const blob::Listed& listed) {
    const auto blob = CO_TRY(co_await store.open(ctx, listed.key));
    ByteBuffer head(kBlobHeaderBytes);
    if (CO_TRY(co_await blob->read_at(ctx, 0, head)) != head.size()) co_return std::nullopt;
    auto header = parse_header(head);
    if (!header) co_return std::nullopt;
    if (header->grid != listed.key.grid() || header->name != listed.key.name() ||
        blob_size(header->data.size, header->record_bytes) != listed.size)
        co_return std::nullopt;
    // Block checksums of a blob of terabytes are read in pieces too; only the record is kept.
    TrailerVerifier trailer(*header);
    ByteBuffer piece(kBlobBlockBytes);
    for (std::uint64_t at = kBlobHeaderBytes + header->data.size; at < listed.size;) {
        const std::size_t n = CO_TRY(co_await blob->read_at(ctx, at, piece));
        if (n == 0) co_return std::nullopt;
        trailer.append(ByteView(piece).first(n));
        at += n;
    }
    auto record = trailer.finish();
    if (!record) co_return std::nullopt;
    co_return std::optional(Header{std::move(*header), std::move(*record)});
}

Result<void> insert_found(sql::Transaction& tx, const Header& found) {
    const BlobHeader& h = found.header;
    TRY(tx.execute(
        kInsert, {h.grid, h.index.bytes, h.share, h.version, h.name, static_cast<int>(h.kind),
                  h.base_version, h.share_length, h.data.offset, h.data.size, h.made_us / 1'000'000,
                  h.blobs_in_version, h.sealed_enabler, found.record}));
    return ok();
}

Result<FoundShares> load_found(sql::Reader& db, const IndexKey& key) {
    sql::Rows rows = TRY(db.select(kLoadIndex, {key.grid, key.index.bytes}));
    FoundShares out;
    while (TRY(rows.next())) {
        const auto name = rows.blob_of<blob::Key::kNameBytes>(2);
        if (!name) return malformed_row();
        const auto number = [&](int column) {
            return static_cast<std::uint64_t>(rows.integer(column));
        };
        FoundBlob blob;
        blob.name = *name;
        blob.version = number(1);
        blob.kind = static_cast<ShareKind>(rows.integer(3));
        blob.base_version = number(4);
        blob.share_length = number(5);
        blob.data = {number(6), number(7)};
        blob.made = rows.integer(8);
        blob.blobs_in_version = static_cast<std::uint32_t>(rows.integer(9));
        blob.enabler_sealed = to_buffer(rows.blob(10));
        blob.record = TRY(parse_commit_record(rows.blob(11)));
        const auto share = static_cast<ShareNumber>(rows.integer(0));
        out[share][blob.version].push_back(std::move(blob));
    }
    return out;
}

class Rebuild {
  public:
    Rebuild(rt::Runtime& runtime, sql::Database& db, blob::Store& store, crypto::Sealer sealer,
            crypto::KeyedHash enabler_hash, KnownGrids& known, RebuildProgress progress)
        : runtime_(runtime),
          db_(db),
          store_(store),
          sealer_(std::move(sealer)),
          enabler_hash_(std::move(enabler_hash)),
          known_(known),
          progress_(std::move(progress)) {}

    rt::Task<Result<RebuildReport>> run(const rt::Context& ctx) {
        CO_TRY(co_await clear(ctx));
        CO_TRY(co_await gather(ctx));
        CO_TRY(co_await apply(ctx));
        CO_TRY(co_await count(ctx));
        CO_TRY(co_await clear(ctx));
        co_return report_;
    }

  private:
    rt::Task<Result<void>> clear(const rt::Context& ctx) {
        co_return co_await db_.write(ctx, [](sql::Transaction& tx) -> Result<void> {
            TRY(tx.execute(kClear));
            return ok();
        });
    }

    // Every header into the table, but for blobs that the database knows to be superseded or
    // quarantined.
    rt::Task<Result<void>> gather(const rt::Context& ctx) {
        std::map<GridId, bool> grids;
        std::string from;
        do {
            blob::Page page = CO_TRY(co_await store_.list(ctx, from));
            std::vector<Header> found;
            for (const blob::Listed& listed : page.blobs) {
                ++report_.blobs;
                const GridId grid = listed.key.grid();
                if (!grids.contains(grid)) grids[grid] = CO_TRY(co_await known_.has(ctx, grid));
                if (!grids[grid]) continue;
                auto header = CO_TRY(co_await read_ends(ctx, store_, listed));
                if (header)
                    found.push_back(std::move(*header));
                else
                    ++report_.damaged;
            }
            CO_TRY(co_await db_.write(ctx, [&](sql::Transaction& tx) -> Result<void> {
                for (const Header& header : found) {
                    const tables::BlobRow row{header.header.grid, header.header.name};
                    if (TRY(tables::is_superseded(tx, row))) continue;
                    if (TRY(tables::is_quarantined(tx, row.name))) continue;
                    TRY(insert_found(tx, header));
                }
                return ok();
            }));
            if (progress_) progress_(report_);
            from = std::move(page.next);
        } while (!from.empty());
        for (const auto& [grid, known] : grids) {
            report_.grids.push_back(grid);
            if (!known) report_.unknown_grids.push_back(grid);
        }
        co_return ok();
    }

    rt::Task<Result<void>> apply(const rt::Context& ctx) {
        IndexKey last{};
        for (std::uint64_t done = 1;; ++done) {
            const auto next = CO_TRY(co_await db_.write(
                ctx, [&](sql::Transaction& tx) { return apply_next(tx, last); }));
            if (!next) break;
            last = next->key;
            report_.added += next->report.added;
            report_.renewed += next->report.renewed;
            report_.kept += next->report.kept;
            report_.left_out += next->report.left_out;
            report_.lost_small += next->report.lost_small;
            if (progress_ && done % 256 == 0) progress_(report_);
        }
        co_return ok();
    }

    struct Applied {
        IndexKey key;
        RebuildReport report;
    };
    Result<std::optional<Applied>> apply_next(sql::Transaction& tx, const IndexKey& after) {
        Applied out;
        {
            sql::Rows rows = TRY(tx.select(kNextIndex, {after.grid, after.index.bytes}));
            if (!TRY(rows.next())) return std::nullopt;
            const auto si = rows.blob_of<kStorageIndexBytes>(1);
            if (!si) return malformed_row();
            out.key = {rows.id<GridId>(0), StorageIndex{*si}};
        }
        const FoundShares found = TRY(load_found(tx, out.key));
        const IndexRows known = TRY(tables::load_index(tx, out.key));
        for (const auto& [number, versions] : found) {
            const auto pieces = TRY(tables::load_pieces(tx, out.key, number, kWholeShare));
            const ShareVerdict verdict = judge_share(found, known, number, pieces);
            TRY(apply_verdict(tx, out, known, verdict));
        }
        return std::optional(std::move(out));
    }

    Result<void> apply_verdict(sql::Transaction& tx, Applied& out, const IndexRows& known,
                               const ShareVerdict& verdict) {
        using What = ShareVerdict::What;
        if (verdict.half_newest || verdict.what == What::left_out) ++out.report.left_out;
        if (verdict.what == What::keep) ++out.report.kept;
        if (verdict.what == What::lost_small) ++out.report.lost_small;
        if (verdict.what != What::take) return ok();
        // An index has shares of one kind; what the database knows goes first.
        const IndexRows now = TRY(tables::load_index(tx, out.key));
        if (!now.empty() && now.front().kind != verdict.row.kind) {
            ++out.report.left_out;
            return ok();
        }
        const ShareRow* old = find_share(known, verdict.row.share);
        ++(old ? out.report.renewed : out.report.added);
        return take(tx, out.key, old, verdict);
    }

    Result<void> take(sql::Transaction& tx, const IndexKey& key, const ShareRow* old,
                      const ShareVerdict& verdict) {
        const ShareNumber number = verdict.row.share;
        const auto leases = old ? TRY(tables::load_leases(tx, key, number))
                                : std::vector<LeaseInfo>();
                                if (old) TRY(tables::delete_share(tx, key, *old, now_s()));
                                TRY(tables::insert_share(tx, key, verdict.row, verdict.made));
                                for (const tables::Piece& piece : verdict.pieces)
                                    TRY(tables::insert_piece(tx, key, number, piece));
                                for (const LeaseInfo& lease : leases)
                                    TRY(tables::insert_lease(
                                        tx, key, number,
                                        {lease.renew_hash, lease.cancel_hash, lease.expires}));
                                if (leases.empty())
                                    TRY(tables::insert_lease(
                                        tx, key, number,
                                        {kServiceLease, kServiceLease, now_s() + kLeaseSeconds}));
                                // What serves again is not superseded, whatever the older row said.
                                for (const tables::Piece& piece : verdict.pieces)
                                    TRY(tables::take_superseded(tx, {key.grid, piece.blob}));
                                if (verdict.row.place == Place::blob)
                                    TRY(tables::take_superseded(tx, {key.grid, verdict.row.blob}));
                                if (verdict.row.kind == ShareKind::immutable ||
                                    TRY(tables::load_slot(tx, key)))
                                    return ok();
                                auto enabler =
                                    sealer_.open(verdict.enabler_sealed,
                                                 fmt::format("storage.slot {} {}", key.grid.value,
                                                             key.index.to_text()));
                                if (!enabler)
                                    return fail(ErrorKind::unauthorized, "storage.wrong_master_key",
                                                fmt::format("a write enabler does not open with "
                                                            "this master.key ({}); put "
                                                            "the key of this store in its place",
                                                            enabler.error().message()));
                                return tables::insert_slot(
                                    tx, key,
                                    {enabler_hash_(enabler->reveal()), verdict.enabler_sealed});
    }

    // Usage of every grid that has shares; and no intent, since an intent's blob may serve now:
    // what does not is found by the collector's comparison.
    rt::Task<Result<void>> count(const rt::Context& ctx) {
        std::optional<GridId> grid = GridId{0};
        while (grid) {
            const GridId after = *grid;
            grid = CO_TRY(
                co_await db_.write(ctx, [&](sql::Transaction& tx) -> Result<std::optional<GridId>> {
                    const auto next = TRY(tables::next_grid(tx, after));
                    if (!next) return std::nullopt;
                    const UsageRow kept = TRY(tables::load_usage(tx, *next));
                    const UsageRow is = TRY(tables::recount(tx, *next));
                    TRY(tables::change_usage(
                        tx, *next, static_cast<std::int64_t>(is.shares - kept.shares),
                        static_cast<std::int64_t>(is.data_bytes - kept.data_bytes)));
                    return next;
                }));
        }
        co_return co_await db_.write(ctx, [](sql::Transaction& tx) -> Result<void> {
            TRY(tx.execute(kClearIntents));
            return ok();
        });
    }

    UnixSeconds now_s() const { return runtime_.reactor.unix_s(); }

    rt::Runtime& runtime_;
    sql::Database& db_;
    blob::Store& store_;
    crypto::Sealer sealer_;
    crypto::KeyedHash enabler_hash_;
    KnownGrids& known_;
    RebuildProgress progress_;
    RebuildReport report_;
};

}  // namespace

rt::Task<Result<RebuildReport>> rebuild_index(const rt::Context& ctx, rt::Runtime& runtime,
                                              sql::Database& database, blob::Store& blobs,
                                              const crypto::MasterKey& master, KnownGrids& known,
                                              RebuildProgress progress) {
    auto sealer = CO_TRY(crypto::Sealer::create(master));
    auto hash = CO_TRY(crypto::KeyedHash::create(master, kEnablerHashPurpose));
    Rebuild rebuild(runtime, database, blobs, std::move(sealer), std::move(hash), known,
                    std::move(progress));
    co_return co_await rebuild.run(ctx);
}

}  // namespace s4::storage

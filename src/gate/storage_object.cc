#include "gate/storage_object.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "gate/answer_bytes.h"
#include "gate/bucket_objects.h"
#include "gate/limits.h"

namespace s4::gate {

namespace pf = proto::foolscap;
using storage::ShareKind;
using Lane = Turnstile::Lane;
using wire::bad_argument;

namespace {

constexpr std::string_view kInterface = "RIStorageServer.tahoe.allmydata.com";
constexpr std::string_view kProtocol = "http://allmydata.org/tahoe/protocols/storage/v1";
constexpr std::string_view kTestWrite = "slot_testv_and_readv_and_writev";

pf::Value share_key(storage::ShareNumber share) {
    return pf::Value::integer(static_cast<std::int64_t>(share));
}

pf::Value share_set(const std::vector<storage::ShareNumber>& shares) {
    pf::Value::Items items;
    for (const storage::ShareNumber share : shares) items.push_back(share_key(share));
    return pf::Value::set(std::move(items));
}

// What the read vectors brought: a dictionary from share to list of byte strings.
pf::Value extracts_value(const std::vector<storage::ShareExtracts>& shares,
                         std::vector<pf::Value> strings) {
    auto next = strings.begin();
    pf::Value::Entries entries;
    for (const storage::ShareExtracts& share : shares) {
        const auto end = next + static_cast<std::ptrdiff_t>(share.items.size());
        entries.emplace_back(share_key(share.share),
                             pf::Value::list({std::move_iterator(next), std::move_iterator(end)}));
        next = end;
    }
    return pf::Value::dict(std::move(entries));
}

}  // namespace

pf::Failure storage_failure(const StorageSession& session, const Error& error) {
    if (error.is("storage.bad_write_enabler"))
        return pf::Failure::make(
            "allmydata.interfaces.BadWriteEnablerError",
            fmt::format("The write enabler was recorded by nodeid '{}'.", session.tub_id));
    if (error.is("storage.conflicting_write"))
        return pf::Failure::make("allmydata.interfaces.ConflictingWriteError", error.message());
    if (error.is("storage.write_past_end"))
        return pf::Failure::make("allmydata.interfaces.DataTooLargeError", error.message());
    if (error.is("storage.no_such_upload") || error.is("storage.upload_complete"))
        return pf::Failure::make("twisted.internet.error.AlreadyCancelled",
                                 "Tried to cancel an already-cancelled event.",
                                 {"builtins.ValueError"});
    if (error.is("storage.wrong_kind"))
        return pf::Failure::make("allmydata.storage.common.UnknownMutableContainerVersionError",
                                 error.message(),
                                 {"allmydata.storage.common.UnknownContainerVersionError"});
    if (error.is("storage.too_many_leases") || error.kind() == ErrorKind::no_space)
        return pf::Failure::make("allmydata.interfaces.NoSpace", error.message());
    if (error.kind() == ErrorKind::invalid || error.kind() == ErrorKind::too_large)
        return pf::Failure::make("builtins.ValueError", error.message());
    if (error.kind() == ErrorKind::io || error.kind() == ErrorKind::corrupt)
        log::error("gate", "a call failed in the storage",
                   {{"grid", session.grid.value}, {"error", error}});
    return pf::Failure::make("builtins.RuntimeError", "the storage failed; try again later");
}

StorageSession::StorageSession(wire::FoolscapConnection& its_connection,
                               const FoolscapServices& services, GridId its_grid,
                               std::string its_tub_id, storage::ConnectionId its_id)
    : connection(its_connection),
      engine(*services.engine),
      turnstile(*services.turnstile),
      grid(its_grid),
      tub_id(std::move(its_tub_id)),
      id(its_id),
      version(services.application_version),
      answer_room(services.reactor, kAnswersUnderWayMax) {}

StorageObject::StorageObject(wire::FoolscapConnection& connection, const FoolscapServices& services,
                             GridId grid, std::string tub_id, storage::ConnectionId id)
    : session_(connection, services, grid, std::move(tub_id), id) {}

std::string StorageObject::interface_name() const {
    return std::string(kInterface);
}

pf::ArgumentMode StorageObject::argument_mode(std::string_view method) const {
    if (method == kTestWrite) return pf::ArgumentMode::streamed;
    for (const std::string_view known : {"get_version", "allocate_buckets", "add_lease",
                                         "get_buckets", "slot_readv", "advise_corrupt_share"})
        if (method == known) return pf::ArgumentMode::whole;
    return pf::ArgumentMode::refused;
}

rt::Task<StorageObject::Answer> StorageObject::call(const rt::Context& ctx, std::string method,
                                                    pf::Arguments arguments) {
    const StorageArguments named(arguments);
    if (method == "get_version") co_return co_await get_version(ctx);
    if (method == "allocate_buckets") co_return co_await allocate_buckets(ctx, named);
    if (method == "add_lease") co_return co_await add_lease(ctx, named);
    if (method == "get_buckets") co_return co_await get_buckets(ctx, named);
    if (method == "slot_readv") co_return co_await slot_readv(ctx, named);
    if (method == kTestWrite)
        co_return co_await read_test_write(ctx, named, std::exchange(incoming_, {}));
    co_return co_await advise_corrupt_share(ctx, named);
}

void StorageObject::connection_lost() {
    session_.engine.connection_lost(session_.id);
}

rt::Task<StorageObject::Answer> StorageObject::get_version(const rt::Context& ctx) {
    const auto space =
        co_await session_.in_turn(ctx, Lane::read, session_.engine.space(ctx, session_.grid));
    if (!space) co_return std::unexpected(storage_failure(session_, space.error()));
    const auto number = [](std::uint64_t n) { return pf::Value::unsigned_integer(n); };
    const pf::Value yes = pf::Value::boolean(true);
    pf::Value::Entries features{
        {pf::Value::bytes("maximum-immutable-share-size"),
         number(space->immutable_share_bytes_max)},
        {pf::Value::bytes("maximum-mutable-share-size"), number(space->mutable_share_bytes_max)},
        {pf::Value::bytes("available-space"), number(space->available_bytes)},
        {pf::Value::bytes("tolerates-immutable-read-overrun"), yes},
        {pf::Value::bytes("delete-mutable-shares-with-zero-length-writev"), yes},
        {pf::Value::bytes("fills-holes-with-zero-bytes"), yes},
        {pf::Value::bytes("prevents-read-past-end-of-share-data"), yes}};
    co_return pf::Value::dict(
        {{pf::Value::bytes(kProtocol), pf::Value::dict(std::move(features))},
         {pf::Value::bytes("application-version"), pf::Value::bytes(session_.version)}});
}

rt::Task<StorageObject::Answer> StorageObject::allocate_buckets(const rt::Context& ctx,
                                                                StorageArguments arguments) {
    auto index = arguments.storage_index(0);
    if (!index) co_return std::unexpected(std::move(index).error());
    auto secrets = arguments.lease_secrets(1);
    if (!secrets) co_return std::unexpected(std::move(secrets).error());
    auto shares = arguments.shares(3, "sharenums");
    if (!shares) co_return std::unexpected(std::move(shares).error());
    const auto size = arguments.number(4, "allocated_size");
    if (!size) co_return std::unexpected(size.error());

    storage::AllocateRequest request{.index = *index,
                                     .secrets = *std::move(secrets),
                                     .owner = session_.id,
                                     .shares = *std::move(shares),
                                     .size = *size};
    auto allocated = co_await session_.in_turn(
        ctx, Lane::write, session_.engine.allocate(ctx, session_.grid, std::move(request)));
    // What was begun for a connection that went meanwhile goes after it.
    if (session_.connection.closed()) session_.engine.connection_lost(session_.id);
    if (!allocated && allocated.error().is("storage.wrong_kind"))
        co_return std::unexpected(
            pf::Failure::make("allmydata.storage.common.UnknownImmutableContainerVersionError",
                              allocated.error().message(),
                              {"allmydata.storage.common.UnknownContainerVersionError"}));
    if (!allocated) co_return std::unexpected(storage_failure(session_, allocated.error()));
    pf::Value::Entries writers;
    for (const storage::ShareNumber share : allocated->allocated) {
        const storage::UploadKey key{session_.grid, *index, share};
        writers.emplace_back(
            share_key(share),
            session_.connection.add(std::make_unique<BucketWriter>(session_, key, *size)));
    }
    co_return pf::Value::tuple(
        {share_set(allocated->already_have), pf::Value::dict(std::move(writers))});
}

rt::Task<StorageObject::Answer> StorageObject::add_lease(const rt::Context& ctx,
                                                         StorageArguments arguments) {
    auto index = arguments.storage_index(0);
    if (!index) co_return std::unexpected(std::move(index).error());
    auto secrets = arguments.lease_secrets(1);
    if (!secrets) co_return std::unexpected(std::move(secrets).error());
    const auto added = co_await session_.in_turn(
        ctx, Lane::write,
        session_.engine.add_lease(ctx, session_.grid, *index, *std::move(secrets)));
    if (!added) co_return std::unexpected(storage_failure(session_, added.error()));
    co_return pf::Value::none();
}

rt::Task<StorageObject::Answer> StorageObject::get_buckets(const rt::Context& ctx,
                                                           StorageArguments arguments) {
    auto index = arguments.storage_index(0);
    if (!index) co_return std::unexpected(std::move(index).error());
    auto readers = co_await session_.in_turn(
        ctx, Lane::read,
        session_.engine.open_all(ctx, session_.grid, *index, ShareKind::immutable));
    if (!readers) co_return std::unexpected(storage_failure(session_, readers.error()));
    pf::Value::Entries buckets;
    for (auto& reader : *readers) {
        const storage::ShareNumber share = reader->share();
        buckets.emplace_back(share_key(share),
                             session_.connection.add(std::make_unique<BucketReader>(
                                 session_, *index, std::move(reader))));
    }
    co_return pf::Value::dict(std::move(buckets));
}

rt::Task<StorageObject::Answer> StorageObject::slot_readv(const rt::Context& ctx,
                                                          StorageArguments arguments) {
    auto index = arguments.storage_index(0);
    if (!index) co_return std::unexpected(std::move(index).error());
    auto shares = arguments.shares(1, "shares");
    if (!shares) co_return std::unexpected(std::move(shares).error());
    auto reads = arguments.read_vector(2, "readv");
    if (!reads) co_return std::unexpected(std::move(reads).error());
    const auto read =
        co_await session_.in_turn(ctx, Lane::read,
                                  session_.engine.read_slot(ctx, session_.grid, *index,
                                                            *std::move(shares), *std::move(reads)));
    if (!read) co_return std::unexpected(storage_failure(session_, read.error()));
    auto strings = co_await read_extracts(ctx, *read);
    if (!strings) co_return std::unexpected(storage_failure(session_, strings.error()));
    co_return extracts_value(*read, *std::move(strings));
}

rt::Task<Result<std::vector<pf::Value>>> StorageObject::read_extracts(
    const rt::Context& ctx, const std::vector<storage::ShareExtracts>& shares) {
    std::vector<storage::Extract> all;
    for (const storage::ShareExtracts& share : shares)
        all.insert(all.end(), share.items.begin(), share.items.end());
    co_return co_await answer_bytes(ctx, session_, std::move(all));
}

rt::Task<void> StorageObject::stream_began(const rt::Context& ctx, pf::StreamBegan stream) {
    if (incoming_.staging == nullptr) incoming_.staging = session_.engine.stage();
    incoming_.ranges[stream.stream] = {incoming_.staging->size(), stream.size};
    // More than the grid could ever hold is not even staged.
    const auto space = co_await session_.engine.space(ctx, session_.grid);
    if (!space) {
        incoming_.error = space.error();
    } else if (stream.size > space->mutable_share_bytes_max ||
               incoming_.staging->size() > space->mutable_share_bytes_max - stream.size) {
        incoming_.error = Error(ErrorKind::no_space, "storage.no_space",
                                "there is no room for so large a mutable share");
    }
}

rt::Task<void> StorageObject::stream_piece(const rt::Context& ctx, pf::StreamId, ByteView bytes) {
    if (incoming_.error) co_return;
    auto appended = co_await session_.turnstile.spend(ctx, session_.grid, bytes.size());
    if (appended)
        appended =
            co_await session_.in_turn(ctx, Lane::write, incoming_.staging->append(ctx, bytes));
    if (!appended) incoming_.error = std::move(appended).error();
}

void StorageObject::streams_broken(pf::StreamId) {
    incoming_ = {};
}

// Brings all data into the staging area, and says where in it each write finds its own.
rt::Task<Result<void>> StorageObject::stage(const rt::Context& ctx, const SlotWrites& writes,
                                            Incoming& incoming, storage::TestWriteRequest& into) {
    into.staging = std::move(incoming.staging);
    for (const auto& [number, share] : writes.shares) {
        storage::ShareTestWrite& to = into.shares[number];
        to = share.tests;
        for (const SlotWrites::Write& write : share.writes) {
            if (const auto* streamed = write.data->as_streamed()) {
                const auto range = incoming.ranges.find(streamed->stream);
                CHECK(range != incoming.ranges.end(), "a stream began before the call");
                to.writes.push_back({write.offset, range->second});
                continue;
            }
            if (into.staging == nullptr) into.staging = session_.engine.stage();
            const ByteView data = *write.data->as_bytes();
            to.writes.push_back({write.offset, {into.staging->size(), data.size()}});
            CO_TRY(co_await session_.turnstile.spend(ctx, session_.grid, data.size()));
            CO_TRY(co_await into.staging->append(ctx, data));
        }
    }
    co_return ok();
}

rt::Task<StorageObject::Answer> StorageObject::read_test_write(const rt::Context& ctx,
                                                               StorageArguments arguments,
                                                               Incoming incoming) {
    auto index = arguments.storage_index(0);
    if (!index) co_return std::unexpected(std::move(index).error());
    auto secrets = slot_secrets(arguments.find(1, "secrets"));
    if (!secrets) co_return std::unexpected(std::move(secrets).error());
    const auto writes = slot_writes(arguments.find(2, "tw_vectors"));
    if (!writes) co_return std::unexpected(writes.error());
    auto reads = arguments.read_vector(3, "r_vector");
    if (!reads) co_return std::unexpected(std::move(reads).error());
    if (incoming.error) co_return std::unexpected(storage_failure(session_, *incoming.error));

    storage::TestWriteRequest request{.index = *index,
                                      .write_enabler = std::move(secrets->write_enabler),
                                      .secrets = std::move(secrets->lease),
                                      .shares = {},
                                      .reads = *std::move(reads),
                                      .staging = nullptr};
    const auto staged = co_await stage(ctx, *writes, incoming, request);
    if (!staged) co_return std::unexpected(storage_failure(session_, staged.error()));
    const auto done = co_await session_.in_turn(
        ctx, Lane::write, session_.engine.read_test_write(ctx, session_.grid, std::move(request)));
    if (!done) co_return std::unexpected(storage_failure(session_, done.error()));
    auto strings = co_await read_extracts(ctx, done->before);
    if (!strings) co_return std::unexpected(storage_failure(session_, strings.error()));
    co_return pf::Value::tuple(
        {pf::Value::boolean(done->success), extracts_value(done->before, *std::move(strings))});
}

rt::Task<StorageObject::Answer> StorageObject::advise_corrupt_share(const rt::Context& ctx,
                                                                    StorageArguments arguments) {
    const auto type = arguments.text(0, "share_type", 16);
    if (!type) co_return std::unexpected(type.error());
    if (*type != "mutable" && *type != "immutable")
        co_return bad_argument("share_type", "neither mutable nor immutable");
    auto index = arguments.storage_index(1);
    if (!index) co_return std::unexpected(std::move(index).error());
    const auto share = arguments.number(2, "shnum");
    if (!share) co_return std::unexpected(share.error());
    auto reason = arguments.text(3, "reason", storage::kAdvisoryReasonBytesMax);
    if (!reason) co_return std::unexpected(std::move(reason).error());
    if (*share > storage::kShareNumberMax) co_return pf::Value::none();
    const auto advised = co_await session_.in_turn(
        ctx, Lane::write,
        session_.engine.advise_corrupt(
            ctx, session_.grid, *index, static_cast<storage::ShareNumber>(*share),
            *type == "mutable" ? ShareKind::mutable_ : ShareKind::immutable, *std::move(reason)));
    // Nothing is said of a share that is not there.
    if (!advised && !advised.error().is("storage.no_such_share"))
        co_return std::unexpected(storage_failure(session_, advised.error()));
    co_return pf::Value::none();
}

}  // namespace s4::gate

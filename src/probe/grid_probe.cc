#include "probe/grid_probe.h"

#include "crypto/random.h"
#include "proto/gbs/client.h"
#include "wire/http_client.h"

namespace s4::probe {
namespace {

namespace gbs = proto::gbs;

constexpr gbs::ShareNumber kShare = 0;
constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kContentBytes = 64;

// One slot that nobody else knows, and how to speak of it.
struct Slot {
    explicit Slot(crypto::Random& random)
        : index(crypto::random_bytes<16>(random)),
          write_enabler(crypto::random_secret(random, kSecretBytes)),
          lease{crypto::random_secret(random, kSecretBytes),
                crypto::random_secret(random, kSecretBytes)},
          content(kContentBytes) {
        random.fill(content);
    }

    gbs::ClientRequest creation(const gbs::Client& client) const {
        gbs::ReadTestWriteRequest request;
        gbs::ShareVectors& share = request.shares[kShare];
        share.tests.push_back({0, 1, {}});  // it must not be there yet
        share.writes.push_back({0, 0, content.size()});
        return client.read_test_write(index, write_enabler, lease, request, content);
    }
    gbs::ClientRequest deletion(const gbs::Client& client) const {
        gbs::ReadTestWriteRequest request;
        request.shares[kShare].new_length = 0;
        return client.read_test_write(index, write_enabler, lease, request, {});
    }

    gbs::StorageIndex index;
    Secret write_enabler;
    gbs::LeaseSecrets lease;
    ByteBuffer content;
};

rt::Task<Result<wire::HttpAnswer>> send(const rt::Context& ctx, wire::HttpClient& http,
                                        gbs::ClientRequest request) {
    co_return co_await http.call(ctx, {.method = request.method,
                                       .target = std::move(request.target),
                                       .fields = std::move(request.fields),
                                       .body = std::move(request.body)});
}

std::unexpected<Error> wrong(std::string message) {
    return fail(ErrorKind::unavailable, "probe.wrong_answer", std::move(message));
}

rt::Task<Result<void>> create(const rt::Context& ctx, wire::HttpClient& http,
                              const gbs::Client& client, const Slot& slot) {
    const wire::HttpAnswer answer = CO_TRY(co_await send(ctx, http, slot.creation(client)));
    const auto written = CO_TRY(gbs::read_read_test_write(answer.head, answer.body));
    if (!written.success) co_return wrong("a new slot was said to exist already");
    co_return ok();
}

rt::Task<Result<void>> read_back(const rt::Context& ctx, wire::HttpClient& http,
                                 const gbs::Client& client, const Slot& slot) {
    const gbs::Span all{0, slot.content.size()};
    wire::HttpAnswer answer = CO_TRY(
        co_await send(ctx, http, client.read(gbs::Route::mutable_read, slot.index, kShare, all)));
    const ByteBuffer content = CO_TRY(gbs::read_share(answer.head, std::move(answer.body), all));
    if (content != slot.content) co_return wrong("a slot had other bytes than were written to it");
    co_return ok();
}

rt::Task<Result<void>> remove(const rt::Context& ctx, wire::HttpClient& http,
                              const gbs::Client& client, const Slot& slot) {
    const wire::HttpAnswer answer = CO_TRY(co_await send(ctx, http, slot.deletion(client)));
    const auto deleted = CO_TRY(gbs::read_read_test_write(answer.head, answer.body));
    if (!deleted.success) co_return wrong("a slot could not be deleted by its writer");
    const wire::HttpAnswer listed =
        CO_TRY(co_await send(ctx, http, client.list(gbs::Route::mutable_shares, slot.index)));
    if (!CO_TRY(gbs::read_list(listed.head, listed.body)).empty())
        co_return wrong("a deleted slot was still there");
    co_return ok();
}

Result<void> in_step(Result<void> result, std::string_view step) {
    if (!result) return fail(std::move(result).error().with(std::string(step)));
    return result;
}

}  // namespace

rt::Task<Result<void>> GridProbe::check(const rt::Context& ctx,
                                        const service::GridAddresses& addresses) {
    if (addresses.nurls.empty())
        co_return fail(ErrorKind::unsupported, "probe.no_address",
                       "the grid has no address that speaks HTTPS");
    for (const Secret& text : addresses.nurls) {
        const gbs::Nurl nurl = CO_TRY(gbs::Nurl::parse(text.reveal_text()));
        CO_TRY(co_await check_server(ctx, nurl));
    }
    co_return ok();
}

rt::Task<Result<void>> GridProbe::check_server(const rt::Context& ctx, const gbs::Nurl& nurl) {
    const rt::Endpoint endpoint = instead_.value_or(rt::Endpoint{nurl.host, nurl.port});
    wire::HttpClient http(runtime_.reactor, runtime_.network, tls_,
                          {endpoint, proto::tls::PeerPolicy::pinned_key(nurl.spki_hash)});
    const gbs::Client client(nurl.swissnum);
    const Slot slot(runtime_.random);
    CO_TRY(in_step(co_await create(ctx, http, client, slot), "create a slot"));
    const Result<void> read = in_step(co_await read_back(ctx, http, client, slot), "read a slot");
    // Deleted also when it could not be read, so that a failing check leaves nothing behind if it
    // can help it.
    const Result<void> removed = in_step(co_await remove(ctx, http, client, slot), "delete a slot");
    CO_TRY(Result<void>(read));
    co_return removed;
}

}  // namespace s4::probe

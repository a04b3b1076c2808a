#include "gate/introducer_object.h"

#include <utility>

#include "base/log.h"
#include "proto/foolscap/message_writer.h"

namespace s4::gate {

namespace pf = proto::foolscap;

namespace {

constexpr std::string_view kInterface =
    "RIIntroducerPublisherAndSubscriberService_v2.tahoe.allmydata.com";

// One of the three parts of an announcement. Python's None stands for "not signed".
std::optional<std::string> part(const pf::Value& value) {
    if (value.is_none()) return std::string();
    const auto bytes = value.as_bytes();
    if (!bytes) return std::nullopt;
    return to_string(*bytes);
}

std::optional<introducer::SignedAnnouncement> signed_announcement(const pf::Value* value) {
    const auto* parts = value == nullptr ? nullptr : value->as_tuple();
    if (parts == nullptr || parts->size() != 3) return std::nullopt;
    auto message = part((*parts)[0]);
    auto signature = part((*parts)[1]);
    auto key = part((*parts)[2]);
    if (!message || !signature || !key) return std::nullopt;
    return introducer::SignedAnnouncement{*std::move(message), *std::move(signature),
                                          *std::move(key)};
}

}  // namespace

pf::Failure introducer_failure(const Error& error) {
    if (error.is("introducer.unsigned") || error.is("introducer.unknown_signature") ||
        error.is("introducer.unknown_key"))
        return pf::Failure::make("allmydata.introducer.common.UnknownKeyError", error.message());
    if (error.is("introducer.bad_signature"))
        return pf::Failure::make("allmydata.crypto.error.BadSignature", "");
    if (error.kind() == ErrorKind::invalid)
        return pf::Failure::make("builtins.ValueError", error.message());
    // What went wrong inside is for our log; the caller may try again.
    const bool telling = error.kind() == ErrorKind::too_large || error.is("introducer.busy");
    return pf::Failure::make("builtins.RuntimeError",
                             telling ? error.message() : "the introducer failed; try again later");
}

ByteBuffer announce_arguments(const introducer::Batch::Items& items) {
    pf::Value::Items announcements;
    announcements.reserve(items.size());
    for (const auto& item : items)
        announcements.push_back(
            pf::Value::tuple({pf::Value::bytes(item->message), pf::Value::bytes(item->signature),
                              pf::Value::bytes(item->key)}));
    pf::Arguments arguments;
    arguments.positional.push_back(pf::Value::set(std::move(announcements)));
    return pf::prepare_arguments(arguments);
}

// The peer's subscriber object. Holds its reference until the connection ends.
class IntroducerObject::RemoteSubscriber final : public introducer::Subscriber {
  public:
    RemoteSubscriber(wire::FoolscapConnection& connection, pf::RemoteReference reference)
        : connection_(connection), reference_(std::move(reference)) {
        connection_.hold(reference_);
    }
    void announce(const introducer::BatchPtr& batch) override {
        connection_.tell(reference_, "announce_v2", batch->encoded(&announce_arguments));
    }

  private:
    wire::FoolscapConnection& connection_;
    pf::RemoteReference reference_;
};

IntroducerObject::IntroducerObject(wire::FoolscapConnection& connection,
                                   const FoolscapServices& services, GridId grid)
    : connection_(connection), services_(services), grid_(grid) {}

IntroducerObject::~IntroducerObject() {
    subscriptions_.clear();
}

std::string IntroducerObject::interface_name() const {
    return std::string(kInterface);
}

pf::ArgumentMode IntroducerObject::argument_mode(std::string_view method) const {
    const bool known =
        method == "get_version" || method == "publish_v2" || method == "subscribe_v2";
    return known ? pf::ArgumentMode::whole : pf::ArgumentMode::refused;
}

rt::Task<IntroducerObject::Answer> IntroducerObject::call(const rt::Context& ctx,
                                                          std::string method,
                                                          pf::Arguments arguments) {
    if (method == "publish_v2") co_return co_await publish(ctx, arguments);
    if (method == "subscribe_v2") co_return co_await subscribe(ctx, arguments);
    co_return get_version();
}

IntroducerObject::Answer IntroducerObject::get_version() const {
    return pf::Value::dict({{pf::Value::bytes(introducer::kProtocol), pf::Value::dict({})},
                            {pf::Value::bytes("application-version"),
                             pf::Value::bytes(services_.application_version)}});
}

rt::Task<IntroducerObject::Answer> IntroducerObject::publish(const rt::Context& ctx,
                                                             const pf::Arguments& arguments) {
    auto announcement = signed_announcement(arguments.find(0, "announcement"));
    if (!announcement)
        co_return wire::bad_argument("announcement", "not a tuple of three byte strings");
    const auto published =
        co_await services_.introducer.publish(ctx, grid_, limits(), *std::move(announcement));
    if (published) co_return pf::Value::none();
    if (published.error().kind() != ErrorKind::unauthorized)
        log::warning("gate", "an announcement was not published",
                     {{"grid", grid_.value}, {"error", published.error()}});
    co_return std::unexpected(introducer_failure(published.error()));
}

rt::Task<IntroducerObject::Answer> IntroducerObject::subscribe(const rt::Context& ctx,
                                                               const pf::Arguments& arguments) {
    const pf::Value* who = arguments.find(0, "subscriber");
    const pf::RemoteReference* reference = who == nullptr ? nullptr : who->as_remote();
    if (reference == nullptr) co_return wire::bad_argument("subscriber", "not a Referenceable");
    const pf::Value* service = arguments.find(1, "service_name");
    const auto name = service == nullptr ? std::nullopt : service->as_bytes();
    if (!name) co_return wire::bad_argument("service_name", "not a bytestring");
    const pf::Value* info = arguments.find(2, "subscriber_info");
    if (info == nullptr || info->as_dict() == nullptr)
        co_return wire::bad_argument("subscriber_info", "not a Dictionary");

    auto subscription = co_await services_.introducer.subscribe(
        ctx, grid_, limits(), to_string(*name), subscriber(*reference));
    if (!subscription) co_return std::unexpected(introducer_failure(subscription.error()));
    // A subscription that outlived its connection goes at once.
    if (*subscription && !connection_.closed()) subscriptions_.push_back(*std::move(subscription));
    co_return pf::Value::none();
}

// The same object subscribes to each service once, as the same subscriber.
IntroducerObject::RemoteSubscriber& IntroducerObject::subscriber(
    const pf::RemoteReference& reference) {
    auto& known = subscribers_[reference.clid];
    if (known == nullptr) known = std::make_unique<RemoteSubscriber>(connection_, reference);
    return *known;
}

introducer::GridLimits IntroducerObject::limits() const {
    const tenants::GridPtr grid = services_.directory.cached(grid_);
    if (grid == nullptr) return {};
    return {.announcements_max = grid->policy.announcements_max,
            .subscribers_max = grid->policy.subscribers_max};
}

void IntroducerObject::connection_lost() {
    subscriptions_.clear();
}

}  // namespace s4::gate

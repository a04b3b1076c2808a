// The introducer as a remote object (reference B.1): get_version, publish_v2, subscribe_v2 in, and
// announce_v2 out to whoever subscribed. One for each connection that asked for it, which owns it;
// with the connection go its subscriptions.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gate/grid_tub.h"
#include "introducer/introducer.h"
#include "wire/foolscap_connection.h"
#include "wire/foolscap_object.h"

namespace s4::gate {

class IntroducerObject final : public wire::RemoteObject {
  public:
    // The references outlive the connection.
    IntroducerObject(wire::FoolscapConnection& connection, const FoolscapServices& services,
                     GridId grid);
    ~IntroducerObject() override;

    std::string interface_name() const override;
    proto::foolscap::ArgumentMode argument_mode(std::string_view method) const override;
    rt::Task<Answer> call(const rt::Context& ctx, std::string method,
                          proto::foolscap::Arguments arguments) override;
    void connection_lost() override;

  private:
    class RemoteSubscriber;

    Answer get_version() const;
    rt::Task<Answer> publish(const rt::Context& ctx, const proto::foolscap::Arguments& arguments);
    rt::Task<Answer> subscribe(const rt::Context& ctx, const proto::foolscap::Arguments& arguments);
    RemoteSubscriber& subscriber(const proto::foolscap::RemoteReference& reference);
    introducer::GridLimits limits() const;

    wire::FoolscapConnection& connection_;
    const FoolscapServices& services_;
    GridId grid_;
    std::map<std::uint64_t, std::unique_ptr<RemoteSubscriber>> subscribers_;  // by clid
    std::vector<introducer::Subscription> subscriptions_;  // gone before their subscribers
};

// The caller's side of an introducer's errors: the exceptions that Tahoe's introducer raises.
proto::foolscap::Failure introducer_failure(const Error& error);

// The arguments of one announce_v2 for a batch; the same for every subscriber.
ByteBuffer announce_arguments(const introducer::Batch::Items& items);

}  // namespace s4::gate

// Taking in a storage node: which subscription and which grid it becomes.
#include <gtest/gtest.h>

#include "introducer/records.h"
#include "service/world_test.h"

namespace s4::service {
namespace {

class ImportTest : public testing::Test {
  protected:
    static tenants::AdoptedTub tub(std::string_view swissnum) {
        crypto::SystemRandom random;
        return {crypto::TlsIdentity::generate(random, 1'795'000'000), Secret(as_bytes(swissnum))};
    }

    Result<Import> begin(const ImportRequest& request) {
        return world_.run(world_.service().begin_import(world_.ctx(), request));
    }
    Result<ImportPlan> plan(const ImportRequest& request) {
        return world_.run(world_.service().plan_import(world_.ctx(), request));
    }
    Result<Overview> view(SubscriptionId id) {
        return world_.run(world_.service().overview(world_.ctx(), id));
    }
    Result<void> finish(const Import& import) {
        return world_.run(world_.service().finish_import(world_.ctx(), import));
    }
    tenants::GridPtr grid_of(SubscriptionId id) {
        return world_.run(world_.service().grid_of(world_.ctx(), id)).value();
    }
    // A subscription with a grid of its own, shown.
    SubscriptionId make_subscription() {
        SignUpRequest form{ByteBuffer(kSignUpNonceBytes, 1), "old@example.org", plan_, "127.0.0.1"};
        const SubscriptionId id =
            world_.run(world_.service().begin_sign_up(world_.ctx(), form))->subscription;
        const auto payment = world_.run(world_.service().begin_payment(world_.ctx(), id)).value();
        world_
            .run(world_.payments().decide(world_.ctx(), payment.reference,
                                          billing::PaymentStatus::paid))
            .value();
        world_.run(world_.service().settle(world_.ctx(), payment.reference)).value();
        world_.run_jobs();
        EXPECT_EQ(view(id)->stage, Stage::ready);
        return id;
    }

    rt::asio::Backend backend_{2};
    World world_{backend_};
    const std::string plan_ = world_.plans.suggested().id;
    const ImportRequest request_{.identity = {.storage = tub("ip35fzqb5cysr7bb5kcqjpqhpdb7ipwy"),
                                              .introducer = tub("xlukj5vhzeqzgjhmsyyvnrvyghi6qjex"),
                                              .server_key = {},
                                              .permutation_seed = "seed"},
                                 .seqnum = std::int64_t{1} << 40,
                                 .email = "new@example.org",
                                 .plan = plan_,
                                 .into = {}};
};

TEST_F(ImportTest, ANodeBecomesASubscriptionWithItsIdentity) {
    const Import made = begin(request_).value();
    EXPECT_FALSE(made.capability.empty());
    EXPECT_EQ(view(made.subscription)->stage, Stage::checking);
    world_.run_jobs();
    ASSERT_TRUE(finish(made));
    const Overview shown = view(made.subscription).value();
    EXPECT_EQ(shown.stage, Stage::ready);
    const std::string furl(shown.addresses->storage_furl.reveal_text());
    EXPECT_TRUE(furl.starts_with("pb://" + request_.identity.storage.tls.certificate.tub_id()));
    EXPECT_TRUE(furl.ends_with("/ip35fzqb5cysr7bb5kcqjpqhpdb7ipwy"));
    EXPECT_TRUE(shown.addresses->introducer_furl.reveal_text().starts_with(
        "pb://" + request_.identity.introducer->tls.certificate.tub_id()));
    EXPECT_EQ(grid_of(made.subscription)->permutation_seed, "seed");
    const auto announced =
        world_
            .run(world_.database().read(
                world_.ctx(), [&](sql::Reader& db) { return introducer::load(db, made.grid); }))
            .value();
    ASSERT_EQ(announced.size(), 1u);
    EXPECT_GT(*announced[0].seqnum, *request_.seqnum) << "clients take only what is newer";
}

TEST_F(ImportTest, AnImportThatWasKilledGoesOnInTheSameSubscription) {
    const Import first = begin(request_).value();
    world_.restart();
    const Import second = begin(request_).value();
    EXPECT_EQ(second.subscription, first.subscription);
    EXPECT_EQ(second.grid, first.grid);
    EXPECT_TRUE(second.capability.empty());
    EXPECT_EQ(plan(request_)->resumes, first.grid);

    ImportRequest elsewhere = request_;
    elsewhere.into = make_subscription();
    EXPECT_EQ(begin(elsewhere).error().code(), "import.other_subscription");

    world_.run_jobs();
    ASSERT_TRUE(finish(second));
    EXPECT_EQ(begin(request_).error().code(), "import.served_here");
}

TEST_F(ImportTest, AnEmptySubscriptionGetsTheNodesGridInsteadOfItsOwn) {
    const SubscriptionId id = make_subscription();
    const GridId old = grid_of(id)->id;
    ImportRequest request = request_;
    request.into = id;
    world_.usage.bytes = 1;
    EXPECT_EQ(plan(request).error().code(), "import.not_empty");
    world_.usage.bytes = 0;
    const Import made = begin(request).value();
    EXPECT_EQ(made.subscription, id);
    EXPECT_TRUE(made.capability.empty());
    EXPECT_EQ(grid_of(id)->id, made.grid);
    EXPECT_TRUE(finish(made)) << "it was shown already";
    EXPECT_EQ(world_.run(world_.directory().by_id(world_.ctx(), old)).value()->policy.state,
              tenants::GridState::closed);
    // The subscription's later changes are the new grid's.
    ASSERT_TRUE(world_.run(world_.service().cancel(world_.ctx(), id, Actor::operator_)));
    EXPECT_EQ(grid_of(id)->policy.state, tenants::GridState::read_only);
}

TEST_F(ImportTest, WhatCannotBeTakenInIsRefusedBeforeAnythingIsMade) {
    const auto code = [&](const ImportRequest& request) {
        const auto begun = begin(request);
        return begun ? std::string("begun") : std::string(begun.error().code());
    };
    ImportRequest request = request_;
    request.email = "nobody";
    EXPECT_EQ(code(request), "email.invalid");
    request = request_;
    request.plan = "none";
    EXPECT_EQ(code(request), "plan.unknown");
    request = request_;
    request.into = SubscriptionId{99};
    EXPECT_EQ(code(request), "subscription.unknown");
    request.into = make_subscription();
    ASSERT_TRUE(world_.run(world_.service().cancel(world_.ctx(), *request.into, Actor::operator_)));
    EXPECT_EQ(code(request), "import.not_active");
    EXPECT_EQ(world_.run(world_.service().list(world_.ctx(), {}, 10))->size(), 1u);
}

}  // namespace
}  // namespace s4::service

// Service: the use cases, each with one implementation, whoever asks (web form, control socket,
// later webhooks and the REST API): sign up, pay, show, replace a lost page, cancel.
//
// What must be finished later is queued as a job in the same transaction (jobs.h); control's
// JobRunner runs it. A use case that is repeated ends in the same state.
//
// Lives as long as the process, on its reactor; the dependencies outlive it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "billing/ledger.h"
#include "billing/payment.h"
#include "billing/plans.h"
#include "billing/subscription.h"
#include "crypto/master_key.h"
#include "crypto/seal.h"
#include "introducer/announcement.h"
#include "introducer/introducer.h"
#include "rt/context.h"
#include "rt/runtime.h"
#include "rt/sync.h"
#include "rt/task.h"
#include "service/addresses.h"
#include "service/jobs.h"
#include "service/limits.h"
#include "service/needs.h"
#include "service/records.h"
#include "sql/database.h"
#include "tenants/directory.h"

namespace s4::service {

struct Options {
    bool sign_up_open = true;
    std::size_t sign_ups_per_address = kSignUpsPerAddress;
};

struct Dependencies {
    rt::Runtime& runtime;
    sql::Database& database;
    const crypto::MasterKey& master;
    const billing::Plans& plans;
    billing::PaymentProvider& payments;
    tenants::Directory& directory;
    introducer::Introducer& introducer;
    GridCheck& grid_check;
    GridUsage& usage;
    PublicGate gate;
};

struct SignUpRequest {
    ByteBuffer nonce;  // kSignUpNonceBytes of the form; with e-mail and plan it names the sign-up
    std::string email;
    std::string plan;            // its id
    std::string client_address;  // an IP literal
};

struct SignUp {
    SubscriptionId subscription;
    Secret capability;  // the page's address ends with it
};

// A Tahoe storage node that is to go on as a grid.
struct ImportRequest {
    tenants::AdoptedIdentity identity;
    // Of the node's last announcement; S4's are higher.
    std::optional<std::int64_t> seqnum;
    // Of a new subscription. An empty plan is the suggested one.
    std::string email;
    std::string plan;
    std::optional<SubscriptionId> into;  // instead: one that is there, whose grid is empty
};

struct ImportPlan {
    std::uint64_t quota_bytes = 0;
    std::optional<GridId> resumes;  // an import of this node that was begun
};

struct Import {
    SubscriptionId subscription;
    GridId grid;
    Secret capability;  // of a subscription just made
};

// Where a subscription stands, as its page tells it.
enum class Stage : std::uint8_t {
    unpaid,    // waiting for the payment
    making,    // paid; the grid is being made
    checking,  // made; being checked from outside
    ready,     // shown
    ended,     // ended before it was paid or shown, or purged
};
std::string_view to_string(Stage stage);

struct Overview {
    billing::Subscription subscription;
    billing::Plan plan;
    Stage stage = Stage::unpaid;
    bool declined = false;                   // unpaid: the last attempt to pay failed
    bool delayed = false;                    // making or checking: it takes longer than it should
    std::optional<GridId> grid;              // once made
    tenants::Transports transports{};        // once made
    billing::GridLimits limits;              // of the grid, or while there is none of the plan
    std::optional<UnixSeconds> ends;         // when the state ends by itself
    std::int64_t times_paid = 0;             // payments booked
    billing::Money due;                      // for the next payment
    std::optional<GridAddresses> addresses;  // only when ready, and not purged
    std::uint64_t used_bytes = 0;            // likewise
};

class Service {
  public:
    static Result<std::unique_ptr<Service>> create(Dependencies dependencies, Options options);

    const billing::Plans& plans() const { return with_.plans; }
    const Options& options() const { return options_; }
    bool test_mode() const { return with_.payments.test_mode(); }

    // -- the customer's --

    // The same nonce, e-mail and plan give the same sign-up and capability. Errors:
    // service.sign_up_closed, email.invalid, plan.unknown, service.too_many_sign_ups.
    rt::Task<Result<SignUp>> begin_sign_up(const rt::Context& ctx, SignUpRequest request);
    // Errors: page.unknown.
    rt::Task<Result<SubscriptionId>> find_page(const rt::Context& ctx, Secret capability);
    // Errors: subscription.unknown.
    rt::Task<Result<Overview>> overview(const rt::Context& ctx, SubscriptionId subscription);

    // Begins the payment that is due, or gives the one begun already. Errors:
    // subscription.purged, payment.not_due, and the provider's.
    rt::Task<Result<billing::Payment>> begin_payment(const rt::Context& ctx,
                                                     SubscriptionId subscription);
    // Asks the provider how a payment stands and does what follows: whoever reports that something
    // happened to a payment (a page, a webhook) ends here. Errors: payment.unknown, and the
    // provider's.
    rt::Task<Result<billing::Payment>> settle(const rt::Context& ctx, std::string reference);

    // Ends service at the state's retention date; what is stored stays until then. Repeating it
    // changes nothing.
    rt::Task<Result<Overview>> cancel(const rt::Context& ctx, SubscriptionId subscription,
                                      Actor actor);

    // What the grid's server announces from now on. Clients hear of it as soon as the job that
    // follows has run. Repeating it changes nothing. Errors: service.no_grid, subscription.unknown,
    // tenants.invalid_policy (a closed grid).
    rt::Task<Result<Overview>> set_transports(const rt::Context& ctx, SubscriptionId subscription,
                                              tenants::Transports transports, Actor actor);

    // -- the operator's --

    // An active subscription without a payment; returns once its grid was checked and is shown.
    // Errors: email.invalid, plan.unknown, service.being_checked when that takes longer than
    // kCreateWaitMax: the subscription is there, and the check goes on.
    rt::Task<Result<SignUp>> create_subscription(const rt::Context& ctx, std::string email,
                                                 std::string plan);
    // A new capability; every older one is void.
    rt::Task<Result<Secret>> replace_page(const rt::Context& ctx, SubscriptionId subscription);
    // Which grid an import's shares go to, and how much it may hold. Changes nothing. Errors:
    // email.invalid, plan.unknown, subscription.unknown; import.served_here (this service has that
    // identity, and not by an unfinished import), import.other_subscription, import.not_active,
    // import.not_empty.
    rt::Task<Result<ImportPlan>> plan_import(const rt::Context& ctx, const ImportRequest& request);
    // Makes what plan_import() says. A subscription made for it gets its provisioning as any other;
    // a named one gets the new grid instead of its empty one, which is closed. Repeating it finds
    // the import that is unfinished, and gives no capability. Errors: as above.
    rt::Task<Result<Import>> begin_import(const rt::Context& ctx, ImportRequest request);
    // Every share is there. Returns once the grid was checked and is shown; errors: as
    // create_subscription().
    rt::Task<Result<void>> finish_import(const rt::Context& ctx, Import import);
    // The grid of a subscription. Errors: subscription.unknown, subscription.no_grid.
    rt::Task<Result<tenants::GridPtr>> grid_of(const rt::Context& ctx, SubscriptionId subscription);
    rt::Task<Result<std::vector<billing::Subscription>>> list(const rt::Context& ctx,
                                                              SubscriptionId after, int limit);
    rt::Task<Result<std::vector<AuditRow>>> audit_log(const rt::Context& ctx,
                                                      SubscriptionId subscription);
    rt::Task<Result<std::vector<billing::LedgerEntry>>> ledger(const rt::Context& ctx,
                                                               SubscriptionId subscription);

    // -- jobs: for control's JobRunner --

    rt::Task<Result<std::vector<Job>>> next_jobs(const rt::Context& ctx, int limit);
    // Runs one step. A failed step is put off, logged, and its error returned; the job stays.
    rt::Task<Result<void>> run_job(const rt::Context& ctx, Job job);
    // Set whenever a job was queued that is due; the runner clears it.
    rt::Event& jobs_queued() { return jobs_queued_; }

  private:
    Service(Dependencies dependencies, Options options, crypto::KeyedHash page_hash,
            crypto::KeyedHash sign_up_hash, crypto::KeyedHash address_hash);

    const billing::Plan& plan_of(const billing::Subscription& subscription) const;
    Secret capability_of(const SignUpRequest& request) const;

    // Within a transaction: the state's change with everything that goes with it.
    Result<billing::Transition> change_state(sql::Transaction& tx,
                                             billing::Subscription& subscription,
                                             billing::Event event, Actor actor, UnixSeconds now);
    Result<void> begin_in_tx(sql::Transaction& tx, const std::string& email,
                             const billing::Plan& plan, Source source,
                             billing::Subscription& subscription, UnixSeconds now);
    // Whether the payment was booked just now.
    Result<bool> settle_in_tx(sql::Transaction& tx, SubscriptionId id,
                              const billing::Payment& payment, UnixSeconds now);

    Result<ImportPlan> plan_import_in(sql::Reader& db, const ImportRequest& request) const;
    rt::Task<Result<void>> check_is_empty(const rt::Context& ctx, SubscriptionId subscription);
    // A grid's first announcement, signed.
    Result<introducer::Announcement> first_announcement(const tenants::Grid& grid,
                                                        std::optional<std::int64_t> seqnum) const;
    // Puts the grid into the tables and links it with the subscription.
    Result<GridId> give_grid(sql::Transaction& tx, const billing::Subscription& subscription,
                             const tenants::NewGrid& grid,
                             const introducer::Announcement& announcement, Actor actor,
                             UnixSeconds now);

    // Whether the provisioning job is still at this step and its subscription is to be served;
    // a job that is no longer wanted is deleted.
    Result<bool> is_wanted(sql::Transaction& tx, const Job& job);

    rt::Task<Result<void>> run_step(const rt::Context& ctx, const Job& job);
    rt::Task<Result<void>> make_grid(const rt::Context& ctx, const Job& job);
    rt::Task<Result<void>> check_grid(const rt::Context& ctx, const Job& job);
    rt::Task<Result<void>> fire_timer(const rt::Context& ctx, const Job& job);
    rt::Task<Result<void>> announce_grid(const rt::Context& ctx, const Job& job);
    rt::Task<Result<void>> put_off(const rt::Context& ctx, const Job& job, const Error& error);
    rt::Task<Result<GridAddresses>> load_addresses(const rt::Context& ctx, GridId grid);
    rt::Task<Result<void>> await_shown(const rt::Context& ctx, SubscriptionId subscription);
    void committed(SubscriptionId subscription);

    Dependencies with_;
    Options options_;
    crypto::KeyedHash page_hash_;     // finds a page by its capability
    crypto::KeyedHash sign_up_hash_;  // makes a capability of a form's nonce
    crypto::KeyedHash address_hash_;  // client addresses are not kept in clear
    rt::Event jobs_queued_;

    // Who waits for a subscription's grid to be shown; the entry goes with its last waiter.
    struct Waiters {
        explicit Waiters(rt::Reactor& reactor) : changed(reactor) {}
        rt::Event changed;
        std::uint64_t changes = 0;  // so that one between a look and the wait is not missed
        int count = 0;
    };
    std::map<SubscriptionId, Waiters> waiters_;
};

// What a grid may do under a plan in a state. The transports are the customer's choice, which
// neither decides.
tenants::Policy policy_of(const billing::Plan& plan, billing::State state,
                          tenants::Transports transports);
billing::GridLimits limits_of(const tenants::Policy& policy);

// Of a grid that a subscription has.
Result<tenants::Policy> policy_of_grid(sql::Reader& db, GridId grid);

// The part of a client's address by which sign-ups are counted: an IPv4 address, or the first 64
// bits of an IPv6 one. A text that is no address counts as it is.
std::string address_key(std::string_view address);

}  // namespace s4::service

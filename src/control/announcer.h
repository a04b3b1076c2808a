// Announcer: sees to it that every grid announces its own server where the gate is now. Clients
// find a server by its announcement alone, so when --gate-public or the service's identity has
// changed since the announcements were made, all of them are made anew, each under a higher number.
//
// It goes through the grids in steps and notes durably how far it came: a killed process goes on
// there, and one whose address is the old one does nothing. Made by the node; on one reactor;
// run() ends when all is done, or with its context.
#pragma once

#include <string>

#include "introducer/introducer.h"
#include "introducer/records.h"
#include "rt/reactor.h"
#include "rt/task.h"
#include "service/addresses.h"
#include "sql/database.h"
#include "tenants/keyring.h"

namespace s4::control {

class Announcer {
  public:
    // The references outlive it.
    Announcer(rt::Reactor& reactor, sql::Database& database, introducer::Introducer& introducer,
              const tenants::Keyring& keyring, service::PublicGate gate);

    // Steps until all is done; a step that fails is logged and tried again later.
    rt::Task<void> run(const rt::Context& ctx);

    // Sees to one page of grids and commits that it did. Returns whether nothing is left to do.
    rt::Task<Result<bool>> step(const rt::Context& ctx);

    // Announcements made so far.
    int announced() const { return announced_; }

  private:
    rt::Task<Result<introducer::OwnRound>> current_round(const rt::Context& ctx);
    rt::Task<void> announce(const rt::Context& ctx, GridId id, Result<void>& outcome);
    rt::Task<Result<void>> announce_one(const rt::Context& ctx, GridId id);

    rt::Reactor& reactor_;
    sql::Database& database_;
    introducer::Introducer& introducer_;
    const tenants::Keyring& keyring_;
    service::PublicGate gate_;
    std::string address_;
    int seen_ = 0;
    int announced_ = 0;
};

}  // namespace s4::control

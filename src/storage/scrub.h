// Scrub: verifies every share once in a round, a little at a time beside the clients' work, and
// says what it found: an advisory for operator and customer, an error in the log, a metric. It
// changes no share; `s4 storage check --repair` does. Where it stands is in the database, so that a
// restart goes on. Lives on the engine's reactor.
#pragma once

#include "storage/care_tables.h"
#include "storage/checker.h"

namespace s4::storage {

class Scrub {
  public:
    Scrub(Core& core, Checker& checker);

    // Until the context is cancelled. A failure of the disk is told and tried again later.
    rt::Task<void> run(const rt::Context& ctx);

  private:
    // Verifies a page and returns when to go on.
    rt::Task<Result<Duration>> step(const rt::Context& ctx);
    rt::Task<Result<void>> save(const rt::Context& ctx, const tables::ScrubRow& row);

    Core& core_;
    Checker& checker_;
    IoBudget budget_;
};

}  // namespace s4::storage

// EngineState: the parts of one Engine, in the order in which they may use each other. engine.cc
// alone makes it.
#pragma once

#include <cstddef>

#include "storage/checker.h"
#include "storage/collector.h"
#include "storage/core.h"
#include "storage/expiry.h"
#include "storage/reading.h"
#include "storage/scrub.h"
#include "storage/slots.h"
#include "storage/survey.h"
#include "storage/uploads.h"
#include "storage/usage_history.h"
#include "storage/walk.h"

namespace s4::storage {

class EngineState {
  public:
    EngineState(const rt::Context& life, rt::Runtime& runtime, sql::Database& db,
                blob::Store& blobs, const Policies& policies, EngineOptions options,
                crypto::Sealer sealer, crypto::KeyedHash enabler_hash)
        : core(life, runtime, db, blobs, policies, options, std::move(sealer),
               std::move(enabler_hash)),
          uploads(core),
          reading(core),
          slots(core),
          walk(core),
          survey(core),
          collector(core),
          checker(core),
          scrub(core, checker),
          expiry(core),
          history(core) {}

    // Every collect_every, unless paused.
    rt::Task<void> run_collector(rt::Context ctx);
    // Steps of expiry, close together while there is something to do.
    rt::Task<void> run_expiry(rt::Context ctx);
    // Ends idle uploads, and looks how full the disk is.
    rt::Task<void> run_sweeper(rt::Context ctx);
    rt::Task<void> look_at_disk(const rt::Context& ctx);
    // Once a minute: the numbers of all grids together, as metrics.
    rt::Task<void> run_counting(rt::Context ctx);

    Core core;
    Uploads uploads;
    Reading reading;
    Slots slots;
    Walk walk;
    Survey survey;
    Collector collector;
    Checker checker;
    Scrub scrub;
    Expiry expiry;
    UsageHistory history;
    std::size_t collector_pauses = 0;
};

}  // namespace s4::storage

// The heap of this program, counted: heap.cc replaces operator new and delete. What the simulated
// world allocates for itself (rt/sim/world_memory.h) is left out, so that what remains are the
// services, their clients and what is on its way between them. Memory that C libraries take by
// malloc is not counted. One thread.
#pragma once

#include <cstddef>

namespace s4::simulation::heap {

std::size_t live_bytes();
// The most that was alive at once since begin_peak().
std::size_t peak_bytes();
void begin_peak();

}  // namespace s4::simulation::heap

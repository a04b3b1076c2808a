// WorldMemory: while one lives, what is allocated is the simulated world's own (what lies on its
// disks), not its processes'. For a program that counts its heap, as tests/sim does; it changes
// nothing by itself.
#pragma once

namespace s4::rt::sim {

class WorldMemory {
  public:
    WorldMemory() { ++depth_; }
    ~WorldMemory() { --depth_; }
    WorldMemory(const WorldMemory&) = delete;
    WorldMemory& operator=(const WorldMemory&) = delete;

    static bool is_being_allocated() { return depth_ > 0; }

  private:
    static inline thread_local int depth_ = 0;
};

}  // namespace s4::rt::sim
